//! Functions of four floats: exponential, error function, hyperbolic tangent and what is made of them.

use super::simd::F32x4;

#[inline(always)]
fn splat(value: f32) -> F32x4 {
    F32x4::splat(value)
}

/// A polynomial, highest coefficient first.
#[inline(always)]
fn polynomial<const N: usize>(x: F32x4, coefficients: [f32; N]) -> F32x4 {
    let mut sum = splat(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        sum = sum.mul_add(x, splat(coefficient));
    }
    sum
}

/// e^x within 2 units in the last place; 0 below −87.3, and at most 2.4e38.
#[inline(always)]
pub(super) fn exp(x: F32x4) -> F32x4 {
    // Cephes expf: x = n · ln 2 + r, and a polynomial for e^r. ln 2 is split so that n · its first part is exact.
    let clamped = x.max(splat(-87.336_54)).min(splat(88.376_26));
    let n = (clamped * splat(std::f32::consts::LOG2_E)).nearest();
    let r = n.mul_add(splat(-0.693_359_4), clamped);
    let r = n.mul_add(splat(2.121_944_4e-4), r);
    let p = polynomial(
        r,
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
    );
    let power = p.mul_add(r * r, r + splat(1.0)).scale_by_power(n);
    x.if_less(splat(-87.336_54), splat(0.0), power)
}

/// 1 / (1 + e^−x) within 3 units in the last place.
#[inline(always)]
pub(super) fn sigmoid(x: F32x4) -> F32x4 {
    splat(1.0) / (splat(1.0) + exp(splat(0.0) - x))
}

/// tanh(x) within 4 units in the last place.
#[inline(always)]
pub(super) fn tanh(x: F32x4) -> F32x4 {
    // Cephes tanhf: a polynomial near 0, where the exponential form cancels.
    let magnitude = x.abs();
    let z = x * x;
    let p = polynomial(z, [-5.704_988e-3, 2.063_908_9e-2, -5.373_971_2e-2, 1.333_144_2e-1, -3.333_328e-1]);
    let near = (p * z).mul_add(x, x);
    let doubled = exp(magnitude + magnitude);
    let far = (splat(1.0) - splat(2.0) / (doubled + splat(1.0))).copy_sign(x);
    magnitude.if_less(splat(0.625), near, far)
}

/// erf(x) within 3e-7 absolute.
#[inline(always)]
pub(super) fn erf(x: F32x4) -> F32x4 {
    // Abramowitz and Stegun 7.1.26, whose own error is 1.5e-7.
    let magnitude = x.abs();
    let t = splat(1.0) / magnitude.mul_add(splat(0.327_591_1), splat(1.0));
    let p = polynomial(t, [1.061_405_4, -1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6]);
    let tail = p * t * exp(splat(0.0) - magnitude * magnitude);
    (splat(1.0) - tail).copy_sign(x)
}

/// x / 2 · (1 + erf(x / √2)) within 2e-7 · max(1, |x|).
#[inline(always)]
pub(super) fn gelu(x: F32x4) -> F32x4 {
    let half = x * splat(0.5);
    half.mul_add(erf(x * splat(std::f32::consts::FRAC_1_SQRT_2)), half)
}

/// x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) within 2e-7 · max(1, |x|).
#[inline(always)]
pub(super) fn gelu_tanh(x: F32x4) -> F32x4 {
    let cubic = (x * x).mul_add(splat(0.044_715), splat(1.0)) * x;
    let half = x * splat(0.5);
    half.mul_add(tanh(cubic * splat(0.797_884_6)), half)
}

/// x · max(0, min(1, x / 6 + 1 / 2))
#[inline(always)]
pub(super) fn hard_swish(x: F32x4) -> F32x4 {
    x * x.mul_add(splat(1.0 / 6.0), splat(0.5)).max(splat(0.0)).min(splat(1.0))
}

#[cfg(test)]
mod tests;
