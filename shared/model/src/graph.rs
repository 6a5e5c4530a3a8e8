//! The graph of one shape class: typed operators over values whose types, shapes and constants are known.

use std::sync::Arc;

use crate::op::{Fact, Op};
use crate::tensor::Tensor;

/// Index of a value in [`Graph::values`].
pub type ValueId = usize;

/// A value: the result of a node, a graph input, or a constant.
#[derive(Debug, Clone)]
pub struct Value {
    /// Name in the model file, or of the node that made it.
    pub name: String,
    /// Type and shape.
    pub fact: Fact,
    /// The elements, when they do not depend on the inputs.
    pub constant: Option<Arc<Tensor>>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Node {
    /// Name in the model file; fused nodes keep the last one's.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Operands; `None` for an optional one that is absent.
    pub inputs: Vec<Option<ValueId>>,
    /// Results.
    pub outputs: Vec<ValueId>,
}

/// Operations in an order in which they can run.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// All values.
    pub values: Vec<Value>,
    /// Operations, each after those it depends on.
    pub nodes: Vec<Node>,
    /// Values that the caller gives.
    pub inputs: Vec<ValueId>,
    /// Names and values that the caller gets; a value may appear twice or be an input or a constant.
    pub outputs: Vec<(String, ValueId)>,
}

/// An invariant that a graph breaks: a bug in the pass that made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A node reads a value that nothing before it computes.
    #[error("node `{node}` reads `{value}` before it is computed")]
    UsedBeforeDefined {
        /// Name of the node.
        node: String,
        /// Name of the value.
        value: String,
    },
    /// A value is computed twice.
    #[error("value `{value}` is computed twice")]
    DefinedTwice {
        /// Name of the value.
        value: String,
    },
    /// A graph output is never computed.
    #[error("output `{value}` is never computed")]
    OutputMissing {
        /// Name of the output.
        value: String,
    },
    /// A constant's elements are not what its fact says.
    #[error("constant `{value}` does not have the type and shape it is declared with")]
    ConstantFact {
        /// Name of the value.
        value: String,
    },
}

impl Graph {
    /// Adds a value.
    pub fn add_value(&mut self, name: impl Into<String>, fact: Fact) -> ValueId {
        self.values.push(Value { name: name.into(), fact, constant: None });
        self.values.len() - 1
    }

    /// Adds a constant.
    pub fn add_constant(&mut self, name: impl Into<String>, tensor: Arc<Tensor>) -> ValueId {
        let fact = Fact::new(tensor.dtype(), tensor.dims().to_vec());
        self.values.push(Value { name: name.into(), fact, constant: Some(tensor) });
        self.values.len() - 1
    }

    /// The elements of a constant.
    #[must_use]
    pub fn constant(&self, value: ValueId) -> Option<&Tensor> {
        self.values[value].constant.as_deref()
    }

    /// Type and shape of a value.
    #[must_use]
    pub fn fact(&self, value: ValueId) -> &Fact {
        &self.values[value].fact
    }

    /// Which node computes each value.
    #[must_use]
    pub fn producers(&self) -> Vec<Option<usize>> {
        let mut producers = vec![None; self.values.len()];
        for (node_index, node) in self.nodes.iter().enumerate() {
            for &output in &node.outputs {
                producers[output] = Some(node_index);
            }
        }
        producers
    }

    /// How often each value is read, by nodes and as a graph output.
    #[must_use]
    pub fn use_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.values.len()];
        for node in &self.nodes {
            for &input in node.inputs.iter().flatten() {
                counts[input] += 1;
            }
        }
        for &(_, output) in &self.outputs {
            counts[output] += 1;
        }
        counts
    }

    /// Makes every reader of one value read another.
    pub fn replace_uses(&mut self, from: ValueId, to: ValueId) {
        for node in &mut self.nodes {
            for input in node.inputs.iter_mut().flatten() {
                if *input == from {
                    *input = to;
                }
            }
        }
        for (_, output) in &mut self.outputs {
            if *output == from {
                *output = to;
            }
        }
    }

    /// Drops nodes whose results nobody reads.
    pub fn remove_dead_nodes(&mut self) {
        let mut counts = self.use_counts();
        let mut is_kept = vec![true; self.nodes.len()];
        for (node_index, node) in self.nodes.iter().enumerate().rev() {
            if node.outputs.iter().all(|&output| counts[output] == 0) {
                is_kept[node_index] = false;
                for &input in node.inputs.iter().flatten() {
                    counts[input] -= 1;
                }
            }
        }
        let mut kept = is_kept.into_iter();
        self.nodes.retain(|_| kept.next().unwrap_or(true));
    }

    /// Checks what every pass must keep true.
    ///
    /// # Errors
    /// The first broken invariant.
    pub fn check(&self) -> Result<(), GraphError> {
        let name = |value: ValueId| self.values[value].name.clone();
        let mut is_defined: Vec<bool> = self.values.iter().map(|value| value.constant.is_some()).collect();
        for &input in &self.inputs {
            is_defined[input] = true;
        }
        for (value_id, value) in self.values.iter().enumerate() {
            if let Some(tensor) = &value.constant
                && (tensor.dtype() != value.fact.dtype || tensor.dims() != value.fact.dims)
            {
                return Err(GraphError::ConstantFact { value: name(value_id) });
            }
        }
        for node in &self.nodes {
            if let Some(&value) = node.inputs.iter().flatten().find(|&&input| !is_defined[input]) {
                return Err(GraphError::UsedBeforeDefined { node: node.name.clone(), value: name(value) });
            }
            for &output in &node.outputs {
                if is_defined[output] {
                    return Err(GraphError::DefinedTwice { value: name(output) });
                }
                is_defined[output] = true;
            }
        }
        match self.outputs.iter().find(|&&(_, output)| !is_defined[output]) {
            Some((value, _)) => Err(GraphError::OutputMissing { value: value.clone() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
