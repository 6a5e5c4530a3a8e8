//! What the history means: trends, comparisons of campaigns, and advice. Pure functions of rows; `stats` has the methods.

pub(crate) mod ab;
pub(crate) mod advice;
pub(crate) mod gate;
pub(crate) mod trend;

use std::collections::BTreeSet;

use serde::Serialize;
use stats::{Grade, Severity, Verdict, Warning};

/// Probability of a false finding in a whole family of comparisons, by Benjamini and Hochberg.
pub(crate) const ALPHA: f64 = 0.01;

/// Relative difference that does not count, however sure it is: no two builds are laid out alike in memory.
pub(crate) const NOISE_FLOOR: f64 = 0.01;

/// A significant change that is larger than the noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Graded {
    /// Slower.
    pub(crate) is_regression: bool,
    /// New divided by old, minus one.
    pub(crate) effect: f64,
    /// Severity of the estimate: `minor`, `moderate`, `severe` or `critical`.
    pub(crate) severity: &'static str,
    /// Severity that the confidence bound nearest to no change still supports.
    pub(crate) at_least: Option<&'static str>,
}

impl Graded {
    /// What a verdict says, if it says that something changed.
    pub(crate) fn of(verdict: Verdict) -> Option<Self> {
        let graded = |is_regression, grade: Grade| Self {
            is_regression,
            effect: grade.effect,
            severity: severity_name(grade.severity),
            at_least: grade.supported.map(severity_name),
        };
        match verdict {
            Verdict::Regression(grade) => Some(graded(true, grade)),
            Verdict::Improvement(grade) => Some(graded(false, grade)),
            Verdict::NotSignificant | Verdict::WithinNoise => None,
        }
    }

    /// The severity in words, e.g. `severe, at least moderate`.
    pub(crate) fn words(&self) -> String {
        match self.at_least {
            Some(at_least) if at_least == self.severity => self.severity.to_owned(),
            Some(at_least) => format!("{}, at least {at_least}", self.severity),
            None => format!("{}, perhaps none", self.severity),
        }
    }
}

/// Stable name: the one in JSON and on the command line.
pub(crate) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Minor => "minor",
        Severity::Moderate => "moderate",
        Severity::Severe => "severe",
        Severity::Critical => "critical",
    }
}

/// Doubts about runs, in words; campaigns or launches that share one say it once.
pub(crate) fn words(warnings: &[Warning]) -> Vec<String> {
    let words = |warning: &Warning| match warning {
        Warning::Autocorrelated { n_effective, .. } => {
            format!("the runs repeat each other and say no more than {n_effective:.0} independent ones")
        }
        Warning::Multimodal { .. } => {
            "the runs fall into more than one cluster, so no single number describes them".to_owned()
        }
    };
    let words: BTreeSet<String> = warnings.iter().map(words).collect();
    words.into_iter().collect()
}
