//! Exponential, error function and their relatives on four floats at once.
//!
//! Errors are largest differences from the exact value over the whole float range, measured by the tests of this file.
#![expect(clippy::excessive_precision, reason = "coefficients stand as their source gives them")]

use super::simd::F32x4;

/// Above this e^x is infinite in 32 bits: ln(2^128).
const EXP_OVERFLOW: f32 = 88.722_84;
/// Below this e^x is not a normal number in 32 bits, and is given as 0: ln(2^−126).
const EXP_UNDERFLOW: f32 = -87.336_54;

/// e^x. Relative error ≤ 3e-7; 0 where the result would be subnormal; NaN stays NaN.
///
/// Range reduction and coefficients: Cephes `expf` (S. L. Moshier, 1992).
#[inline(always)]
#[must_use]
pub fn exp(x: F32x4) -> F32x4 {
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_2e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_58e-2, 1.666_666_6e-1, 5.000_000_1e-1];
    // ln 2 in two parts, the first exact in few bits so that n · LN_2_HIGH is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.max(F32x4::splat(EXP_UNDERFLOW)).min(F32x4::splat(EXP_OVERFLOW));
    let n = clamped.mul(F32x4::splat(core::f32::consts::LOG2_E)).round();
    // 2^128 does not exist, so the last doubling is a multiplication.
    let n_scaled = n.min(F32x4::splat(127.0));
    let remainder = n.mul_add(F32x4::splat(-LN_2_HIGH), clamped);
    let remainder = n.mul_add(F32x4::splat(-LN_2_LOW), remainder);
    let series = polynomial(remainder, &POLYNOMIAL);
    let one = F32x4::splat(1.0);
    let y = series.mul_add(remainder.mul(remainder), remainder.add(one));
    let y = y.scale_by_power_of_two(n_scaled).mul(n.sub(n_scaled).add(one));
    let y = x.select_less(F32x4::splat(EXP_UNDERFLOW), F32x4::zero(), y);
    let infinity = F32x4::splat(f32::INFINITY);
    F32x4::splat(EXP_OVERFLOW).select_less(x, infinity, y)
}

/// Error function. Absolute error ≤ 2e-7; odd; NaN stays NaN.
///
/// `x · P(x²)` below 1, `1 − exp(−Q(x))` above; both are minimax fits by iteratively reweighted least squares
/// against SciPy's `erf` and `erfc`, with errors of 2e-9 before rounding.
#[inline(always)]
#[must_use]
pub fn erf(x: F32x4) -> F32x4 {
    const NEAR: [f32; 7] = [
        7.889_119_6e-5,
        -8.020_841_3e-4,
        5.189_535e-3,
        -2.685_444_5e-2,
        1.128_36e-1,
        -3.761_262_7e-1,
        core::f32::consts::FRAC_2_SQRT_PI,
    ];
    const FAR: [f32; 7] = [
        -1.855_748_9e-4,
        2.939_615_7e-3,
        -2.180_535_1e-2,
        1.030_374_36e-1,
        6.382_256e-1,
        1.127_040_1,
        3.537_089_3e-4,
    ];
    let magnitude = x.abs().min(F32x4::splat(4.0));
    let one = F32x4::splat(1.0);
    let near = polynomial(magnitude.mul(magnitude), &NEAR).mul(magnitude);
    let far = one.sub(exp(F32x4::zero().sub(polynomial(magnitude, &FAR))));
    magnitude.select_less(one, near, far).copy_sign(x)
}

/// Hyperbolic tangent. Relative error ≤ 5e-7; NaN stays NaN.
///
/// Coefficients below 0.625: Cephes `tanhf`; above, 1 − 2 / (e^2x + 1).
#[inline(always)]
#[must_use]
pub fn tanh(x: F32x4) -> F32x4 {
    const NEAR: [f32; 5] =
        [-5.704_988_7e-3, 2.063_908_9e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328_2e-1];
    let magnitude = x.abs();
    let square = magnitude.mul(magnitude);
    let near = polynomial(square, &NEAR).mul(square).mul_add(magnitude, magnitude);
    let one = F32x4::splat(1.0);
    let far = one.sub(F32x4::splat(2.0).div(exp(magnitude.add(magnitude)).add(one)));
    magnitude.select_less(F32x4::splat(0.625), near, far).copy_sign(x)
}

/// 1 / (1 + e^−x). Relative error ≤ 5e-7 where the result is normal; NaN stays NaN.
#[inline(always)]
#[must_use]
pub fn sigmoid(x: F32x4) -> F32x4 {
    let one = F32x4::splat(1.0);
    one.div(exp(F32x4::zero().sub(x)).add(one))
}

/// x / 2 · (1 + erf(x / √2)): GELU, exact form.
#[inline(always)]
#[must_use]
pub fn gelu(x: F32x4) -> F32x4 {
    let half = x.mul(F32x4::splat(0.5));
    half.mul_add(erf(x.mul(F32x4::splat(core::f32::consts::FRAC_1_SQRT_2))), half)
}

/// x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))): GELU, tanh form.
#[inline(always)]
#[must_use]
pub fn gelu_tanh(x: F32x4) -> F32x4 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    let cubic = x.mul(x).mul(x).mul_add(F32x4::splat(0.044_715), x);
    let half = x.mul(F32x4::splat(0.5));
    half.mul_add(tanh(cubic.mul(F32x4::splat(SQRT_2_OVER_PI))), half)
}

/// Horner's rule; the coefficient of the highest power comes first.
#[inline(always)]
fn polynomial<const N: usize>(x: F32x4, coefficients: &[f32; N]) -> F32x4 {
    let (first, rest) = (coefficients[0], &coefficients[1..]);
    rest.iter().fold(F32x4::splat(first), |sum, &coefficient| sum.mul_add(x, F32x4::splat(coefficient)))
}

#[cfg(test)]
mod tests;
