//! The reference distributions, in arithmetic that is the same on every platform: exactly rounded, or from `libm`.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// More terms than the continued fraction takes for a million degrees of freedom.
const MAX_TERMS: u32 = 10_000;

/// More steps than a quantile takes.
const MAX_STEPS: u32 = 1_000;

/// Probability that a standard normal exceeds `z`.
pub(crate) fn normal_upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// The value a standard normal stays below with probability `p`.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    quantile(p, normal_upper_tail, |z| libm::exp(-0.5 * z * z) / TAU.sqrt())
}

/// Probability that Student's t with `freedom` degrees of freedom exceeds `t`; NaN where that has no meaning.
pub(crate) fn student_upper_tail(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || freedom.is_nan() || freedom <= 0.0 {
        return f64::NAN;
    }
    let outside = t * t / freedom;
    let (outer, inner) = (1.0 / (1.0 + outside), outside / (1.0 + outside));
    let (a, b) = (0.5 * freedom, 0.5);
    // x^a (1 − x)^b / B(a, b) for x = outer.
    let scale = libm::exp(ln_beta_inverse(a, b) - a * libm::log1p(outside)) * inner.sqrt();
    // The fraction converges fast on this side of the mean of the beta distribution.
    let tail = if outer < (a + 1.0) / (a + b + 2.0) {
        0.5 * scale * beta_fraction(a, b, outer) / a
    } else {
        0.5 - 0.5 * scale * beta_fraction(b, a, inner) / b
    };
    if t < 0.0 { 1.0 - tail } else { tail }
}

/// The value Student's t with `freedom` degrees of freedom stays below with probability `p`.
pub(crate) fn student_quantile(p: f64, freedom: f64) -> f64 {
    let scale = libm::exp(ln_beta_inverse(0.5 * freedom, 0.5)) / freedom.sqrt();
    let density = |t: f64| scale * libm::exp(-0.5 * (freedom + 1.0) * libm::log1p(t * t / freedom));
    quantile(p, |t| student_upper_tail(t, freedom), density)
}

/// Quantile of a symmetric distribution whose density falls from 0 on: its tail is convex there, so Newton's steps from 0
/// never pass the quantile.
fn quantile(p: f64, upper_tail: impl Fn(f64) -> f64, density: impl Fn(f64) -> f64) -> f64 {
    if p < 0.5 {
        return -quantile(1.0 - p, upper_tail, density);
    }
    let mut value = 0.0;
    for _ in 0..MAX_STEPS {
        let next = value + (upper_tail(value) - (1.0 - p)) / density(value);
        // Rounding ends the climb.
        if next.is_nan() || next <= value {
            break;
        }
        value = next;
    }
    value
}

/// Logarithm of 1 / B(a, b).
fn ln_beta_inverse(a: f64, b: f64) -> f64 {
    libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b)
}

/// The continued fraction of the incomplete beta function, Abramowitz & Stegun, "Handbook of Mathematical Functions" (1964),
/// 26.5.8, by the method of Lentz (1976) as Thompson & Barnett changed it.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let not_zero = |value: f64| if value.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value };
    let mut numerator = 1.0;
    let mut denominator = 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = denominator;
    for term in 1..MAX_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for coefficient in [even, odd] {
            denominator = 1.0 / not_zero(1.0 + coefficient * denominator);
            numerator = not_zero(1.0 + coefficient / numerator);
            fraction *= denominator * numerator;
        }
        if (fraction - before).abs() <= f64::EPSILON * fraction.abs() {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests;
