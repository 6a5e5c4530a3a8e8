//! Doubts about a sample: values that repeat each other, and values that come from more than one regime.

use crate::distribution::normal_quantile;
use crate::sample::{Sample, StatsError, mean, require};

mod dip;

pub use dip::{MIN_DIP, dip, dip_critical};

/// Fewest values for an autocorrelation.
pub const MIN_AUTOCORRELATION: usize = 10;

/// A reason to trust the sample less.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Warning {
    /// Neighbouring values resemble each other, so the sample holds less information than its size says.
    Autocorrelated {
        /// Correlation of each value with the next, −1 to 1.
        lag_one: f64,
        /// Number of independent values that would say as much.
        n_effective: f64,
    },
    /// The values form more than one cluster, so no single number describes them.
    Multimodal {
        /// Hartigan's dip, 0–0.25.
        dip: f64,
        /// What a sample with one cluster exceeds in 1 % of cases.
        critical: f64,
    },
}

/// Autocorrelation of a sample in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Autocorrelation {
    /// Correlation of each value with the next, −1 to 1.
    pub lag_one: f64,
    /// Whether `lag_one` lies above what independent values give in 1 % of cases (one-sided, Bartlett's 1/√n).
    pub significant: bool,
    /// Effective sample size, 1 to n: n / (1 + 2 Σ ρₖ).
    pub n_effective: f64,
}

/// Measures how far values repeat each other.
///
/// The sum of correlations ends with Geyer's initial positive sequence: "Practical Markov Chain Monte Carlo" (1992).
///
/// # Errors
/// [`StatsError::NotEnoughData`] below [`MIN_AUTOCORRELATION`] values, [`StatsError::NoSpread`] if all are equal.
pub fn autocorrelation(sample: &Sample) -> Result<Autocorrelation, StatsError> {
    require(sample.len(), MIN_AUTOCORRELATION)?;
    let (values, center) = (sample.values(), mean(sample.values()));
    let n = values.len();
    let covariance = |lag: usize| -> f64 {
        values[lag..].iter().zip(values).map(|(later, earlier)| (later - center) * (earlier - center)).sum()
    };
    let variance = covariance(0);
    if variance == 0.0 {
        return Err(StatsError::NoSpread);
    }
    let correlation = |lag: usize| if lag == 0 { 1.0 } else { covariance(lag) / variance };
    let pairs = (0..n / 4).map(|pair| correlation(2 * pair) + correlation(2 * pair + 1));
    let sum: f64 = pairs.take_while(|&pair| pair > 0.0).sum();
    let lag_one = correlation(1);
    let n_effective = (n as f64 / (2.0 * sum - 1.0).max(1.0)).max(1.0);
    Ok(Autocorrelation { lag_one, significant: lag_one > 2.326 / (n as f64).sqrt(), n_effective })
}

/// Largest autocorrelation considered; beyond it the noise is a random walk and nothing can be said.
pub(crate) const MAX_PERSISTENCE: f64 = 0.95;

/// Autocorrelation at lag one of groups of values around their own means, 0–0.95. Groups too small to tell give 0.
pub(crate) fn persistence(groups: &[&[f64]]) -> f64 {
    measured_persistence(groups)
        .map_or(0.0, |(measured, n)| estimated_persistence(measured, n).0.clamp(0.0, MAX_PERSISTENCE))
}

/// The same, but the bound that three in four estimates stay below: few values hardly show whether they repeat each other,
/// and who takes their word for it finds differences that are not there.
pub(crate) fn cautious_persistence(groups: &[&[f64]]) -> f64 {
    measured_persistence(groups).map_or(0.0, |(measured, n)| bounded_persistence(measured, n))
}

/// That bound for an autocorrelation that was measured in n values.
pub(crate) fn bounded_persistence(measured: f64, n: f64) -> f64 {
    let (estimate, error) = estimated_persistence(measured, n);
    (estimate + normal_quantile(0.75) * error).clamp(0.0, MAX_PERSISTENCE)
}

/// The autocorrelation, corrected for its bias of about −(1 + 3φ) / n: Marriott & Pope, "Bias in the estimation of
/// autocorrelations" (1954); and its standard error √((1 − φ²) / n).
fn estimated_persistence(measured: f64, n: f64) -> (f64, f64) {
    let estimate = measured + (1.0 + 3.0 * measured) / n;
    (estimate, ((1.0 - estimate * estimate).max(0.0) / n).sqrt())
}

/// The autocorrelation within groups as it is, and the values behind it; none where they are too few or all equal.
fn measured_persistence(groups: &[&[f64]]) -> Option<(f64, f64)> {
    let (mut squares, mut products, mut n) = (0.0, 0.0, 0);
    for values in groups.iter().filter(|values| values.len() >= MIN_AUTOCORRELATION) {
        let center = mean(values);
        squares += values.iter().map(|value| (value - center) * (value - center)).sum::<f64>();
        products += values.windows(2).map(|pair| (pair[0] - center) * (pair[1] - center)).sum::<f64>();
        n += values.len();
    }
    (squares > 0.0).then(|| (products / squares, n as f64))
}

/// Variance of the mean of n values of an AR(1) process, relative to independent ones.
pub(crate) fn variance_inflation(n: f64, persistence: f64) -> f64 {
    let rest = 1.0 - persistence;
    let edge = 2.0 * persistence * (1.0 - libm::pow(persistence, n)) / (n * rest * rest);
    ((1.0 + persistence) / rest - edge).max(1.0)
}

/// All doubts about the sample. Samples too small to doubt give none.
///
/// Autocorrelation is reported if significant; more than one cluster if Hartigan's dip exceeds its 1 % critical value.
pub fn warnings(sample: &Sample) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Ok(Autocorrelation { lag_one, significant: true, n_effective }) = autocorrelation(sample) {
        warnings.push(Warning::Autocorrelated { lag_one, n_effective });
    }
    if let (Ok(dip), Ok(critical)) = (dip(sample), dip_critical(sample.len()))
        && dip > critical
    {
        warnings.push(Warning::Multimodal { dip, critical });
    }
    warnings
}

#[cfg(test)]
mod tests;
