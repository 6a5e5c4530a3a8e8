//! Change points: since when is it slower, by how much, and how sure is that?
//!
//! Values arrive one at a time and the detector keeps the current *regime*, the values since the last change. Each new
//! value asks for the split of the regime into two levels that fits best in least squares (the likelihood-ratio scan of
//! Siegmund & Venkatraman 1995, on logarithms, with outliers pulled in by a Hampel filter). A split counts as evidence
//! when all of this holds:
//!
//! - its size is [`DetectorConfig::threshold`] standard errors or more. The standard error allows for autocorrelation
//!   and slow wander, and is scaled so that few values need a larger step;
//! - the step is at least [`DetectorConfig::min_effect`], and one standard deviation of the noise;
//! - all three quartiles move by most of the step: a burst of slow outliers does not move the lower one;
//! - two levels fit better than a straight line, so a drift is left to [`drift`](mod@crate::drift);
//! - there are three values after it, and up to four of them must all lie beyond the middle of the step.
//!
//! **Confirmation.** Evidence for a step of [`CLEAR_DEVIATIONS`] is reported at once; smaller steps when four values in
//! a row give evidence for the same split, or more if they repeat each other: four independent values' worth. A reported
//! change is never withdrawn and its index never moves, so replaying a series gives exactly the reports that were made
//! live; only its ratio is refined as its regime grows.
//!
//! All arithmetic is exactly rounded or comes from `libm`: the same input gives the same bits on every platform.

mod evidence;
mod regime;

use crate::interval::Interval;
use crate::sample::{StatsError, is_usable};
use evidence::{Evidence, Step};
use regime::{Regime, Side};

/// Fewest values before a change.
pub const MIN_BEFORE: usize = 12;

/// Fewest values between a change and a clear one after it.
pub const MIN_BETWEEN: usize = 5;

/// Fewest values from a change on.
pub const MIN_AFTER: usize = 3;

/// A step of this many standard deviations is reported without further confirmation.
pub const CLEAR_DEVIATIONS: f64 = 4.75;

/// Independent values in a row that must give evidence before a step that is not clear is reported.
const CONFIRMATIONS: f64 = 4.0;

/// How far the best split may move while it is being confirmed.
const CONFIRMATION_SLACK: usize = 2;

/// Values a regime remembers at least; twice as many at most. Older ones stop mattering and would cost time.
const MAX_REGIME: usize = 1_024;

/// How much it takes to report a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectorConfig {
    /// Evidence needed, in standard errors. With the default, less than 1 % of series of 240 values without a change give
    /// a report, for each kind of noise in `docs/statistics.md`.
    pub threshold: f64,
    /// Smallest step worth reporting, as a difference of logarithms (0.015 is 1.5 %).
    pub min_effect: f64,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self { threshold: 4.8, min_effect: 0.015 }
    }
}

/// A change that was reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Index of the first value of the new regime.
    pub index: usize,
    /// Earliest index in the 95 % confidence set of the location: Hansen, "Sample splitting and threshold estimation"
    /// (2000).
    pub earliest: usize,
    /// Latest index in the confidence set.
    pub latest: usize,
    /// Index of the value whose arrival confirmed the change.
    pub confirmed_at: usize,
    /// Level of the new regime divided by the level of the old one, with its 95 % interval.
    pub ratio: Interval,
    /// Evidence at confirmation, in standard errors.
    pub deviations: f64,
    /// Probability that noise gives this much evidence anywhere in the values seen until then.
    pub p_value: f64,
}

/// Finds changes in a series of positive values as they arrive.
#[derive(Clone, Debug)]
pub struct Detector {
    config: DetectorConfig,
    regime: Regime,
    /// Index of the regime's first value.
    start: usize,
    n_seen: usize,
    candidate: Option<Candidate>,
    /// The regime before the last change.
    before: Option<Side>,
    changes: Vec<Change>,
}

/// A split that waits for confirmation.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    index: usize,
    n_confirmations: usize,
}

/// Feeds a whole series to a new detector and returns all reports.
///
/// # Errors
/// [`StatsError::NotFinite`] or [`StatsError::NotPositive`] name the first value that is no measurement.
pub fn detect(values: &[f64], config: DetectorConfig) -> Result<Vec<Change>, StatsError> {
    let mut detector = Detector::new(config);
    for &value in values {
        detector.append(value)?;
    }
    Ok(detector.changes())
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(config: DetectorConfig) -> Self {
        Self {
            config,
            regime: Regime::default(),
            start: 0,
            n_seen: 0,
            candidate: None,
            before: None,
            changes: Vec::new(),
        }
    }

    /// Takes the next value and returns the change that it confirms, if any.
    ///
    /// # Errors
    /// [`StatsError::NotFinite`] or [`StatsError::NotPositive`]; the value is not taken.
    pub fn append(&mut self, value: f64) -> Result<Option<Change>, StatsError> {
        if !is_usable(value) {
            return Err(StatsError::NotFinite { index: self.n_seen });
        }
        if value <= 0.0 {
            return Err(StatsError::NotPositive { index: self.n_seen });
        }
        self.regime.push(libm::log(value));
        self.n_seen += 1;
        let evidence = self.evidence();
        let confirmed = self.confirm(evidence);
        if self.regime.len() >= 2 * MAX_REGIME {
            self.regime = self.regime.since(MAX_REGIME);
            self.start += MAX_REGIME;
        }
        Ok(confirmed)
    }

    /// All changes reported so far, oldest first; the last one is measured with everything seen since.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = self.changes.clone();
        if !changes.is_empty() {
            measure_last(&mut changes, self.before, self.regime.side(0..self.regime.len()));
        }
        changes
    }

    /// Number of values taken.
    pub fn n_seen(&self) -> usize {
        self.n_seen
    }

    /// Index of the first value of the current regime, as far as it is remembered.
    pub fn regime_start(&self) -> usize {
        self.start
    }

    fn min_before(&self) -> usize {
        if self.changes.is_empty() { MIN_BEFORE } else { MIN_BETWEEN }
    }

    /// The evidence for a change, if there is enough. A coarse scan decides whether a full one is worth its time.
    fn evidence(&self) -> Option<Evidence> {
        let min_before = self.min_before();
        if !self.regime.may_split(min_before, self.config.threshold) {
            return None;
        }
        let evidence = Evidence::of(&self.regime, self.regime.best_split(min_before)?);
        evidence.is_enough(&self.regime, self.config).then_some(evidence)
    }

    /// Counts confirmations, and reports the change when there are enough.
    fn confirm(&mut self, evidence: Option<Evidence>) -> Option<Change> {
        let Some(evidence) = evidence else {
            self.candidate = None;
            return None;
        };
        let index = self.start + evidence.split;
        let n_before = self.candidate.map_or(0, |candidate| {
            let is_same = candidate.index.abs_diff(index) <= CONFIRMATION_SLACK;
            if is_same { candidate.n_confirmations } else { 0 }
        });
        self.candidate = Some(Candidate { index, n_confirmations: n_before + 1 });
        let n_needed = CONFIRMATIONS * evidence.step.redundancy;
        let is_confirmed = (n_before + 1) as f64 >= n_needed && evidence.split >= MIN_BEFORE;
        if !is_confirmed && !evidence.step.is_clear() {
            return None;
        }
        let (earliest, latest) = self.regime.location_set(evidence.split, evidence.step.long_run_variance);
        let change = Change {
            index,
            earliest: self.start + earliest,
            latest: self.start + latest,
            confirmed_at: self.n_seen - 1,
            ratio: evidence.step.ratio(),
            deviations: evidence.step.deviations(),
            p_value: evidence.p_value(self.n_seen),
        };
        let old_regime = self.regime.side(0..evidence.split);
        measure_last(&mut self.changes, self.before, old_regime);
        self.changes.push(change);
        self.before = Some(old_regime);
        self.regime = self.regime.since(evidence.split);
        self.start = index;
        self.candidate = None;
        Some(change)
    }
}

/// Measures the last change again, with all of the regime that followed it.
fn measure_last(changes: &mut [Change], before: Option<Side>, after: Side) {
    if let (Some(before), Some(last)) = (before, changes.last_mut()) {
        last.ratio = Step::between(before, after).ratio();
    }
}

#[cfg(test)]
mod tests;
