//! What one sample looks like: location, spread, extremes and the values that do not belong.

use crate::sample::{Sample, mean};

/// Modified z-score above which a value is an outlier: Iglewicz & Hoaglin, "How to Detect and Handle Outliers" (1993).
pub const OUTLIER_SCORE: f64 = 3.5;

/// Multiplies a median absolute deviation to estimate a normal distribution's standard deviation.
pub(crate) const MAD_TO_SD: f64 = 1.482_602_218_505_602;

/// Multiplies a mean absolute deviation to estimate a normal distribution's standard deviation.
const MEAN_DEVIATION_TO_SD: f64 = 1.253_314_137_315_500_3;

/// Description of a sample, in the unit of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Smallest value.
    pub min: f64,
    /// First quartile (type 7).
    pub lower_quartile: f64,
    /// Middle value.
    pub median: f64,
    /// Third quartile (type 7).
    pub upper_quartile: f64,
    /// Largest value.
    pub max: f64,
    /// Distance between the quartiles.
    pub iqr: f64,
    /// Median absolute deviation, unscaled.
    pub mad: f64,
    /// Arithmetic mean, outliers included.
    pub mean: f64,
    /// Standard deviation with n − 1, outliers included; none for a single value.
    pub sd: Option<f64>,
    /// Marked values in order of arrival. They are marked, never removed.
    pub outliers: Vec<Outlier>,
}

/// A value whose modified z-score exceeds [`OUTLIER_SCORE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlier {
    /// Position in order of arrival.
    pub index: usize,
    /// The value itself.
    pub value: f64,
    /// Signed distance from the median in robust standard deviations.
    pub score: f64,
}

impl Summary {
    /// Describes the sample.
    pub fn of(sample: &Sample) -> Self {
        let (lower_quartile, upper_quartile) = (sample.quantile(0.25), sample.quantile(0.75));
        Self {
            n: sample.len(),
            min: sample.quantile(0.0),
            lower_quartile,
            median: sample.median(),
            upper_quartile,
            max: sample.quantile(1.0),
            iqr: upper_quartile - lower_quartile,
            mad: sample.mad(),
            mean: sample.mean(),
            sd: sample.variance().ok().map(f64::sqrt),
            outliers: outliers(sample),
        }
    }
}

/// Values further than [`OUTLIER_SCORE`] robust standard deviations from the median.
///
/// The robust standard deviation is 1.4826 × MAD. Where more than half of the values are equal it would be zero, and
/// 1.2533 × the mean absolute deviation stands in for it. A sample without any spread has no outliers.
pub fn outliers(sample: &Sample) -> Vec<Outlier> {
    let median = sample.median();
    let mut scale = MAD_TO_SD * sample.mad();
    if scale == 0.0 {
        let deviations: Vec<f64> = sample.values().iter().map(|value| (value - median).abs()).collect();
        scale = MEAN_DEVIATION_TO_SD * mean(&deviations);
    }
    if scale == 0.0 {
        return Vec::new();
    }
    let score = |value: f64| (value - median) / scale;
    let marked = |&(index, &value): &(usize, &f64)| {
        let score = score(value);
        (score.abs() > OUTLIER_SCORE).then_some(Outlier { index, value, score })
    };
    sample.values().iter().enumerate().filter_map(|pair| marked(&pair)).collect()
}

#[cfg(test)]
mod tests;
