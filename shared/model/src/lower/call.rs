//! One node being lowered: its operands, and the operations that take its place.

use std::sync::Arc;

use crate::graph::{Graph, Node, ValueId};
use crate::load::ModelNode;
use crate::op::{Fact, Op};
use crate::reference;
use crate::tensor::{DType, Tensor, View, checked_n_elements};

/// Largest value in bytes: wasm32 cannot address more.
const MAX_VALUE_BYTES: usize = 1 << 31;
/// A constant result may always have this many elements; larger ones only when the operands are large too.
const MAX_FREE_FOLD: usize = 1 << 16;

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

/// One node being lowered.
pub(crate) struct Call<'a> {
    pub(crate) node: &'a ModelNode,
    pub(crate) opset: i64,
    pub(crate) graph: &'a mut Graph,
    pub(super) inputs: Vec<Option<ValueId>>,
    /// Bytes of constants that may still be made.
    pub(super) budget: &'a mut usize,
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
        let node = Node { name, op, inputs: inputs.to_vec(), outputs: outputs.clone() };
        self.graph.nodes.push(node);
        Ok(outputs)
    }

    fn fold(
        &mut self,
        op: &Op,
        inputs: &[Option<ValueId>],
        facts: &[Fact],
    ) -> Result<Option<Vec<Tensor>>, Reason> {
        let constant = |value| self.graph.constant(value).filter(|tensor| !tensor.is_released());
        let is_constant = |input: &Option<ValueId>| input.is_none_or(|value| constant(value).is_some());
        // All of them first: looking at 8-bit weights turns them into floats.
        if !inputs.iter().all(is_constant) {
            return Ok(None);
        }
        let operands: Vec<Option<View<'_>>> =
            inputs.iter().map(|input| Some(constant((*input)?)?.view())).collect();
        let n_read: usize = operands.iter().flatten().map(|operand| operand.data.len()).sum();
        let n_written: usize = facts.iter().map(Fact::n_elements).sum();
        if n_written > MAX_FREE_FOLD.max(n_read.saturating_mul(8)) {
            return Ok(None);
        }
        // Operands borrow the graph, so the budget is taken apart from it.
        match self.budget.checked_sub(facts.iter().map(Fact::size_bytes).sum()) {
            Some(left) => *self.budget = left,
            None => return Ok(None),
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
