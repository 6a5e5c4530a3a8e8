//! From ONNX nodes to typed operators: resolves attributes across opsets, infers shapes, computes constants.
//!
//! Shapes are concrete here, so shape arithmetic is ordinary arithmetic on constants and disappears.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::graph::{Graph, ValueId};
use crate::load::{Branch, Elements, Model, ModelError, ModelNode};
use crate::op::{Fact, Op};
use crate::reference;
use crate::tensor::{DType, Tensor, View, checked_n_elements, n_elements};

mod batch_norm;
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

/// Largest value in bytes: wasm32 cannot address more.
const MAX_VALUE_BYTES: usize = 1 << 31;
/// A constant result may always have this many elements; larger ones only when the operands are large too.
const MAX_FREE_FOLD: usize = 1 << 16;

/// Longest input whose elements may decide shapes: such inputs list dimensions, axes or scales, and every list has a
/// plan of its own.
const MAX_PARAMETERS: usize = 1024;

const UNKNOWN_OPERATOR: &str = "the operator is unknown";

/// Why a node cannot be lowered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reason {
    /// It is valid ONNX that is not implemented.
    Unsupported(String),
    /// It does not fit its inputs.
    Invalid(String),
    /// It needs the elements of a value that is not constant.
    Elements(ValueId, String),
}

pub(crate) fn unsupported<T>(reason: impl Into<String>) -> Result<T, Reason> {
    Err(Reason::Unsupported(reason.into()))
}

pub(crate) fn depends(value: ValueId, what: &str) -> Reason {
    Reason::Elements(value, format!("{what} depends on the data"))
}

pub(crate) fn invalid<T>(reason: impl Into<String>) -> Result<T, Reason> {
    Err(Reason::Invalid(reason.into()))
}

/// The typed graph of a model for given input types and shapes, and given elements of some inputs.
pub(crate) fn lower(model: &Model, facts: &[Fact], elements: &Elements) -> Result<Graph, ModelError> {
    let mut lowering =
        Lowering { model, graph: Graph::default(), values: vec![None; model.value_names.len()] };
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
        let mut call = Call { node: &node, opset: model.opset, graph: &mut graph, inputs: Vec::new() };
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
pub(crate) fn fold_node(model: &Model, node: &ModelNode) -> Result<Option<Vec<Arc<Tensor>>>, ModelError> {
    let mut lowering =
        Lowering { model, graph: Graph::default(), values: vec![None; model.value_names.len()] };
    // Whether the operator is supported is decided, and reported, when shapes are known.
    let Ok(outputs) = lowering.call(node) else { return Ok(None) };
    let constant = |value: ValueId| lowering.graph.values[value].constant.clone();
    Ok(outputs.into_iter().map(constant).collect())
}

struct Lowering<'m> {
    model: &'m Model,
    graph: Graph,
    /// By model value.
    values: Vec<Option<ValueId>>,
}

impl Lowering<'_> {
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
            let outputs = match self.taken_branch(node)? {
                Some(branch) => {
                    self.nodes(&branch.nodes)?;
                    branch.outputs.iter().map(|&output| self.value(output)).collect::<Result<_, _>>()?
                }
                None => self.call(node)?,
            };
            for (model_value, value) in node.outputs.iter().zip(outputs) {
                if let Some(model_value) = *model_value {
                    self.values[model_value] = Some(value);
                }
            }
        }
        Ok(())
    }

    /// The branch that an `If` with a constant condition takes; `None` for other nodes.
    fn taken_branch<'n>(&mut self, node: &'n ModelNode) -> Result<Option<&'n Branch>, ModelError> {
        if node.op_type != "If" {
            return Ok(None);
        }
        let (Some(&Some(condition)), [then_branch, else_branch]) =
            (node.inputs.first(), node.branches.as_slice())
        else {
            let reason = "it needs a condition and two branches".to_owned();
            return Err(self.refusal(node, Reason::Invalid(reason)));
        };
        let condition = self.value(condition)?;
        let is_true = match self.graph.constant(condition).and_then(|tensor| tensor.data().to_i64()) {
            Some(values) => values.first().is_some_and(|&value| value != 0),
            None => {
                let reason = "its condition depends on the data".to_owned();
                return Err(self.refusal(node, Reason::Elements(condition, reason)));
            }
        };
        Ok(Some(if is_true { then_branch } else { else_branch }))
    }

    fn call(&mut self, node: &ModelNode) -> Result<Vec<ValueId>, ModelError> {
        let inputs = node
            .inputs
            .iter()
            .map(|input| input.map(|input| self.value(input)).transpose())
            .collect::<Result<_, _>>()?;
        let mut call = Call { node, opset: self.model.opset, graph: &mut self.graph, inputs };
        lower_node(&mut call).map_err(|reason| self.refusal(node, reason))
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

/// One node being lowered.
pub(crate) struct Call<'a> {
    pub(crate) node: &'a ModelNode,
    pub(crate) opset: i64,
    pub(crate) graph: &'a mut Graph,
    inputs: Vec<Option<ValueId>>,
}

impl Call<'_> {
    pub(crate) fn n_inputs(&self) -> usize {
        self.inputs.len()
    }

    pub(crate) fn optional(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    pub(crate) fn input(&self, index: usize) -> Result<ValueId, Reason> {
        self.optional(index).ok_or_else(|| Reason::Invalid(format!("input {index} is missing")))
    }

    pub(crate) fn dims(&self, value: ValueId) -> Vec<usize> {
        self.graph.fact(value).dims.clone()
    }

    pub(crate) fn dtype(&self, value: ValueId) -> DType {
        self.graph.fact(value).dtype
    }

    /// The integers of an optional input that must be constant.
    pub(crate) fn ints(&self, index: usize, what: &str) -> Result<Option<Vec<i64>>, Reason> {
        let Some(value) = self.optional(index) else { return Ok(None) };
        match self.graph.constant(value) {
            Some(tensor) => match tensor.data().to_i64() {
                Some(values) => Ok(Some(values)),
                None => invalid(format!("{what} is not an integer tensor")),
            },
            None => Err(depends(value, what)),
        }
    }

    /// The floats of an optional input that must be constant.
    pub(crate) fn floats(&self, index: usize, what: &str) -> Result<Option<Vec<f32>>, Reason> {
        let Some(value) = self.optional(index) else { return Ok(None) };
        match self.graph.constant(value) {
            Some(tensor) => match tensor.data().as_f32() {
                Some(values) => Ok(Some(values.to_vec())),
                None => invalid(format!("{what} is not a float tensor")),
            },
            None => Err(depends(value, what)),
        }
    }

    /// Integers that older opsets keep in an attribute and newer ones in an input.
    pub(crate) fn ints_of(&self, attribute: &str, input: usize) -> Result<Option<Vec<i64>>, Reason> {
        match self.node.attributes.ints(attribute) {
            Some(values) => Ok(Some(values.to_vec())),
            None => self.ints(input, &format!("`{attribute}`")),
        }
    }

    /// Adds an operation with one result, or its result when every operand is constant.
    pub(crate) fn emit(&mut self, op: Op, inputs: &[Option<ValueId>], fact: Fact) -> Result<ValueId, Reason> {
        let outputs = self.emit_all(op, inputs, vec![fact])?;
        Ok(outputs[0])
    }

    /// Adds an operation, or its results when every operand is constant.
    pub(crate) fn emit_all(
        &mut self,
        op: Op,
        inputs: &[Option<ValueId>],
        facts: Vec<Fact>,
    ) -> Result<Vec<ValueId>, Reason> {
        for fact in &facts {
            let n_bytes = checked_n_elements(&fact.dims).and_then(|n| n.checked_mul(fact.dtype.size_bytes()));
            if n_bytes.is_none_or(|n_bytes| n_bytes > MAX_VALUE_BYTES) {
                return invalid(format!("a result of shape {:?} does not fit in memory", fact.dims));
            }
        }
        let name = self.node.name.clone();
        if let Some(results) = self.fold(&op, inputs, &facts)? {
            let add = |tensor| self.graph.add_constant(name.clone(), Arc::new(tensor));
            return Ok(results.into_iter().map(add).collect());
        }
        let outputs: Vec<ValueId> =
            facts.into_iter().map(|fact| self.graph.add_value(name.clone(), fact)).collect();
        let node = crate::graph::Node { name, op, inputs: inputs.to_vec(), outputs: outputs.clone() };
        self.graph.nodes.push(node);
        Ok(outputs)
    }

    fn fold(
        &self,
        op: &Op,
        inputs: &[Option<ValueId>],
        facts: &[Fact],
    ) -> Result<Option<Vec<Tensor>>, Reason> {
        let mut operands: Vec<Option<View<'_>>> = Vec::with_capacity(inputs.len());
        let mut n_read = 0;
        for input in inputs {
            let Some(value) = *input else {
                operands.push(None);
                continue;
            };
            let Some(tensor) = self.graph.constant(value).filter(|tensor| !tensor.is_released()) else {
                return Ok(None);
            };
            n_read += tensor.data().len();
            operands.push(Some(tensor.view()));
        }
        let n_written: usize = facts.iter().map(Fact::n_elements).sum();
        if n_written > MAX_FREE_FOLD.max(n_read.saturating_mul(8)) {
            return Ok(None);
        }
        reference::evaluate(op, &operands, facts)
            .map(Some)
            .map_err(|error| Reason::Invalid(error.to_string()))
    }

    pub(crate) fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.add_constant(self.node.name.clone(), Arc::new(tensor))
    }

    /// The same elements with another shape.
    pub(crate) fn reshape(&mut self, value: ValueId, dims: Vec<usize>) -> Result<ValueId, Reason> {
        let fact = self.graph.fact(value);
        if fact.dims == dims {
            return Ok(value);
        }
        if checked_n_elements(&dims) != Some(fact.n_elements()) {
            return invalid(format!("{:?} cannot be reshaped to {dims:?}", fact.dims));
        }
        let fact = Fact::new(fact.dtype, dims);
        self.emit(Op::Reshape, &[Some(value)], fact)
    }

    pub(crate) fn cast(&mut self, value: ValueId, dtype: DType) -> Result<ValueId, Reason> {
        let fact = self.graph.fact(value);
        if fact.dtype == dtype {
            return Ok(value);
        }
        let fact = Fact::new(dtype, fact.dims.clone());
        self.emit(Op::Cast, &[Some(value)], fact)
    }

    pub(crate) fn needs_dtype(&self, value: ValueId, dtypes: &[DType]) -> Result<(), Reason> {
        let dtype = self.dtype(value);
        if dtypes.contains(&dtype) { Ok(()) } else { unsupported(format!("data type {}", dtype.as_str())) }
    }
}

/// An axis counted from the front.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, Reason> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(from_front) {
        Ok(axis) if axis < rank => Ok(axis),
        _ => invalid(format!("axis {axis} does not exist in {rank} dimensions")),
    }
}

/// Axes counted from the front, sorted, each once.
pub(crate) fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>, Reason> {
    let mut axes: Vec<usize> = given.iter().map(|&one| axis(one, rank)).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

/// A length that must not be negative.
pub(crate) fn length(value: i64) -> Result<usize, Reason> {
    usize::try_from(value).map_err(|_negative| Reason::Invalid(format!("a length of {value}")))
}
