//! Everything one comparison of two campaigns says, in one call.

use crate::hypothesis::{MannWhitneyTest, WelchTest, mann_whitney_inflated, welch};
use crate::interval::{Bootstrap, Interval, Method, median_difference, median_ratio};
use crate::power::{Design, minimum_detectable_effect, needed_n};
use crate::quality::{Warning, cautious_persistence, variance_inflation, warnings};
use crate::sample::{Sample, StatsError};
use crate::summary::MAD_TO_SD;

/// How two samples are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComparisonConfig {
    /// Confidence level of the intervals, 0–1.
    pub level: f64,
    /// Significance and power for the detectable effect.
    pub design: Design,
    /// Size and seed of the bootstrap.
    pub bootstrap: Bootstrap,
}

impl Default for ComparisonConfig {
    fn default() -> Self {
        Self { level: 0.95, design: Design::default(), bootstrap: Bootstrap::default() }
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
    /// Smallest relative effect that samples of these sizes and spreads find with the design's power.
    pub minimum_detectable_effect: f64,
    /// Doubts about the baseline.
    pub baseline_warnings: Vec<Warning>,
    /// Doubts about the candidate.
    pub candidate_warnings: Vec<Warning>,
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
        let n = (baseline.len(), candidate.len());
        let inflation = variance_inflation(n.0.min(n.1) as f64, persistence);
        Ok(Self {
            ratio: median_ratio(baseline, candidate, config.level, method)?,
            difference: median_difference(baseline, candidate, config.level, method)?,
            rank_test: mann_whitney_inflated(baseline, candidate, inflation)?,
            mean_test: welch(baseline, candidate)?,
            minimum_detectable_effect: minimum_detectable_effect(
                relative_spread(baseline).max(relative_spread(candidate)) * inflation.sqrt(),
                n,
                config.design,
            )?,
            baseline_warnings: warnings(baseline),
            candidate_warnings: warnings(candidate),
        })
    }
}

/// Further values that each side needs before a relative effect is found; zero if it is found already.
///
/// # Errors
/// As [`needed_n`].
pub fn missing_values(
    baseline: &Sample,
    candidate: &Sample,
    effect: f64,
    design: Design,
) -> Result<usize, StatsError> {
    let spread = relative_spread(baseline).max(relative_spread(candidate));
    Ok(needed_n(spread, effect, design)?.saturating_sub(baseline.len().min(candidate.len())))
}

/// Robust standard deviation relative to the median.
fn relative_spread(sample: &Sample) -> f64 {
    MAD_TO_SD * sample.mad() / sample.median()
}

#[cfg(test)]
mod tests;
