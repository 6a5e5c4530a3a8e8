//! Matrix products and attention; sums are kept in double precision.

use crate::op::{Epilogue, Fact};
use crate::reference::{EvaluationError, Operands, unary_f32};
use crate::tensor::{Data, broadcast_strides, n_elements, strides};

/// The epilogue with its operands, which start at an index.
pub(super) struct Finish<'a> {
    epilogue: &'a Epilogue,
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
}

impl<'a> Finish<'a> {
    pub(super) fn new(
        epilogue: &'a Epilogue,
        operands: &Operands<'a>,
        first: usize,
    ) -> Result<Self, EvaluationError> {
        let bias = if epilogue.has_bias { Some(operands.f32s(first)?) } else { None };
        let at = first + usize::from(epilogue.has_bias);
        let residual = if epilogue.has_residual { Some(operands.f32s(at)?) } else { None };
        Ok(Self { epilogue, bias, residual })
    }

    /// The output element at a flat position whose bias has an index.
    pub(super) fn apply(&self, product: f32, bias_index: usize, flat: usize) -> f32 {
        let biased = product + self.bias.map_or(0.0, |bias| bias[bias_index]);
        let sum = biased + self.residual.map_or(0.0, |residual| residual[flat]);
        self.epilogue.activations.iter().fold(sum, |x, &function| unary_f32(function, x))
    }
}

/// Shape of an operand as a stack of matrices; a vector is a row on the left and a column on the right.
pub(super) fn matrix_dims(dims: &[usize], is_right: bool) -> Vec<usize> {
    match *dims {
        [k] if is_right => vec![k, 1],
        [k] => vec![1, k],
        _ => dims.to_vec(),
    }
}

/// First element of the matrix that each batch of the product reads from an operand of shape `dims`.
pub(super) fn batch_offsets(dims: &[usize], out_batch: &[usize]) -> Vec<usize> {
    let (own_batch, matrix) = dims.split_at(dims.len() - 2);
    let per_matrix = n_elements(matrix);
    let read = broadcast_strides(own_batch, out_batch);
    let out_strides = strides(out_batch);
    (0..n_elements(out_batch))
        .map(|batch| {
            let along = |axis: usize| batch / out_strides[axis] % out_batch[axis] * read[axis];
            (0..out_batch.len()).map(along).sum::<usize>() * per_matrix
        })
        .collect()
}

pub(super) fn matmul(
    transposes: [bool; 2],
    epilogue: &Epilogue,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let [trans_a, trans_b] = transposes;
    let (a_dims, b_dims) =
        (matrix_dims(operands.view(0)?.dims, false), matrix_dims(operands.view(1)?.dims, true));
    let (a, b) = (operands.f32s(0)?, operands.f32s(1)?);
    let finish = Finish::new(epilogue, operands, 2)?;
    let (a_rows, a_columns) = (a_dims[a_dims.len() - 2], a_dims[a_dims.len() - 1]);
    let (b_rows, b_columns) = (b_dims[b_dims.len() - 2], b_dims[b_dims.len() - 1]);
    let (m, k) = if trans_a { (a_columns, a_rows) } else { (a_rows, a_columns) };
    let n = if trans_b { b_rows } else { b_columns };
    let out_batch = batch_dims(&a_dims, &b_dims);
    let (a_offsets, b_offsets) = (batch_offsets(&a_dims, &out_batch), batch_offsets(&b_dims, &out_batch));
    let mut out = Vec::with_capacity(fact.n_elements());
    for (a_offset, b_offset) in a_offsets.into_iter().zip(b_offsets) {
        for i in 0..m {
            for j in 0..n {
                let at = |p: usize| {
                    let left = if trans_a { p * m + i } else { i * k + p };
                    let right = if trans_b { j * k + p } else { p * n + j };
                    f64::from(a[a_offset + left]) * f64::from(b[b_offset + right])
                };
                let sum: f64 = (0..k).map(at).sum();
                out.push(finish.apply(sum as f32, j, out.len()));
            }
        }
    }
    Ok(Data::F32(out))
}

/// Batch dimensions of a product.
pub(super) fn batch_dims(a: &[usize], b: &[usize]) -> Vec<usize> {
    crate::tensor::broadcast(&a[..a.len() - 2], &b[..b.len() - 2]).unwrap_or_default()
}

pub(super) fn attention(
    scale: f32,
    zeroes_undefined: bool,
    heads_inside: bool,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let (q_dims, k_dims, v_dims) = (operands.view(0)?.dims, operands.view(1)?.dims, operands.view(2)?.dims);
    let (q, k, v) = (operands.f32s(0)?, operands.f32s(1)?, operands.f32s(2)?);
    let (length_axis, head_axis) = if heads_inside { (1, 2) } else { (2, 1) };
    let (n_batch, n_heads, n_queries, n_keys) =
        (q_dims[0], q_dims[head_axis], q_dims[length_axis], k_dims[length_axis]);
    let (width, v_width) = (q_dims[3], v_dims[3]);
    let row = |dims: &[usize], batch: usize, head: usize, at: usize| {
        let own = strides(dims);
        batch * own[0] + head * own[head_axis] + at * own[length_axis]
    };
    let mask = operands.optional(3);
    let mask_values = if mask.is_some() { operands.f32s(3)? } else { &[] };
    let score_dims = [n_batch, n_heads, n_queries, n_keys];
    let mask_strides = mask.map(|mask| broadcast_strides(mask.dims, &score_dims));
    let mut out = vec![0.0; fact.n_elements()];
    for batch in 0..n_batch {
        for head in 0..n_heads {
            for i in 0..n_queries {
                let q_row = row(q_dims, batch, head, i);
                let score = |j: usize| {
                    let k_row = row(k_dims, batch, head, j);
                    let dot: f64 =
                        (0..width).map(|d| f64::from(q[q_row + d]) * f64::from(k[k_row + d])).sum();
                    let masked = mask_strides.as_ref().map_or(0.0, |strides| {
                        let index = [batch, head, i, j];
                        mask_values[index.iter().zip(strides).map(|(at, stride)| at * stride).sum::<usize>()]
                    });
                    dot * f64::from(scale) + f64::from(masked)
                };
                let scores: Vec<f64> = (0..n_keys).map(score).collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
                let sum: f64 = weights.iter().sum();
                if zeroes_undefined && sum.is_nan() {
                    continue;
                }
                let out_row = row(&fact.dims, batch, head, i);
                for d in 0..v_width {
                    let value = |j: usize| weights[j] * f64::from(v[row(v_dims, batch, head, j) + d]);
                    out[out_row + d] = ((0..n_keys).map(value).sum::<f64>() / sum) as f32;
                }
            }
        }
    }
    Ok(Data::F32(out))
}

pub(super) fn einsum(
    inputs: &[Vec<usize>],
    output: &[usize],
    lengths: &[usize],
    operands: &Operands<'_>,
) -> Result<Data, EvaluationError> {
    let summed: Vec<usize> = (0..lengths.len()).filter(|dim| !output.contains(dim)).collect();
    let out_dims: Vec<usize> = output.iter().map(|&dim| lengths[dim]).collect();
    let sum_dims: Vec<usize> = summed.iter().map(|&dim| lengths[dim]).collect();
    let mut factors = Vec::with_capacity(inputs.len());
    for (index, numbers) in inputs.iter().enumerate() {
        let own = strides(operands.view(index)?.dims);
        let mut by_dim = vec![0; lengths.len()];
        for (axis, &number) in numbers.iter().enumerate() {
            by_dim[number] += own[axis];
        }
        factors.push((operands.f32s(index)?, by_dim));
    }
    let (out_strides, sum_strides) = (strides(&out_dims), strides(&sum_dims));
    let mut out = Vec::with_capacity(n_elements(&out_dims));
    let mut position = vec![0; lengths.len()];
    for flat in 0..n_elements(&out_dims) {
        for (axis, &dim) in output.iter().enumerate() {
            position[dim] = flat / out_strides[axis] % out_dims[axis];
        }
        let mut sum = 0.0;
        for inner in 0..n_elements(&sum_dims) {
            for (axis, &dim) in summed.iter().enumerate() {
                position[dim] = inner / sum_strides[axis] % sum_dims[axis];
            }
            let factor = |(data, by_dim): &(&[f32], Vec<usize>)| {
                f64::from(data[position.iter().zip(by_dim).map(|(at, stride)| at * stride).sum::<usize>()])
            };
            sum += factors.iter().map(factor).product::<f64>();
        }
        out.push(sum as f32);
    }
    Ok(Data::F32(out))
}
