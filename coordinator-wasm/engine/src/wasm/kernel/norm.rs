//! Softmax and normalisation of rows.

use super::gemm::{read, write};
use super::math::exp;
use super::simd::{F32x4, LANES};

/// Softmax of one row in place: e^(x − max) over its sum. A row of −∞ only has no softmax and becomes NaN.
pub fn softmax(row: &mut [f32]) {
    let (full, rest) = row.as_chunks_mut::<LANES>();
    let vectors =
        full.iter().fold(F32x4::splat(f32::NEG_INFINITY), |largest, lanes| largest.max(F32x4::load(lanes)));
    let last = F32x4::load_partial(rest, f32::NEG_INFINITY);
    let largest = F32x4::splat(vectors.max(last).max_lane());
    let mut sums = F32x4::zero();
    for lanes in &mut *full {
        let power = exp(F32x4::load(lanes).sub(largest));
        sums = sums.add(power);
        power.store(lanes);
    }
    exp(last.sub(largest)).store_partial(rest);
    let sum = sums.sum() + rest.iter().sum::<f32>();
    let scale = F32x4::splat(1.0 / sum);
    for lanes in full {
        F32x4::load(lanes).mul(scale).store(lanes);
    }
    F32x4::load_partial(rest, 0.0).mul(scale).store_partial(rest);
}

/// Layer normalisation of one row: `(x − mean) / √(variance + epsilon) · scale + bias`; with `is_rms` the mean is taken
/// as zero. The variance is computed from the differences, in a second pass.
pub fn layer_norm(x: &[f32], scale: &[f32], bias: Option<&[f32]>, epsilon: f32, is_rms: bool, y: &mut [f32]) {
    let n = x.len() as f32;
    let mean = if is_rms { 0.0 } else { sum_of(x, 0.0, |x| x) / n };
    let means = F32x4::splat(mean);
    let variance = sum_of(x, mean, |x| x.sub(means).mul(x.sub(means))) / n;
    let inverse = F32x4::splat(1.0 / (variance + epsilon).sqrt());
    for (start, y) in (0..x.len()).step_by(LANES).zip(y.chunks_mut(LANES)) {
        let lanes = start..start + y.len();
        let normal = read(&x[lanes.clone()]).sub(means).mul(inverse).mul(read(&scale[lanes.clone()]));
        let shifted = bias.map_or(normal, |bias| normal.add(read(&bias[lanes])));
        write(shifted, y);
    }
}

/// Sum of f over the row; `padding` fills the last vector and is a value for which f is zero.
fn sum_of(x: &[f32], padding: f32, f: impl Fn(F32x4) -> F32x4) -> f32 {
    let (full, rest) = x.as_chunks::<LANES>();
    let sum = full.iter().fold(F32x4::zero(), |sum, lanes| sum.add(f(F32x4::load(lanes))));
    if rest.is_empty() { sum.sum() } else { sum.add(f(F32x4::load_partial(rest, padding))).sum() }
}

#[cfg(test)]
mod tests;
