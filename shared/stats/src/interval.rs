//! Confidence intervals for a median, and for the difference and the ratio of two.

use crate::distribution::{normal_quantile, student_quantile};
use crate::sample::{Sample, StatsError, require, require_probability};

mod bootstrap;

use bootstrap::percentile;
pub use bootstrap::{Bootstrap, MIN_BOOTSTRAP};

/// Fewest values for the standard error of a median: McKean and Schrader's order statistics exist from here on.
pub const MIN_MEDIAN_ERROR: usize = 7;

/// An estimate and the range that covers the truth in `level` of all repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Best single value.
    pub estimate: f64,
    /// Lower confidence bound.
    pub low: f64,
    /// Upper confidence bound.
    pub high: f64,
    /// Confidence level, 0–1.
    pub level: f64,
}

/// How an interval is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Percentile bootstrap: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. Autocorrelated
    /// samples are resampled in blocks: Politis & Romano, "A circular block-resampling procedure" (1992).
    Bootstrap(Bootstrap),
    /// Student's t on the standard error of the median: McKean & Schrader, "A comparison of methods for Studentizing the
    /// sample median" (1984); two samples share their degrees of freedom as Welch and Satterthwaite do. It takes values
    /// for independent, and is too short where the median falls between two modes: prefer the bootstrap.
    StudentT,
}

/// Interval of the median.
///
/// # Errors
/// [`StatsError::NotEnoughData`], or [`StatsError::OutOfRange`] for a level outside 0–1 or too few resamples.
pub fn median_interval(sample: &Sample, level: f64, method: Method) -> Result<Interval, StatsError> {
    let estimate = sample.median();
    match method {
        Method::Bootstrap(bootstrap) => {
            percentile(estimate, level, bootstrap, &[sample], |medians| medians[0])
        }
        Method::StudentT => {
            let error = median_standard_error(sample)?;
            symmetric(estimate, error, (sample.len() - 1) as f64, level)
        }
    }
}

/// Interval of the candidate's median minus the baseline's.
///
/// # Errors
/// As [`median_interval`].
pub fn median_difference(
    baseline: &Sample,
    candidate: &Sample,
    level: f64,
    method: Method,
) -> Result<Interval, StatsError> {
    let estimate = candidate.median() - baseline.median();
    match method {
        Method::Bootstrap(bootstrap) => {
            percentile(estimate, level, bootstrap, &[baseline, candidate], |medians| medians[1] - medians[0])
        }
        Method::StudentT => {
            let errors = (median_standard_error(baseline)?, median_standard_error(candidate)?);
            let (error, freedom) = pooled_error(errors, (baseline.len(), candidate.len()));
            symmetric(estimate, error, freedom, level)
        }
    }
}

/// Interval of the candidate's median divided by the baseline's: 1.1 means 10 % more than the baseline.
///
/// Student's t works on logarithms and is transformed back, so its interval is not symmetric around the estimate.
///
/// # Errors
/// As [`median_interval`], and [`StatsError::NotPositive`].
pub fn median_ratio(
    baseline: &Sample,
    candidate: &Sample,
    level: f64,
    method: Method,
) -> Result<Interval, StatsError> {
    let (baseline_ln, candidate_ln) = (baseline.ln()?, candidate.ln()?);
    let estimate = candidate.median() / baseline.median();
    match method {
        Method::Bootstrap(bootstrap) => {
            percentile(estimate, level, bootstrap, &[baseline, candidate], |medians| medians[1] / medians[0])
        }
        Method::StudentT => {
            let errors = (median_standard_error(&baseline_ln)?, median_standard_error(&candidate_ln)?);
            let (error, freedom) = pooled_error(errors, (baseline.len(), candidate.len()));
            let logarithmic = symmetric(libm::log(estimate), error, freedom, level)?;
            Ok(Interval {
                estimate,
                low: libm::exp(logarithmic.low),
                high: libm::exp(logarithmic.high),
                level,
            })
        }
    }
}

/// Student's interval of the mean.
///
/// # Errors
/// As [`median_interval`].
pub fn mean_interval(sample: &Sample, level: f64) -> Result<Interval, StatsError> {
    let error = (sample.variance()? / sample.len() as f64).sqrt();
    symmetric(sample.mean(), error, (sample.len() - 1) as f64, level)
}

/// Welch's interval of the candidate's mean minus the baseline's.
///
/// # Errors
/// As [`median_interval`].
pub fn mean_difference(baseline: &Sample, candidate: &Sample, level: f64) -> Result<Interval, StatsError> {
    let error = |sample: &Sample| Ok((sample.variance()? / sample.len() as f64).sqrt());
    let (error, freedom) =
        pooled_error((error(baseline)?, error(candidate)?), (baseline.len(), candidate.len()));
    symmetric(candidate.mean() - baseline.mean(), error, freedom, level)
}

/// Standard error of the median after McKean & Schrader (1984), from two order statistics around it.
///
/// # Errors
/// [`StatsError::NotEnoughData`] below [`MIN_MEDIAN_ERROR`] values.
pub fn median_standard_error(sample: &Sample) -> Result<f64, StatsError> {
    require(sample.len(), MIN_MEDIAN_ERROR)?;
    let (n, z) = (sample.len() as f64, normal_quantile(0.995));
    let rank = (0.5 * (n + 1.0) - z * (0.25 * n).sqrt()).round_ties_even() as usize;
    Ok((sample.sorted()[sample.len() - rank] - sample.sorted()[rank - 1]) / (2.0 * z))
}

/// Standard error of a difference, and Welch and Satterthwaite's degrees of freedom for it.
pub(crate) fn pooled_error(errors: (f64, f64), n: (usize, usize)) -> (f64, f64) {
    let (first, second) = (errors.0 * errors.0, errors.1 * errors.1);
    let sum = first + second;
    let freedom = sum * sum / (first * first / (n.0 - 1) as f64 + second * second / (n.1 - 1) as f64);
    (sum.sqrt(), freedom)
}

/// Estimate ± t × standard error. An error of zero gives an interval of width zero.
fn symmetric(estimate: f64, error: f64, freedom: f64, level: f64) -> Result<Interval, StatsError> {
    require_probability("level", level)?;
    let margin = if error == 0.0 { 0.0 } else { error * student_quantile(0.5 + 0.5 * level, freedom) };
    Ok(Interval { estimate, low: estimate - margin, high: estimate + margin, level })
}

#[cfg(test)]
mod tests;
