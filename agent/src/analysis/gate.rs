//! The gate: is a campaign slower than its baseline, and could it have been seen?

use serde::Serialize;
use stats::comparison::missing_values;
use stats::power::MAX_N;
use stats::severity::DEFAULT_NOISE_FLOOR;
use stats::{
    Better, Comparison, ComparisonConfig, Interval, Sample, Severity, StatsError, Warning,
    benjamini_hochberg, grade,
};

use crate::analysis::{ALPHA, Graded, severity_name};
use crate::store::Series;

/// Fewest runs a side for a comparison, as [`Comparison::new`] has it.
const MIN_RUNS: usize = 5;

/// The runs of one series in the two campaigns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair {
    /// What they have in common.
    pub(crate) series: Series,
    /// Warm times of the baseline, microseconds, oldest first.
    pub(crate) baseline_micros: Vec<f64>,
    /// Warm times of the candidate.
    pub(crate) candidate_micros: Vec<f64>,
    /// Runs of the candidate that failed.
    pub(crate) n_failed: usize,
    /// Relative effect that noise between campaigns may have.
    pub(crate) noise_floor: f64,
}

/// What a pair comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Significantly slower, beyond the noise.
    Slower,
    /// Significantly faster, beyond the noise.
    Faster,
    /// Nothing looks like a change of the size that matters; `detectable` says what is sure to show.
    Unchanged,
    /// A change of the size that matters could have been missed.
    NotEnoughData,
    /// It worked in the baseline, and every run of the candidate failed.
    Broken,
    /// Nothing to compare with.
    New,
}

/// A pair with everything known about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Compared {
    /// What the runs have in common.
    #[serde(flatten)]
    pub(crate) series: Series,
    /// What it comes to.
    pub(crate) outcome: Outcome,
    /// Runs of the baseline.
    pub(crate) n_baseline: usize,
    /// Runs of the candidate.
    pub(crate) n_candidate: usize,
    /// Runs of the candidate that failed.
    pub(crate) n_failed: usize,
    /// Median of the baseline, microseconds.
    pub(crate) baseline_micros: Option<f64>,
    /// Median of the candidate, microseconds.
    pub(crate) candidate_micros: Option<f64>,
    /// Candidate divided by baseline.
    pub(crate) ratio: Option<f64>,
    /// Bounds of its interval.
    pub(crate) ratio_interval: Option<[f64; 2]>,
    /// Of the rank test.
    pub(crate) p_value: Option<f64>,
    /// The same for the family of all pairs.
    pub(crate) adjusted_p_value: Option<f64>,
    /// Size of a change that counts.
    pub(crate) graded: Option<Graded>,
    /// Relative effect that noise between campaigns may have.
    pub(crate) noise_floor: f64,
    /// Smallest relative change that so many runs with this spread find in 80 % of cases.
    pub(crate) detectable: Option<f64>,
    /// Further runs a side without which a change of the size that matters can be missed.
    pub(crate) n_missing: usize,
    /// Doubts about the candidate's runs.
    pub(crate) warnings: Vec<String>,
    #[serde(skip)]
    pub(super) interval: Option<Interval>,
}

/// What all pairs come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Decision {
    /// Nothing is slower by as much as matters, or looks as if it could be.
    Pass,
    /// Something is.
    Fail,
    /// Nothing was seen, but it could have been missed.
    NotEnoughData,
}

/// The answer of the gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verdict {
    /// Of all pairs.
    pub(crate) decision: Decision,
    /// Severity from which a regression fails the gate.
    pub(crate) fail_on: &'static str,
    /// In the order of the pairs.
    pub(crate) compared: Vec<Compared>,
}

impl Compared {
    /// A comparison of which nothing is known yet but that it cannot be made.
    pub(super) fn unknown(series: Series, noise_floor: f64) -> Self {
        Self {
            series,
            outcome: Outcome::NotEnoughData,
            n_baseline: 0,
            n_candidate: 0,
            n_failed: 0,
            baseline_micros: None,
            candidate_micros: None,
            ratio: None,
            ratio_interval: None,
            p_value: None,
            adjusted_p_value: None,
            graded: None,
            noise_floor,
            detectable: None,
            n_missing: 0,
            warnings: Vec::new(),
            interval: None,
        }
    }

    /// True when this alone fails the gate.
    pub(crate) fn fails(&self, fail_on: Severity) -> bool {
        let is_as_bad = self
            .graded
            .is_some_and(|graded| graded.at_least.is_some() && Severity::of(graded.effect) >= fail_on);
        self.outcome == Outcome::Broken || (self.outcome == Outcome::Slower && is_as_bad)
    }
}

/// Compares the pairs as one family.
///
/// # Errors
/// A time that is not positive.
pub(crate) fn decide(pairs: Vec<Pair>, fail_on: Severity) -> Result<Verdict, StatsError> {
    let compared = pairs.into_iter().map(|pair| compare(pair, fail_on)).collect::<Result<_, _>>()?;
    Ok(conclude(compared, fail_on))
}

/// Decides which differences count, over all comparisons as one family, and what they come to together.
pub(super) fn conclude(mut compared: Vec<Compared>, fail_on: Severity) -> Verdict {
    let p_values: Vec<f64> = compared.iter().filter_map(|compared| compared.p_value).collect();
    let mut adjusted = benjamini_hochberg(&p_values).into_iter();
    for one in &mut compared {
        let Some(interval) = one.interval else { continue };
        one.adjusted_p_value = adjusted.next();
        let is_significant = one.adjusted_p_value.is_some_and(|p_value| p_value <= ALPHA);
        // As large as what fails, but noise may look like that.
        let is_suspicious = interval.estimate - 1.0 >= smallest_effect(fail_on, DEFAULT_NOISE_FLOOR);
        one.graded = Graded::of(grade(interval, is_significant, one.noise_floor, Better::Lower));
        match one.graded {
            Some(graded) => {
                one.outcome = if graded.is_regression { Outcome::Slower } else { Outcome::Faster };
            }
            None if one.n_missing > 0 || is_suspicious => one.outcome = Outcome::NotEnoughData,
            None => one.outcome = Outcome::Unchanged,
        }
    }
    let any = |is_so: &dyn Fn(&Compared) -> bool| compared.iter().any(is_so);
    let decision = if any(&|one| one.fails(fail_on)) {
        Decision::Fail
    } else if any(&|one| one.outcome == Outcome::NotEnoughData)
        || !any(&|one| !matches!(one.outcome, Outcome::New))
    {
        Decision::NotEnoughData
    } else {
        Decision::Pass
    };
    Verdict { decision, fail_on: severity_name(fail_on), compared }
}

/// Smallest effect of a severity, a relative change; minor regressions count from the noise on.
pub(super) fn smallest_effect(severity: Severity, noise_floor: f64) -> f64 {
    let bound: f64 = match severity {
        Severity::Minor => 0.0,
        Severity::Moderate => 0.05,
        Severity::Severe => 0.15,
        Severity::Critical => 0.25,
    };
    bound.max(noise_floor)
}

fn compare(pair: Pair, fail_on: Severity) -> Result<Compared, StatsError> {
    let (n_baseline, n_candidate) = (pair.baseline_micros.len(), pair.candidate_micros.len());
    let sample = |micros: &[f64]| (!micros.is_empty()).then(|| Sample::new(micros)).transpose();
    let baseline = sample(&pair.baseline_micros)?;
    let candidate = sample(&pair.candidate_micros)?;
    let mut compared = Compared {
        n_baseline,
        n_candidate,
        n_failed: pair.n_failed,
        baseline_micros: baseline.as_ref().map(Sample::median),
        candidate_micros: candidate.as_ref().map(Sample::median),
        n_missing: MIN_RUNS.saturating_sub(n_baseline.min(n_candidate)),
        ..Compared::unknown(pair.series, pair.noise_floor)
    };
    match (baseline, candidate) {
        (None, _) => compared.outcome = Outcome::New,
        (Some(_), None) if pair.n_failed > 0 => compared.outcome = Outcome::Broken,
        (Some(_), None) => {}
        (Some(baseline), Some(candidate)) => {
            let config = ComparisonConfig::default();
            let comparison = match Comparison::new(&baseline, &candidate, config) {
                Ok(comparison) => comparison,
                Err(StatsError::NotEnoughData { .. } | StatsError::NoSpread) => return Ok(compared),
                Err(error) => return Err(error),
            };
            let effect = smallest_effect(fail_on, pair.noise_floor);
            compared.ratio = Some(comparison.ratio.estimate);
            compared.ratio_interval = Some([comparison.ratio.low, comparison.ratio.high]);
            compared.p_value = Some(comparison.rank_test.p_value);
            compared.detectable = Some(comparison.minimum_detectable_effect.max(pair.noise_floor));
            compared.n_missing = match missing_values(&baseline, &candidate, effect, config.design) {
                Ok(n_missing) => n_missing,
                // So much noise that measuring more is no remedy.
                Err(StatsError::OutOfRange { .. }) => MAX_N,
                Err(error) => return Err(error),
            };
            compared.warnings = comparison.candidate_warnings.iter().map(words).collect();
            compared.interval = Some(comparison.ratio);
        }
    }
    Ok(compared)
}

fn words(warning: &Warning) -> String {
    match warning {
        Warning::Autocorrelated { n_effective, .. } => {
            format!("the runs repeat each other and say no more than {n_effective:.0} independent ones")
        }
        Warning::Multimodal { .. } => {
            "the runs fall into more than one cluster, so no single number describes them".to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
