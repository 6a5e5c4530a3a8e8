//! How bad a change is, in words: only for changes that are significant and larger than the noise.

use crate::interval::Interval;

/// Relative change that hardly matters to anybody.
pub const DEFAULT_NOISE_FLOOR: f64 = 0.02;

/// Size of a change, by its absolute relative effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Less than 5 %.
    Minor,
    /// From 5 % to less than 15 %.
    Moderate,
    /// From 15 % to 25 %.
    Severe,
    /// More than 25 %.
    Critical,
}

/// Which way is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Latency, memory, errors.
    Lower,
    /// Throughput.
    Higher,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The difference is not significant.
    NotSignificant,
    /// The difference is significant, and too small to be told from the noise between campaigns.
    WithinNoise,
    /// The candidate is worse.
    Regression(Grade),
    /// The candidate is better.
    Improvement(Grade),
}

/// Size of a change and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grade {
    /// Candidate divided by baseline, minus one.
    pub effect: f64,
    /// Severity of the estimate.
    pub severity: Severity,
    /// Severity that the confidence bound nearest to "no change" still supports; none if it does not exclude it.
    pub supported: Option<Severity>,
}

impl Severity {
    /// Severity of a relative effect; its sign does not matter, nor does what rounding took from it.
    pub fn of(effect: f64) -> Self {
        match (effect.abs() * 1e12).round() / 1e12 {
            size if size > 0.25 => Self::Critical,
            size if size >= 0.15 => Self::Severe,
            size if size >= 0.05 => Self::Moderate,
            _ => Self::Minor,
        }
    }
}

/// Grades a ratio candidate / baseline whose difference from 1 was tested elsewhere.
///
/// `noise_floor` is a relative effect that does not count, e.g. [`DEFAULT_NOISE_FLOOR`].
pub fn grade(ratio: Interval, significant: bool, noise_floor: f64, better: Better) -> Verdict {
    let effect = ratio.estimate - 1.0;
    if !significant {
        return Verdict::NotSignificant;
    }
    if effect.abs() <= noise_floor {
        return Verdict::WithinNoise;
    }
    let bound = if effect > 0.0 { ratio.low - 1.0 } else { ratio.high - 1.0 };
    let supported = (bound * effect > 0.0).then(|| Severity::of(bound));
    let grade = Grade { effect, severity: Severity::of(effect), supported };
    if (effect > 0.0) == (better == Better::Lower) {
        Verdict::Regression(grade)
    } else {
        Verdict::Improvement(grade)
    }
}

#[cfg(test)]
mod tests;
