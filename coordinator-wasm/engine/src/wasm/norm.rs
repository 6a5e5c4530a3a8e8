//! Softmax, normalisation and reduction of rows.

use model::op::Reduction;
use model::tensor::n_elements;

use super::elementwise::{exp_and_sum, largest, scale, smallest, sum};
use super::simd::F32x4;

/// Softmax of one row, in place; rows that are all −∞ become not-a-number, as the formula says.
pub(super) fn softmax_row(row: &mut [f32]) {
    let most = largest(row);
    if most == f32::NEG_INFINITY {
        row.fill(f32::NAN);
        return;
    }
    let total = exp_and_sum(row, most);
    scale(row, 1.0 / total);
}

/// Softmax of each of the rows of `n` elements.
pub(super) fn softmax(data: &mut [f32], n: usize) {
    data.chunks_exact_mut(n.max(1)).for_each(softmax_row);
}

/// Sum of squares of what each element is above a number.
fn sum_of_squares(data: &[f32], mean: f32) -> f32 {
    let (chunks, rest) = data.as_chunks::<4>();
    let mean4 = F32x4::splat(mean);
    let sums = chunks.iter().fold(F32x4::splat(0.0), |sums, chunk| {
        let difference = F32x4::load(chunk) - mean4;
        difference.mul_add(difference, sums)
    });
    sums.sum() + rest.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>()
}

/// `(x − mean) · factor` of a row, scaled and shifted element by element.
fn scale_row(row: &mut [f32], mean: f32, factor: f32, weights: &[f32], bias: Option<&[f32]>) {
    let (row4, row1) = row.as_chunks_mut::<4>();
    let (weights4, weights1) = weights.as_chunks::<4>();
    let (mean4, factor4) = (F32x4::splat(mean), F32x4::splat(factor));
    match bias {
        Some(bias) => {
            let (bias4, bias1) = bias.as_chunks::<4>();
            for ((x, weight), bias) in row4.iter_mut().zip(weights4).zip(bias4) {
                let normal = (F32x4::load(x) - mean4) * factor4;
                normal.mul_add(F32x4::load(weight), F32x4::load(bias)).store(x);
            }
            for ((x, weight), bias) in row1.iter_mut().zip(weights1).zip(bias1) {
                *x = (*x - mean) * factor * weight + bias;
            }
        }
        None => {
            for (x, weight) in row4.iter_mut().zip(weights4) {
                ((F32x4::load(x) - mean4) * factor4 * F32x4::load(weight)).store(x);
            }
            for (x, weight) in row1.iter_mut().zip(weights1) {
                *x = (*x - mean) * factor * weight;
            }
        }
    }
}

/// Layer or root-mean-square normalisation of rows as long as the weights, in place.
pub(super) fn layer_norm(data: &mut [f32], epsilon: f32, is_rms: bool, weights: &[f32], bias: Option<&[f32]>) {
    let n = weights.len() as f32;
    for row in data.chunks_exact_mut(weights.len().max(1)) {
        let mean = if is_rms { 0.0 } else { sum(row) / n };
        let variance = sum_of_squares(row, mean) / n;
        scale_row(row, mean, 1.0 / (variance + epsilon).sqrt(), weights, bias);
    }
}

/// True when [`reduce`] has a kernel: neighbouring axes, and a sum, mean or extreme.
pub(super) fn can_reduce(kind: Reduction, axes: &[usize]) -> bool {
    let is_run = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    is_run && matches!(kind, Reduction::Sum | Reduction::Mean | Reduction::Max | Reduction::Min)
}

/// Reduction over neighbouring axes.
pub(super) fn reduce(kind: Reduction, dims: &[usize], axes: &[usize], x: &[f32], out: &mut [f32]) {
    let (first, last) = (axes.first().copied().unwrap_or(0), axes.last().map_or(0, |&last| last + 1));
    let n_reduced = n_elements(&dims[first..last]);
    let n_inner = n_elements(&dims[last..]);
    if n_reduced * n_inner == 0 {
        return;
    }
    let groups = x.chunks_exact(n_reduced * n_inner);
    if n_inner == 1 {
        for (out, row) in out.iter_mut().zip(groups) {
            *out = match kind {
                Reduction::Max => largest(row),
                Reduction::Min => smallest(row),
                Reduction::Mean => sum(row) / n_reduced as f32,
                _ => sum(row),
            };
        }
        return;
    }
    for (out, group) in out.chunks_exact_mut(n_inner).zip(groups) {
        let (start, rest) = group.split_at(n_inner);
        out.copy_from_slice(start);
        for row in rest.chunks_exact(n_inner) {
            match kind {
                Reduction::Max => accumulate(out, row, F32x4::max),
                Reduction::Min => accumulate(out, row, F32x4::min),
                _ => accumulate(out, row, |a, b| a + b),
            }
        }
        if kind == Reduction::Mean {
            scale(out, 1.0 / n_reduced as f32);
        }
    }
}

#[inline(always)]
fn accumulate(out: &mut [f32], row: &[f32], function: impl Fn(F32x4, F32x4) -> F32x4) {
    let ((out4, out1), (row4, row1)) = (out.as_chunks_mut::<4>(), row.as_chunks::<4>());
    for (out, row) in out4.iter_mut().zip(row4) {
        function(F32x4::load(out), F32x4::load(row)).store(out);
    }
    for (out, &row) in out1.iter_mut().zip(row1) {
        *out = function(F32x4::splat(*out), F32x4::splat(row)).to_array()[0];
    }
}
