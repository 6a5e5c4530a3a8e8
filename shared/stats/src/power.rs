//! What a comparison can see: the smallest effect that n values find.

use crate::distribution::student_quantile;
use crate::sample::{StatsError, require, require_probability};

/// What a comparison is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    /// Two-sided probability of an alarm without a change, 0–1.
    pub significance: f64,
    /// Probability of finding the effect if it is there, 0–1.
    pub power: f64,
}

impl Default for Design {
    /// 5 % significance with 80 % power, the convention of Cohen, "Statistical Power Analysis" (1988).
    fn default() -> Self {
        Self { significance: 0.05, power: 0.8 }
    }
}

/// Smallest difference of two means that is found with the design's power.
///
/// `spread` is the standard deviation of one value, `n` the sizes of the two samples; the result has the unit of
/// `spread`, so a relative spread gives a relative effect. The formula is (t₁₋α⁄₂ + t_power) × standard error, which
/// replaces the non-central by the central t distribution.
///
/// # Errors
/// [`StatsError::NotEnoughData`] below two values a side, [`StatsError::OutOfRange`] for a bad spread or design.
pub fn minimum_detectable_effect(spread: f64, n: (usize, usize), design: Design) -> Result<f64, StatsError> {
    require(n.0.min(n.1), 2)?;
    require_not_negative("spread", spread)?;
    let quantiles = design_quantiles(design, (n.0 + n.1 - 2) as f64)?;
    Ok(quantiles * spread * (1.0 / n.0 as f64 + 1.0 / n.1 as f64).sqrt())
}

/// Smallest mean of n differences that is found with the design's power; `spread` is the standard deviation of one.
///
/// # Errors
/// As [`minimum_detectable_effect`].
pub fn paired_detectable_effect(spread: f64, n: usize, design: Design) -> Result<f64, StatsError> {
    require(n, 2)?;
    let (quantiles, n) = (design_quantiles(design, (n - 1) as f64)?, n as f64);
    require_not_negative("spread", spread)?;
    Ok(quantiles * spread / n.sqrt())
}

pub(crate) fn design_quantiles(design: Design, freedom: f64) -> Result<f64, StatsError> {
    require_probability("significance", design.significance)?;
    require_probability("power", design.power)?;
    Ok(student_quantile(1.0 - 0.5 * design.significance, freedom) + student_quantile(design.power, freedom))
}

fn require_not_negative(parameter: &'static str, value: f64) -> Result<(), StatsError> {
    if value >= 0.0 && value.is_finite() { Ok(()) } else { Err(StatsError::OutOfRange { parameter, value }) }
}

#[cfg(test)]
mod tests;
