//! Softmax and normalisation of rows.

use super::math::Math;
use super::reduce::reduce_row;
use super::simd::{F32x4, LANES};

/// Softmax of one row in place: e^(x − max) over its sum. A row of −∞ only has no softmax and becomes NaN.
pub fn softmax(row: &mut [f32]) {
    let sum = exponentials(row);
    scale(row, 1.0 / sum);
}

/// Replaces a row by e^(x − max) and gives its sum. A row of −∞ only becomes NaN.
pub(super) fn exponentials(row: &mut [f32]) -> f32 {
    let largest = F32x4::splat(reduce_row(f32::NEG_INFINITY, F32x4::at_least, row));
    let math = Math::default();
    let (quads, rest) = row.as_chunks_mut::<{ 4 * LANES }>();
    let mut sums = [F32x4::zero(); 4];
    for quad in quads {
        let (vectors, _) = quad.as_chunks_mut::<LANES>();
        for (lanes, sum) in vectors.iter_mut().zip(&mut sums) {
            let power = math.exp_of_negative(F32x4::load(lanes).sub(largest));
            *sum = sum.add(power);
            power.store(lanes);
        }
    }
    let (vectors, last) = rest.as_chunks_mut::<LANES>();
    for (lanes, sum) in vectors.iter_mut().zip(&mut sums) {
        let power = math.exp_of_negative(F32x4::load(lanes).sub(largest));
        *sum = sum.add(power);
        power.store(lanes);
    }
    let [a, b, c, d] = sums;
    let mut sum = a.add(b).add(c.add(d)).sum();
    if !last.is_empty() {
        let power = math.exp_of_negative(F32x4::load_partial(last, f32::NEG_INFINITY).sub(largest));
        power.store_partial(last);
        sum += last.iter().sum::<f32>();
    }
    sum
}

/// Multiplies a row.
pub(super) fn scale(row: &mut [f32], factor: f32) {
    row.iter_mut().for_each(|x| *x *= factor);
}

/// Layer normalisation of one row: `(x − mean) / √(variance + epsilon) · scale + bias`; with `is_rms` the mean is taken
/// as zero. The variance is computed from the differences, in a second pass.
pub fn layer_norm(x: &[f32], scale: &[f32], bias: Option<&[f32]>, epsilon: f32, is_rms: bool, y: &mut [f32]) {
    let n = x.len() as f32;
    let mean = if is_rms { 0.0 } else { sum_of(x, 0.0, |x| x) / n };
    let means = F32x4::splat(mean);
    let variance = sum_of(x, mean, |x| x.sub(means).mul(x.sub(means))) / n;
    let factor = 1.0 / (variance + epsilon).sqrt();
    let normal = x.iter().zip(scale).map(|(x, scale)| (x - mean) * factor * scale);
    match bias {
        Some(bias) => y.iter_mut().zip(normal.zip(bias)).for_each(|(y, (x, bias))| *y = x + bias),
        None => y.iter_mut().zip(normal).for_each(|(y, x)| *y = x),
    }
}

/// Sum of f over the row; `padding` fills the last vector and is a value for which f is zero.
#[inline(always)]
fn sum_of(x: &[f32], padding: f32, f: impl Fn(F32x4) -> F32x4) -> f32 {
    let (quads, rest) = x.as_chunks::<{ 4 * LANES }>();
    let mut sums = [F32x4::zero(); 4];
    for quad in quads {
        let (vectors, _) = quad.as_chunks::<LANES>();
        sums.iter_mut().zip(vectors).for_each(|(sum, lanes)| *sum = sum.add(f(F32x4::load(lanes))));
    }
    for lanes in rest.chunks(LANES) {
        sums[0] = sums[0].add(f(F32x4::load_partial(lanes, padding)));
    }
    let [a, b, c, d] = sums;
    a.add(b).add(c.add(d)).sum()
}

#[cfg(test)]
mod tests;
