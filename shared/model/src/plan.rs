//! The order of kernels, where their results live, and what each costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fuse;
use crate::graph::{Graph, ValueId};
use crate::load::{Elements, Model, ModelError};
use crate::op::{Fact, Op};
use crate::tensor::{DType, Tensor};

mod cost;
mod cut;
mod kernel_name;

pub use cut::{Cut, Roots};

/// Most memory for results, bytes: wasm32 cannot address more.
const MAX_BUFFER_BYTES: u64 = 1 << 32;

/// Everything a backend needs to run a model for one shape class.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Kernels, in order.
    pub steps: Vec<Step>,
    /// Values that steps read and write.
    pub values: Vec<PlanValue>,
    /// Memory that values share.
    pub buffers: Vec<Buffer>,
    /// Values that the caller gives, in the order of the model's inputs.
    pub inputs: Vec<ValueId>,
    /// Names and values that the caller gets.
    pub outputs: Vec<(String, ValueId)>,
    /// Passes that applied, and how often.
    pub fused: Vec<(&'static str, usize)>,
    /// Inputs, by index, whose elements the plan is for: it is wrong for others.
    pub fixed_inputs: Vec<usize>,
}

/// One kernel call.
#[derive(Debug, Clone)]
pub struct Step {
    /// Name of the node in the model file.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<Option<ValueId>>,
    /// Results.
    pub outputs: Vec<ValueId>,
    /// Estimated cost.
    pub cost: Cost,
}

/// Estimated cost of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Multiplications and additions.
    pub n_flops: u64,
    /// Bytes read and written, each operand once.
    pub n_bytes: u64,
}

/// A value with its place.
#[derive(Debug, Clone)]
pub struct PlanValue {
    /// Name in the model file.
    pub name: String,
    /// Type and shape.
    pub fact: Fact,
    /// Where its elements are.
    pub home: Home,
}

/// Where a value's elements are.
#[derive(Debug, Clone)]
pub enum Home {
    /// The caller's input with this index.
    Input(usize),
    /// A weight.
    Constant(Arc<Tensor>),
    /// The front of the buffer with this index.
    Buffer(usize),
}

/// Memory for values of one type that are not alive at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Element type.
    pub dtype: DType,
    /// Elements of the largest value.
    pub n_elements: usize,
}

impl Model {
    /// The plan for given input types and shapes, in the order of [`Model::inputs`].
    ///
    /// # Errors
    /// The shapes do not fit the model, it uses an operator that is not supported, or it needs the elements of inputs.
    pub fn plan(&self, inputs: &[Fact]) -> Result<Plan, ModelError> {
        self.plan_with(inputs, &Elements::default())
    }

    /// The plan for given inputs; [`Plan::fixed_inputs`] says which of their elements it depends on.
    ///
    /// # Errors
    /// The shapes do not fit the model, or it uses an operator that is not supported.
    pub fn plan_for(&self, inputs: &[Tensor]) -> Result<Plan, ModelError> {
        let facts: Vec<Fact> =
            inputs.iter().map(|input| Fact::new(input.dtype(), input.dims().to_vec())).collect();
        self.plan_from(&facts, |index| inputs.get(index).cloned())
    }

    /// The plan for inputs of which not all elements are at hand: `elements` gives those that are.
    ///
    /// # Errors
    /// Those of [`Model::plan_for`], and the plan depends on elements that are not at hand.
    pub fn plan_from(
        &self,
        facts: &[Fact],
        elements: impl Fn(usize) -> Option<Tensor>,
    ) -> Result<Plan, ModelError> {
        let mut known = Elements::default();
        loop {
            let planned = self.plan_with(facts, &known);
            let Err(ModelError::Elements { inputs: needed, .. }) = &planned else { return planned };
            let n_known = known.len();
            let missing: Vec<usize> =
                needed.iter().copied().filter(|index| !known.contains_key(index)).collect();
            known.extend(missing.into_iter().filter_map(|index| Some((index, Arc::new(elements(index)?)))));
            if known.len() == n_known {
                return planned;
            }
        }
    }

    fn plan_with(&self, facts: &[Fact], elements: &Elements) -> Result<Plan, ModelError> {
        let mut graph = self.specialise_for(facts, elements)?;
        let fused = fuse::fuse(&mut graph);
        graph.check().map_err(|error| ModelError::Structure { reason: error.to_string() })?;
        let plan = Plan { fused, fixed_inputs: elements.keys().copied().collect(), ..Plan::new(graph) };
        let bytes_of = |buffer: &Buffer| buffer.n_elements as u64 * buffer.dtype.size_bytes() as u64;
        let n_bytes: u64 = plan.buffers.iter().map(bytes_of).sum();
        if n_bytes > MAX_BUFFER_BYTES {
            return Err(ModelError::Feature {
                reason: format!("its results take {} MB at once", n_bytes >> 20),
            });
        }
        Ok(plan)
    }
}

impl Plan {
    /// Orders a graph's nodes and gives every result a place.
    #[must_use]
    pub fn new(graph: Graph) -> Self {
        Planner::new(&graph).finish(graph)
    }

    /// Bytes of all buffers: memory for results at the peak.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.buffers.iter().map(|buffer| buffer.n_elements * buffer.dtype.size_bytes()).sum()
    }

    /// Bytes that all results would take without sharing.
    #[must_use]
    pub fn result_bytes(&self) -> usize {
        let results = self.steps.iter().flat_map(|step| &step.outputs);
        results.map(|&value| self.values[value].fact.size_bytes()).sum()
    }

    /// Weights that steps read, each once.
    #[must_use]
    pub fn constants(&self) -> Vec<&Arc<Tensor>> {
        let used = self.steps.iter().flat_map(|step| step.inputs.iter().flatten());
        let homes = used.filter_map(|&value| match &self.values[value].home {
            Home::Constant(tensor) => Some((Arc::as_ptr(tensor), tensor)),
            Home::Input(_) | Home::Buffer(_) => None,
        });
        homes.collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// True when results are quantized as the plan runs: then attention must round like the exact value.
    #[must_use]
    pub fn quantizes(&self) -> bool {
        let is_dynamic = |step: &Step| matches!(step.op, Op::QuantizedMatMul { .. } | Op::DynamicQuantize);
        self.steps.iter().any(is_dynamic)
    }

    /// Cost of all steps.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.steps.iter().fold(Cost::default(), |sum, step| Cost {
            n_flops: sum.n_flops + step.cost.n_flops,
            n_bytes: sum.n_bytes + step.cost.n_bytes,
        })
    }
}

struct Planner {
    /// The value whose memory a value shares: itself, or what it relabels.
    roots: Vec<ValueId>,
    /// Index of the last node that reads a root; the number of nodes for graph outputs.
    last_use: Vec<Option<usize>>,
    homes: Vec<Option<Home>>,
    buffers: Vec<Buffer>,
    /// Buffers that hold nothing alive.
    free: Vec<usize>,
}

impl Planner {
    fn new(graph: &Graph) -> Self {
        let mut roots: Vec<ValueId> = (0..graph.values.len()).collect();
        for node in &graph.nodes {
            if let (Op::Reshape, Some(Some(x))) = (&node.op, node.inputs.first()) {
                roots[node.outputs[0]] = roots[*x];
            }
        }
        let mut last_use = vec![None; graph.values.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            for &input in node.inputs.iter().flatten() {
                last_use[roots[input]] = Some(index);
            }
        }
        for &(_, output) in &graph.outputs {
            last_use[roots[output]] = Some(graph.nodes.len());
        }
        let mut homes = vec![None; graph.values.len()];
        for (value, home) in graph.values.iter().zip(&mut homes) {
            *home = value.constant.clone().map(Home::Constant);
        }
        for (index, &input) in graph.inputs.iter().enumerate() {
            homes[input].get_or_insert(Home::Input(index));
        }
        Self { roots, last_use, homes, buffers: Vec::new(), free: Vec::new() }
    }

    fn finish(mut self, graph: Graph) -> Plan {
        for index in 0..graph.nodes.len() {
            self.place(&graph, index);
        }
        let homes: Vec<Home> =
            self.roots.iter().map(|&root| self.homes[root].clone().unwrap_or(Home::Buffer(0))).collect();
        let steps = graph
            .nodes
            .iter()
            .filter(|node| node.op != Op::Reshape)
            .map(|node| Step {
                name: node.name.clone(),
                op: node.op.clone(),
                inputs: node.inputs.clone(),
                outputs: node.outputs.clone(),
                cost: cost::estimate(&graph, node),
            })
            .collect();
        let values = graph
            .values
            .into_iter()
            .zip(homes)
            .map(|(value, home)| PlanValue { name: value.name, fact: value.fact, home })
            .collect();
        Plan {
            steps,
            values,
            buffers: self.buffers,
            inputs: graph.inputs,
            outputs: graph.outputs,
            fused: Vec::new(),
            fixed_inputs: Vec::new(),
        }
    }

    /// Gives a node's results buffers, then frees those of operands that nobody reads any more.
    fn place(&mut self, graph: &Graph, index: usize) {
        let node = &graph.nodes[index];
        if node.op == Op::Reshape {
            return;
        }
        let mut dying: Vec<(ValueId, usize)> = Vec::new();
        for &input in node.inputs.iter().flatten() {
            let root = self.roots[input];
            if let (Some(Home::Buffer(buffer)), true) =
                (&self.homes[root], self.last_use[root] == Some(index))
                && !dying.iter().any(|&(other, _)| other == root)
            {
                dying.push((root, *buffer));
            }
        }
        for &output in &node.outputs {
            let fact = graph.fact(output);
            let in_place = node.op.in_place_operands().iter().find_map(|&position| {
                let input = node.inputs.get(position).copied().flatten()?;
                let at = dying.iter().position(|&(root, _)| root == self.roots[input])?;
                (graph.fact(input) == fact).then_some(at)
            });
            let buffer = match in_place {
                Some(at) => dying.swap_remove(at).1,
                None => self.take(fact),
            };
            self.buffers[buffer].n_elements = self.buffers[buffer].n_elements.max(fact.n_elements());
            self.homes[output] = Some(Home::Buffer(buffer));
            if self.last_use[output].is_none() {
                dying.push((output, buffer));
            }
        }
        self.free.extend(dying.into_iter().map(|(_, buffer)| buffer));
    }

    /// A free buffer of the right type: the smallest that is large enough, else the largest, else a new one.
    fn take(&mut self, fact: &Fact) -> usize {
        let n = fact.n_elements();
        let best = self
            .free
            .iter()
            .enumerate()
            .filter(|&(_, &buffer)| self.buffers[buffer].dtype == fact.dtype)
            .min_by_key(|&(_, &buffer)| {
                let size = self.buffers[buffer].n_elements;
                if size >= n { (false, size) } else { (true, usize::MAX - size) }
            })
            .map(|(position, _)| position);
        match best {
            Some(position) => self.free.swap_remove(position),
            None => {
                self.buffers.push(Buffer { dtype: fact.dtype, n_elements: n });
                self.buffers.len() - 1
            }
        }
    }
}

impl Op {
    /// Operands whose memory the result may take over: each element is read only to compute the one at its place.
    #[must_use]
    pub fn in_place_operands(&self) -> &'static [usize] {
        match self {
            Self::Unary(_) | Self::Softmax { .. } | Self::ChannelAffine => &[0],
            Self::Binary(function) if !function.is_comparison() => &[0, 1],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests;
