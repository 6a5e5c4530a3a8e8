//! Everything one comparison of two campaigns says, in one call.

use crate::hypothesis::{MannWhitneyTest, WelchTest, mann_whitney_inflated, welch};
use crate::interval::{Bootstrap, Interval, Method, median_difference, median_ratio};
use crate::quality::{cautious_persistence, variance_inflation};
use crate::sample::{Sample, StatsError};

/// How two samples are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComparisonConfig {
    /// Confidence level of the intervals, 0–1.
    pub level: f64,
    /// Size and seed of the bootstrap.
    pub bootstrap: Bootstrap,
}

impl Default for ComparisonConfig {
    fn default() -> Self {
        Self { level: 0.95, bootstrap: Bootstrap::default() }
    }
}

/// A candidate measured against a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Median of the candidate divided by the median of the baseline.
    pub ratio: Interval,
    /// Median of the candidate minus the median of the baseline, in the unit of the values.
    pub difference: Interval,
    /// Rank test; autocorrelation of the two samples inflates its variance, as for an AR(1) process with as much of it as
    /// the samples leave room for. Its p-value decides.
    pub rank_test: MannWhitneyTest,
    /// Test of the means, beside the rank test.
    pub mean_test: WelchTest,
}

impl Comparison {
    /// Compares two samples of positive values.
    ///
    /// # Errors
    /// [`StatsError::NotEnoughData`] below five values a side, [`StatsError::NoSpread`] if both are constant,
    /// [`StatsError::NotPositive`], and [`StatsError::OutOfRange`] for a bad configuration.
    pub fn new(baseline: &Sample, candidate: &Sample, config: ComparisonConfig) -> Result<Self, StatsError> {
        let method = Method::Bootstrap(config.bootstrap);
        let persistence = cautious_persistence(&[baseline.values(), candidate.values()]);
        let inflation = variance_inflation(baseline.len().min(candidate.len()) as f64, persistence);
        Ok(Self {
            ratio: median_ratio(baseline, candidate, config.level, method)?,
            difference: median_difference(baseline, candidate, config.level, method)?,
            rank_test: mann_whitney_inflated(baseline, candidate, inflation)?,
            mean_test: welch(baseline, candidate)?,
        })
    }
}

#[cfg(test)]
mod tests;
