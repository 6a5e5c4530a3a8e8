//! Exponential, error function and their relatives on four floats at once.
//!
//! Errors are largest differences from the exact value over the whole float range, measured by the tests of this file.
#![expect(clippy::excessive_precision, reason = "coefficients stand as their source gives them")]

use std::hint::black_box;

use super::simd::F32x4;

/// The functions, with their constants in memory.
///
/// V8 builds a constant vector anew from two 64-bit immediates wherever it is used, which is five instructions where a
/// load is one. So the compiler must not know the constants: loops take them from here.
#[derive(Debug, Clone, Copy)]
pub struct Math(&'static Constants);

#[derive(Debug)]
struct Constants {
    /// Above this e^x is infinite in 32 bits: ln(2^128).
    exp_overflow: f32,
    /// Below this e^x is not a normal number in 32 bits, and is given as 0: ln(2^−126).
    exp_underflow: f32,
    log2_e: f32,
    /// −ln 2 in two parts, the first exact in few bits so that its products with whole numbers are exact.
    minus_ln_2: [f32; 2],
    exp: [f32; 6],
    /// Numerator and denominator.
    erf: ([f32; 7], [f32; 5]),
    tanh: [f32; 5],
    /// √(1/2), √(2/π), 0.044715
    gelu: [f32; 3],
    half: f32,
    one: f32,
    two: f32,
    four: f32,
    infinity: f32,
    largest_exponent: f32,
    tanh_near: f32,
}

static CONSTANTS: Constants = Constants {
    exp_overflow: 88.722_84,
    exp_underflow: -87.336_54,
    log2_e: std::f32::consts::LOG2_E,
    minus_ln_2: [-0.693_359_4, 2.121_944_4e-4],
    exp: [1.987_569_2e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_58e-2, 1.666_666_6e-1, 5.000_000_1e-1],
    erf: (
        [
            -2.726_142_258_013_06e-10,
            2.770_681_424_959_02e-8,
            -2.101_024_020_825_08e-6,
            -5.692_506_394_623_46e-5,
            -7.349_906_303_268_55e-4,
            -2.954_599_808_540_25e-3,
            -1.609_603_332_624_15e-2,
        ],
        [
            -1.456_607_184_649_96e-5,
            -2.133_740_552_789_05e-4,
            -1.682_826_974_382_03e-3,
            -7.373_329_167_204_68e-3,
            -1.426_473_905_141_89e-2,
        ],
    ),
    tanh: [-5.704_988_7e-3, 2.063_908_9e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328_2e-1],
    gelu: [std::f32::consts::FRAC_1_SQRT_2, 0.797_884_6, 0.044_715],
    half: 0.5,
    one: 1.0,
    two: 2.0,
    four: 4.0,
    infinity: f32::INFINITY,
    largest_exponent: 127.0,
    tanh_near: 0.625,
};

impl Default for Math {
    fn default() -> Self {
        Self(black_box(&CONSTANTS))
    }
}

impl Math {
    /// e^x. Relative error ≤ 3e-7; 0 where the result would be subnormal; NaN stays NaN.
    ///
    /// Range reduction and coefficients: Cephes `expf` (S. L. Moshier, 1992).
    #[inline(always)]
    #[must_use]
    pub fn exp(self, x: F32x4) -> F32x4 {
        let c = self.0;
        let (low, high) = (F32x4::splat(c.exp_underflow), F32x4::splat(c.exp_overflow));
        let clamped = x.max(low).min(high);
        let n = clamped.mul(F32x4::splat(c.log2_e)).round();
        // 2^128 does not exist, so the last doubling is a multiplication.
        let n_scaled = n.min(F32x4::splat(c.largest_exponent));
        let one = F32x4::splat(c.one);
        let y = self.exp_of_remainder(n, clamped);
        let y = y.scale_by_power_of_two(n_scaled).mul(n.sub(n_scaled).add(one));
        let y = x.select_less(low, F32x4::zero(), y);
        high.select_less(x, F32x4::splat(c.infinity), y)
    }

    /// e^x for x ≤ 0, as [`Self::exp`].
    #[inline(always)]
    #[must_use]
    pub fn exp_of_negative(self, x: F32x4) -> F32x4 {
        let low = F32x4::splat(self.0.exp_underflow);
        let clamped = x.max(low);
        let n = clamped.mul(F32x4::splat(self.0.log2_e)).round();
        let y = self.exp_of_remainder(n, clamped).scale_by_power_of_two(n);
        x.select_less(low, F32x4::zero(), y)
    }

    /// e^(x − n · ln 2)
    #[inline(always)]
    fn exp_of_remainder(self, n: F32x4, x: F32x4) -> F32x4 {
        let [high, low] = self.0.minus_ln_2;
        let remainder = n.mul_add(F32x4::splat(high), x);
        let remainder = n.mul_add(F32x4::splat(low), remainder);
        let series = polynomial(remainder, &self.0.exp);
        series.mul_add(remainder.mul(remainder), remainder.add(F32x4::splat(self.0.one)))
    }

    /// Error function. Absolute error ≤ 5e-7; odd; NaN stays NaN.
    ///
    /// x · P(x²) / Q(x²) up to 4, with the coefficients of Eigen's `generic_fast_erf_float`.
    #[inline(always)]
    #[must_use]
    pub fn erf(self, x: F32x4) -> F32x4 {
        let (four, one) = (F32x4::splat(self.0.four), F32x4::splat(self.0.one));
        let magnitude = x.abs().min(four);
        let square = magnitude.mul(magnitude);
        let (numerator, denominator) = &self.0.erf;
        let ratio = magnitude.mul(polynomial(square, numerator)).div(polynomial(square, denominator));
        ratio.min(one).copy_sign(x)
    }

    /// Hyperbolic tangent. Relative error ≤ 5e-7; NaN stays NaN.
    ///
    /// Coefficients below 0.625: Cephes `tanhf`; above, 1 − 2 / (e^2x + 1).
    #[inline(always)]
    #[must_use]
    pub fn tanh(self, x: F32x4) -> F32x4 {
        let magnitude = x.abs();
        let square = magnitude.mul(magnitude);
        let near = polynomial(square, &self.0.tanh).mul(square).mul_add(magnitude, magnitude);
        let (one, two) = (F32x4::splat(self.0.one), F32x4::splat(self.0.two));
        let far = one.sub(two.div(self.exp(magnitude.add(magnitude)).add(one)));
        magnitude.select_less(F32x4::splat(self.0.tanh_near), near, far).copy_sign(x)
    }

    /// 1 / (1 + e^−x). Relative error ≤ 5e-7 where the result is normal; NaN stays NaN.
    #[inline(always)]
    #[must_use]
    pub fn sigmoid(self, x: F32x4) -> F32x4 {
        let one = F32x4::splat(self.0.one);
        one.div(self.exp(F32x4::zero().sub(x)).add(one))
    }

    /// x / 2 · (1 + erf(x / √2)): GELU, exact form.
    #[inline(always)]
    #[must_use]
    pub fn gelu(self, x: F32x4) -> F32x4 {
        let half = x.mul(F32x4::splat(self.0.half));
        half.mul_add(self.erf(x.mul(F32x4::splat(self.0.gelu[0]))), half)
    }

    /// x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))): GELU, tanh form.
    #[inline(always)]
    #[must_use]
    pub fn gelu_tanh(self, x: F32x4) -> F32x4 {
        let [_, outer, inner] = self.0.gelu.map(F32x4::splat);
        let cubic = x.mul(x).mul(x).mul_add(inner, x);
        let half = x.mul(F32x4::splat(self.0.half));
        half.mul_add(self.tanh(cubic.mul(outer)), half)
    }
}

/// Horner's rule; the coefficient of the highest power comes first.
#[inline(always)]
fn polynomial<const N: usize>(x: F32x4, coefficients: &[f32; N]) -> F32x4 {
    let (first, rest) = (coefficients[0], &coefficients[1..]);
    rest.iter().fold(F32x4::splat(first), |sum, &coefficient| sum.mul_add(x, F32x4::splat(coefficient)))
}

#[cfg(test)]
mod tests;
