//! What every operator means, written plainly: folds constants, and is what kernels and passes are tested against.
//!
//! Backends may also run rare operators through it: it is correct for every data type, and not slow by design, only
//! by lack of vector instructions.

use crate::op::{Fact, Op};
use crate::tensor::{DType, Data, Tensor, View};

mod elementwise;
mod linear;
mod movement;
mod quantize;
mod recurrent;
mod reduction;
mod sample;
mod window;

pub use elementwise::{binary_f32, erf, unary_f32};
pub use movement::pad_source;
pub(crate) use sample::cubic_weight;
pub use window::{ResizeSample, resize_samples};

/// Why an operator cannot be computed on its operands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// An operand that must be there is not.
    #[error("operand {0} is missing")]
    Missing(usize),
    /// An operand has a type that the operator does not take.
    #[error("{operator} does not take {dtype} operands")]
    DataType {
        /// Name of the operator.
        operator: &'static str,
        /// Name of the type.
        dtype: &'static str,
    },
    /// An index points outside of the dimension it selects from.
    #[error("index {index} is out of range for a dimension of {length}")]
    Index {
        /// The index as it was given.
        index: i64,
        /// Length of the dimension.
        length: usize,
    },
    /// An integer is divided by zero.
    #[error("an integer is divided by zero")]
    DivisionByZero,
    /// The result is not what the facts say: a bug.
    #[error("{operator} made a result that does not fit its shape")]
    Shape {
        /// Name of the operator.
        operator: &'static str,
    },
}

/// Operands of one operator.
pub(crate) struct Operands<'a> {
    views: &'a [Option<View<'a>>],
    operator: &'static str,
}

impl<'a> Operands<'a> {
    pub(crate) fn view(&self, index: usize) -> Result<View<'a>, EvaluationError> {
        self.optional(index).ok_or(EvaluationError::Missing(index))
    }

    pub(crate) fn optional(&self, index: usize) -> Option<View<'a>> {
        self.views.get(index).copied().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.views.len()
    }

    pub(crate) fn f32s(&self, index: usize) -> Result<&'a [f32], EvaluationError> {
        let data = self.view(index)?.data;
        data.as_f32().ok_or_else(|| self.wrong_type(data.dtype()))
    }

    pub(crate) fn integers(&self, index: usize) -> Result<Vec<i64>, EvaluationError> {
        let data = self.view(index)?.data;
        data.to_i64().ok_or_else(|| self.wrong_type(data.dtype()))
    }

    pub(crate) fn wrong_type(&self, dtype: DType) -> EvaluationError {
        EvaluationError::DataType { operator: self.operator, dtype: dtype.as_str() }
    }
}

/// Computes an operator; `facts` are the types and shapes of its results.
///
/// # Errors
/// An operand is missing, has the wrong type, or holds an index that is out of range.
pub fn evaluate(
    op: &Op,
    operands: &[Option<View<'_>>],
    facts: &[Fact],
) -> Result<Vec<Tensor>, EvaluationError> {
    let operands = Operands { views: operands, operator: op.name() };
    let fact = &facts[0];
    let results = match op {
        Op::Unary(functions) => vec![elementwise::unary(functions, &operands, fact)?],
        Op::Binary(function) => vec![elementwise::binary(*function, &operands, fact)?],
        Op::Where => vec![elementwise::choose(&operands, fact)?],
        Op::Cast => vec![elementwise::cast(&operands, fact)?],
        Op::Reshape => vec![operands.view(0)?.data.to_data()],
        Op::Transpose(_) | Op::Slice { .. } | Op::Expand => vec![movement::strided(op, &operands, fact)?],
        Op::Tile => vec![movement::tile(&operands, fact)?],
        Op::Concat { axis } => vec![movement::concat(*axis, &operands, fact)?],
        Op::Gather { axis } => vec![movement::gather(*axis, &operands, fact)?],
        Op::GatherElements { axis } => vec![movement::gather_elements(*axis, &operands, fact)?],
        Op::GatherNd { batch_dims } => vec![movement::gather_nd(*batch_dims, &operands, fact)?],
        Op::ScatterNd(mode) => vec![movement::scatter_nd(*mode, &operands)?],
        Op::ScatterElements { axis, mode } => vec![movement::scatter_elements(*axis, *mode, &operands)?],
        Op::Pad { before, mode, .. } => vec![movement::pad(before, *mode, &operands, fact)?],
        Op::Resize { coordinates, mode, scales } => {
            vec![window::resize(*coordinates, *mode, scales, &operands, fact)?]
        }
        Op::Trilu { upper, diagonal } => vec![movement::trilu(*upper, *diagonal, &operands)?],
        Op::OneHot { axis } => vec![movement::one_hot(*axis, &operands, fact)?],
        Op::CumSum { axis, is_exclusive, is_reverse } => {
            vec![reduction::cumulative_sum(*axis, *is_exclusive, *is_reverse, &operands)?]
        }
        Op::Reduce { kind, axes } => vec![reduction::reduce(*kind, axes, &operands, fact)?],
        Op::ArgReduce { axis, is_max, takes_last } => {
            vec![reduction::arg_reduce(*axis, *is_max, *takes_last, &operands)?]
        }
        Op::TopK { axis, is_max } => reduction::top_k(*axis, *is_max, &operands, fact)?,
        Op::Softmax { axis, is_log } => vec![reduction::softmax(*axis, *is_log, &operands)?],
        Op::Hardmax { axis } => vec![reduction::hardmax(*axis, &operands)?],
        Op::LayerNorm { axis, epsilon, is_rms } => {
            vec![reduction::layer_norm(*axis, *epsilon, *is_rms, &operands)?]
        }
        Op::GroupNorm { n_groups, epsilon } => vec![reduction::group_norm(*n_groups, *epsilon, &operands)?],
        Op::ChannelAffine => vec![reduction::channel_affine(&operands)?],
        Op::LpNorm { axis, p } => vec![reduction::lp_norm(*axis, *p, &operands)?],
        Op::LocalResponseNorm { size, alpha, beta, bias } => {
            vec![reduction::local_response_norm(*size, [*alpha, *beta, *bias], &operands)?]
        }
        Op::MatMul { trans_a, trans_b, epilogue } => {
            vec![linear::matmul([*trans_a, *trans_b], epilogue, &operands, fact)?]
        }
        Op::MatMulInteger => vec![quantize::matmul_integer(&operands, fact)?],
        Op::QuantizedMatMul { epilogue } => vec![quantize::quantized_matmul(epilogue, &operands, fact)?],
        Op::Attention { scale, zeroes_undefined, heads_inside } => {
            vec![linear::attention(*scale, *zeroes_undefined, *heads_inside, &operands, fact)?]
        }
        Op::Conv { window, groups, epilogue } => {
            vec![window::conv(window, *groups, epilogue, &operands, fact)?]
        }
        Op::ConvTranspose { window, groups, epilogue } => {
            vec![window::conv_transpose(window, *groups, epilogue, &operands, fact)?]
        }
        Op::Pool { kind, window } => vec![window::pool(*kind, window, &operands, fact)?],
        Op::PoolIndices { window, by_column } => {
            vec![window::pool_indices(window, *by_column, &operands, fact)?]
        }
        Op::ConvInteger { window, groups } => vec![window::conv_integer(window, *groups, &operands, fact)?],
        Op::GridSample { mode, padding, aligns_corners } => {
            vec![sample::grid_sample(*mode, *padding, *aligns_corners, &operands, fact)?]
        }
        &Op::RoiAlign { is_max, half_pixel, n_samples, scale } => {
            vec![sample::RoiAlign { is_max, half_pixel, n_samples, scale }.evaluate(&operands, fact)?]
        }
        Op::Recurrent { cell, direction, hidden_size } => {
            recurrent::recurrent(*cell, *direction, *hidden_size, &operands)?
        }
        Op::DynamicQuantize => quantize::dynamic_quantize(&operands)?,
        Op::Quantize { axis } => vec![quantize::quantize(*axis, &operands, fact)?],
        Op::Dequantize { axis } => vec![quantize::dequantize(*axis, &operands)?],
        Op::Einsum { inputs, output, lengths } => vec![linear::einsum(inputs, output, lengths, &operands)?],
    };
    tensors(results, facts).ok_or(EvaluationError::Shape { operator: op.name() })
}

/// Runs a whole graph, one operator after another.
///
/// # Errors
/// An operator cannot be computed; inputs that do not fit the graph's are reported as a missing operand.
pub fn run(graph: &crate::graph::Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvaluationError> {
    let mut values: Vec<Option<Tensor>> = vec![None; graph.values.len()];
    for (&value, tensor) in graph.inputs.iter().zip(inputs) {
        values[value] = Some(tensor.clone());
    }
    for node in &graph.nodes {
        let operand = |value: usize| graph.constant(value).or(values[value].as_ref()).map(Tensor::view);
        let operands: Vec<Option<View<'_>>> =
            node.inputs.iter().map(|input| input.and_then(operand)).collect();
        let facts: Vec<Fact> = node.outputs.iter().map(|&output| graph.fact(output).clone()).collect();
        let results = evaluate(&node.op, &operands, &facts)?;
        for (&output, result) in node.outputs.iter().zip(results) {
            values[output] = Some(result);
        }
    }
    let output = |(_, value): &(String, usize)| {
        graph.constant(*value).or(values[*value].as_ref()).cloned().ok_or(EvaluationError::Missing(*value))
    };
    graph.outputs.iter().map(output).collect()
}

fn tensors(results: Vec<Data>, facts: &[Fact]) -> Option<Vec<Tensor>> {
    results.into_iter().zip(facts).map(|(data, fact)| Tensor::new(fact.dims.clone(), data)).collect()
}

#[cfg(test)]
mod tests;
