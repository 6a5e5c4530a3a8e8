//! From ONNX nodes to typed operators: resolves attributes across opsets, infers shapes, computes constants.
//!
//! Shapes are concrete here, so shape arithmetic is ordinary arithmetic on constants and disappears.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::graph::{Graph, ValueId};
use crate::load::{Branch, Elements, Model, ModelError, ModelNode};
use crate::op::{Fact, Op};
use crate::tensor::{Tensor, n_elements};

mod batch_norm;
mod call;
mod elementwise;
mod linear;
mod movement;
mod quantization;
mod recurrent;
mod reduction;
mod resample;
mod sample;
mod select;
mod shape;
mod signal;
mod window;

pub(crate) use batch_norm::fold_batch_norm;
pub(crate) use call::{Call, Reason, axes, axis, depends, invalid, length, unsupported};

/// Longest input whose elements may decide shapes: such inputs list dimensions, axes or scales, and every list has a
/// plan of its own.
const MAX_PARAMETERS: usize = 1024;

const UNKNOWN_OPERATOR: &str = "the operator is unknown";

/// The typed graph of a model for given input types and shapes, and given elements of some inputs.
pub(crate) fn lower(model: &Model, facts: &[Fact], elements: &Elements) -> Result<Graph, ModelError> {
    let mut lowering = Lowering::new(model, model.constant_budget);
    for (index, (input, fact)) in model.inputs.iter().zip(facts).enumerate() {
        let name = input.contract.name.clone();
        let value = match elements.get(&index) {
            Some(tensor) => lowering.graph.add_constant(name, Arc::clone(tensor)),
            None => lowering.graph.add_value(name, fact.clone()),
        };
        lowering.graph.inputs.push(value);
        lowering.values[input.value] = Some(value);
    }
    lowering.nodes(&model.nodes)?;
    for (name, output) in &model.outputs {
        let value = lowering.value(*output)?;
        lowering.graph.outputs.push((name.clone(), value));
    }
    lowering.graph.remove_dead_nodes();
    lowering.graph.check().map_err(|error| ModelError::Structure { reason: error.to_string() })?;
    Ok(lowering.graph)
}

/// Refuses an operator that is not known in any form. Those of branches are judged when it is known which is taken.
pub(crate) fn check_operators(model: &Model) -> Result<(), ModelError> {
    let is_known = |op_type: &str| {
        let node = ModelNode { op_type: op_type.to_owned(), ..ModelNode::default() };
        let mut graph = Graph::default();
        let (opset, mut budget) = (model.opset, 0);
        let mut call =
            Call { node: &node, opset, graph: &mut graph, inputs: Vec::new(), budget: &mut budget };
        // A family that knows the operator misses its inputs.
        FAMILIES.iter().any(|family| !matches!(family(&mut call), Ok(None)))
    };
    match model.nodes.iter().find(|node| node.op_type != "If" && !is_known(&node.op_type)) {
        Some(node) => {
            Err(ModelError::at_node(node, model.opset, Reason::Unsupported(UNKNOWN_OPERATOR.to_owned())))
        }
        None => Ok(()),
    }
}

/// The results of a node whose inputs are all constant; `None` when they cannot be computed ahead.
pub(crate) fn fold_node(
    model: &Model,
    node: &ModelNode,
    budget: &mut usize,
) -> Result<Option<Vec<Arc<Tensor>>>, ModelError> {
    let mut lowering = Lowering::new(model, *budget);
    // Whether the operator is supported is decided, and reported, when shapes are known.
    let Ok(outputs) = lowering.call(node) else { return Ok(None) };
    *budget = lowering.budget;
    let constant = |value: ValueId| lowering.graph.values[value].constant.clone();
    Ok(outputs.into_iter().map(constant).collect())
}

struct Lowering<'m> {
    model: &'m Model,
    graph: Graph,
    /// By model value.
    values: Vec<Option<ValueId>>,
    /// Bytes of constants that may still be made.
    budget: usize,
}

impl<'m> Lowering<'m> {
    fn new(model: &'m Model, budget: usize) -> Self {
        Self { model, graph: Graph::default(), values: vec![None; model.value_names.len()], budget }
    }

    fn value(&mut self, value: usize) -> Result<ValueId, ModelError> {
        if let Some(id) = self.values[value] {
            return Ok(id);
        }
        let name = &self.model.value_names[value];
        let constant = self.model.constants[value]
            .clone()
            .ok_or_else(|| ModelError::Structure { reason: format!("value `{name}` is never computed") })?;
        let id = self.graph.add_constant(name.clone(), constant);
        self.values[value] = Some(id);
        Ok(id)
    }

    fn nodes(&mut self, nodes: &[ModelNode]) -> Result<(), ModelError> {
        for node in nodes {
            let outputs = if node.op_type == "If" { self.choose(node)? } else { self.call(node)? };
            for (model_value, value) in node.outputs.iter().zip(outputs) {
                if let Some(model_value) = *model_value {
                    self.values[model_value] = Some(value);
                }
            }
        }
        Ok(())
    }

    /// The results of an `If`: those of the branch that it takes, or a choice between both when that depends on the data.
    fn choose(&mut self, node: &ModelNode) -> Result<Vec<ValueId>, ModelError> {
        let (Some(&Some(condition)), [then_branch, else_branch]) =
            (node.inputs.first(), node.branches.as_slice())
        else {
            let reason = "it needs a condition and two branches".to_owned();
            return Err(self.refusal(node, Reason::Invalid(reason)));
        };
        let condition = self.value(condition)?;
        if let Some(values) = self.graph.constant(condition).and_then(|tensor| tensor.data().to_i64()) {
            let is_true = values.first().is_some_and(|&value| value != 0);
            return self.branch(if is_true { then_branch } else { else_branch });
        }
        if self.deciding_inputs(condition).is_some() {
            return Err(self.refusal(node, depends(condition, "its condition")));
        }
        // Operators have no side effects, so both branches can run.
        let (then_values, else_values) = (self.branch(then_branch)?, self.branch(else_branch)?);
        let mut call = self.bind(node)?;
        let chosen = then_values.into_iter().zip(else_values).map(|(then_value, else_value)| {
            let fact = call.graph.fact(then_value).clone();
            if fact != *call.graph.fact(else_value) {
                return unsupported(
                    "its condition depends on the data, and its branches give different shapes",
                );
            }
            let scalar = call.reshape(condition, Vec::new())?;
            call.emit(Op::Where, &[Some(scalar), Some(then_value), Some(else_value)], fact)
        });
        let chosen: Result<_, Reason> = chosen.collect();
        chosen.map_err(|reason| self.refusal(node, reason))
    }

    fn branch(&mut self, branch: &Branch) -> Result<Vec<ValueId>, ModelError> {
        self.nodes(&branch.nodes)?;
        branch.outputs.iter().map(|&output| self.value(output)).collect()
    }

    fn call(&mut self, node: &ModelNode) -> Result<Vec<ValueId>, ModelError> {
        let lowered = lower_node(&mut self.bind(node)?);
        lowered.map_err(|reason| self.refusal(node, reason))
    }

    /// A node with its operands.
    fn bind<'a>(&'a mut self, node: &'a ModelNode) -> Result<Call<'a>, ModelError> {
        let operands = node.inputs.iter().map(|input| input.map(|input| self.value(input)).transpose());
        let inputs = operands.collect::<Result<_, _>>()?;
        let (graph, budget) = (&mut self.graph, &mut self.budget);
        Ok(Call { node, opset: self.model.opset, graph, inputs, budget })
    }

    fn refusal(&self, node: &ModelNode, reason: Reason) -> ModelError {
        if let Reason::Elements(value, reason) = &reason
            && let Some(inputs) = self.deciding_inputs(*value)
        {
            let (operator, node) = (node.op_type.clone(), node.name.clone());
            return ModelError::Elements { operator, node, reason: reason.clone(), inputs };
        }
        ModelError::at_node(node, self.model.opset, reason)
    }

    /// The inputs that a value is computed from; `None` when there are none or one of them is no list of parameters.
    fn deciding_inputs(&self, value: ValueId) -> Option<Vec<usize>> {
        let producers = self.graph.producers();
        let mut is_seen = vec![false; self.graph.values.len()];
        let mut next = vec![value];
        let mut inputs = BTreeSet::new();
        while let Some(value) = next.pop() {
            if std::mem::replace(&mut is_seen[value], true) || self.graph.constant(value).is_some() {
                continue;
            }
            match producers[value] {
                Some(producer) => next.extend(self.graph.nodes[producer].inputs.iter().flatten()),
                None => {
                    let dims = &self.graph.fact(value).dims;
                    if dims.len() > 1 || n_elements(dims) > MAX_PARAMETERS {
                        return None;
                    }
                    inputs.extend(self.graph.inputs.iter().position(|&input| input == value));
                }
            }
        }
        let inputs: Vec<usize> = inputs.into_iter().collect();
        (!inputs.is_empty()).then_some(inputs)
    }
}

/// Lowers the operators of one family; `None` for others.
type Family = fn(&mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason>;

const FAMILIES: [Family; 12] = [
    elementwise::lower,
    shape::lower,
    movement::lower,
    linear::lower,
    reduction::lower,
    window::lower,
    resample::lower,
    quantization::lower,
    recurrent::lower,
    select::lower,
    sample::lower,
    signal::lower,
];

fn lower_node(call: &mut Call<'_>) -> Result<Vec<ValueId>, Reason> {
    for family in FAMILIES {
        if let Some(outputs) = family(call)? {
            let n_wanted = call.node.outputs.iter().rposition(Option::is_some).map_or(0, |index| index + 1);
            if n_wanted > outputs.len() {
                return unsupported(format!("output {} is not available", outputs.len()));
            }
            return Ok(outputs);
        }
    }
    unsupported(UNKNOWN_OPERATOR)
}
