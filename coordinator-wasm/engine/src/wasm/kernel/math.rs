//! Exponential, error function and their relatives on four floats at once.
//!
//! Errors are largest differences from the exact value over the whole float range, measured by the tests of this file.
#![expect(clippy::excessive_precision, reason = "coefficients stand as their source gives them")]

use std::hint::black_box;

use super::simd::{F32x4, ROUNDER};

/// The functions, with their constants in memory.
///
/// V8 builds a constant vector anew from two 64-bit immediates wherever it is used, which is five instructions where a
/// load is one. So the compiler must not know the constants: loops take them from here.
#[derive(Debug, Clone, Copy)]
pub struct Math(&'static Constants);

#[derive(Debug)]
struct Constants {
    /// From here on e^x is infinite in 32 bits; a little above ln(2^128).
    exp_overflow: f32,
    /// From here down e^x is given as 0; a little below ln(2^−126), where it is no normal number in 32 bits.
    exp_underflow: f32,
    log2_e: f32,
    rounder: f32,
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
    four: f32,
    /// 127 as the rounder gives it.
    largest_exponent: f32,
    tanh_near: f32,
}

static CONSTANTS: Constants = Constants {
    exp_overflow: 89.0,
    exp_underflow: -88.0,
    log2_e: std::f32::consts::LOG2_E,
    rounder: ROUNDER,
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
    four: 4.0,
    largest_exponent: ROUNDER + 127.0,
    tanh_near: 0.625,
};

impl Default for Math {
    fn default() -> Self {
        Self(black_box(&CONSTANTS))
    }
}

impl Math {
    /// e^x. Relative error ≤ 3e-7 where the result is a normal number, below that it may be 0; NaN stays NaN.
    ///
    /// Range reduction and coefficients: Cephes `expf` (S. L. Moshier, 1992).
    #[inline(always)]
    #[must_use]
    pub fn exp(self, x: F32x4) -> F32x4 {
        let c = self.0;
        let clamped = x.at_least(F32x4::splat(c.exp_underflow)).at_most(F32x4::splat(c.exp_overflow));
        let rounded = clamped.mul_add(F32x4::splat(c.log2_e), F32x4::splat(c.rounder));
        // 2^128 does not exist, so the last doubling is a multiplication of its own, which may overflow as it should.
        let scaled = rounded.at_most(F32x4::splat(c.largest_exponent));
        let last = rounded.sub(scaled).add(F32x4::splat(c.one));
        self.exp_of_remainder(rounded, clamped).mul(scaled.power_of_two()).mul(last)
    }

    /// e^x for x ≤ 0, as [`Self::exp`].
    #[inline(always)]
    #[must_use]
    pub fn exp_of_negative(self, x: F32x4) -> F32x4 {
        let clamped = x.at_least(F32x4::splat(self.0.exp_underflow));
        let rounded = clamped.mul_add(F32x4::splat(self.0.log2_e), F32x4::splat(self.0.rounder));
        self.exp_of_remainder(rounded, clamped).mul(rounded.power_of_two())
    }

    /// e^(x − n · ln 2), where `rounded` is n plus the rounder.
    #[inline(always)]
    fn exp_of_remainder(self, rounded: F32x4, x: F32x4) -> F32x4 {
        let [high, low] = self.0.minus_ln_2;
        let n = rounded.sub(F32x4::splat(self.0.rounder));
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
        let [four, one] = [self.0.four, self.0.one].map(F32x4::splat);
        let [minus_four, minus_one] = [four, one].map(|x| F32x4::zero().sub(x));
        let clamped = x.at_least(minus_four).at_most(four);
        let square = clamped.mul(clamped);
        let (numerator, denominator) = &self.0.erf;
        let ratio = clamped.mul(polynomial(square, numerator)).div(polynomial(square, denominator));
        ratio.at_least(minus_one).at_most(one)
    }

    /// Hyperbolic tangent. Relative error ≤ 5e-7; NaN stays NaN.
    ///
    /// Coefficients below 0.625: Cephes `tanhf`; above, (1 − e^−2x) / (1 + e^−2x).
    #[inline(always)]
    #[must_use]
    pub fn tanh(self, x: F32x4) -> F32x4 {
        let magnitude = x.abs();
        let square = magnitude.mul(magnitude);
        let near = polynomial(square, &self.0.tanh).mul(square).mul_add(magnitude, magnitude);
        let one = F32x4::splat(self.0.one);
        let power = self.exp_of_negative(F32x4::zero().sub(magnitude.add(magnitude)));
        let far = one.sub(power).div(one.add(power));
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
