//! What can be done about a fault, in the order in which it is worth trying.

use core::time::Duration;

use crate::named::named_enum;
use crate::rng::Rng;
use crate::sorted_map::SortedMap;
use crate::{Component, ConnectionKind, FaultCategory, Timestamp};

named_enum! {
    /// One way to recover. The first six change the retried call, the others repair the connection.
    pub enum Strategy {
        /// The same call again, after a back-off.
        RetryInPlace = "retry_in_place",
        /// The same call on another connection.
        RetryElsewhere = "retry_elsewhere",
        /// Another backend.
        OtherBackend = "other_backend",
        /// A connection in another browser.
        OtherBrowser = "other_browser",
        /// The variant of the model with smaller weights.
        LowerPrecision = "lower_precision",
        /// Alone instead of in a batch.
        SmallerBatch = "smaller_batch",
        /// Load the model again.
        ReloadModel = "reload_model",
        /// A new GPU device or WebNN context.
        RecreateDevice = "recreate_device",
        /// A new worker.
        RespawnWorker = "respawn_worker",
        /// A new iframe.
        RespawnIframe = "respawn_iframe",
        /// A new browser.
        RestartBrowser = "restart_browser",
    }
}

/// Strategies for the job that met a fault, best first: parity's ladders, which are priors until there is data.
#[must_use]
pub fn job_ladder(category: FaultCategory) -> &'static [Strategy] {
    use Strategy::{LowerPrecision, OtherBackend, OtherBrowser, RetryElsewhere, RetryInPlace, SmallerBatch};
    match category {
        FaultCategory::ConnectionLost | FaultCategory::WorkerCrash => {
            &[RetryElsewhere, OtherBrowser, RetryInPlace]
        }
        FaultCategory::DeviceLost => &[RetryElsewhere, OtherBackend, OtherBrowser, RetryInPlace],
        FaultCategory::OutOfMemory => {
            &[SmallerBatch, LowerPrecision, OtherBrowser, OtherBackend, RetryElsewhere, RetryInPlace]
        }
        FaultCategory::Timeout => &[RetryElsewhere, OtherBrowser, OtherBackend, RetryInPlace],
        FaultCategory::UnsupportedOperator => &[OtherBackend, OtherBrowser],
        FaultCategory::Numeric => &[OtherBackend, RetryElsewhere, OtherBrowser],
        FaultCategory::ModelLoad | FaultCategory::Integrity => &[RetryElsewhere, RetryInPlace, OtherBrowser],
        FaultCategory::Overload => &[RetryElsewhere, RetryInPlace],
        FaultCategory::Internal => &[RetryElsewhere, OtherBackend, OtherBrowser, RetryInPlace],
        FaultCategory::Validation | FaultCategory::Cancelled => &[],
    }
}

/// Strategies for the connection that met a fault, best first; empty when it needs none.
#[must_use]
pub fn repair_ladder(category: FaultCategory, kind: ConnectionKind) -> &'static [Strategy] {
    use Strategy::{RecreateDevice, ReloadModel, RespawnIframe, RespawnWorker, RestartBrowser};
    match (category, kind) {
        (
            FaultCategory::ConnectionLost | FaultCategory::WorkerCrash | FaultCategory::Timeout,
            ConnectionKind::Worker,
        ) => &[RespawnWorker],
        (
            FaultCategory::ConnectionLost | FaultCategory::WorkerCrash | FaultCategory::Timeout,
            ConnectionKind::Iframe,
        ) => &[RespawnWorker, RespawnIframe],
        (FaultCategory::ConnectionLost, ConnectionKind::Browser) => &[RestartBrowser],
        (FaultCategory::WorkerCrash | FaultCategory::Timeout, ConnectionKind::Browser) => {
            &[RespawnWorker, RestartBrowser]
        }
        (FaultCategory::DeviceLost, ConnectionKind::Worker) => &[RecreateDevice, RespawnWorker],
        (FaultCategory::DeviceLost, ConnectionKind::Iframe) => {
            &[RecreateDevice, RespawnWorker, RespawnIframe]
        }
        (FaultCategory::DeviceLost, ConnectionKind::Browser) => {
            &[RecreateDevice, RespawnWorker, RestartBrowser]
        }
        // Damaged bytes are not the worker's; wrong numbers may come from its memory.
        (FaultCategory::Integrity | FaultCategory::ModelLoad, _) => &[ReloadModel],
        (FaultCategory::Numeric, _) => &[ReloadModel, RespawnWorker],
        (
            FaultCategory::OutOfMemory
            | FaultCategory::UnsupportedOperator
            | FaultCategory::Validation
            | FaultCategory::Overload
            | FaultCategory::Cancelled
            | FaultCategory::Internal,
            _,
        ) => &[],
    }
}

/// One use of a strategy, from the fault on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trial {
    pub(crate) category: FaultCategory,
    pub(crate) component: Component,
    pub(crate) strategy: Strategy,
    pub(crate) since: Timestamp,
    /// Slot time that it has taken from other jobs so far.
    pub(crate) slot_time: Duration,
}

impl Trial {
    pub(crate) const fn new(
        now: Timestamp,
        category: FaultCategory,
        component: Component,
        strategy: Strategy,
    ) -> Self {
        Self { category, component, strategy, since: now, slot_time: Duration::ZERO }
    }

    /// What it cost others, 0–1: slot time by [`SLOWEST_SECONDS`].
    pub(crate) fn impact(&self) -> f64 {
        (self.slot_time.as_secs_f64() / SLOWEST_SECONDS).min(1.0)
    }
}

/// What is known of one strategy against one kind of fault: means over its uses, older ones counted less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrategyRecord {
    /// Uses that helped, older ones counted less.
    pub n_helped: f64,
    /// Uses that did not, older ones counted less.
    pub n_failed: f64,
    /// Mean time from the fault to the recovery, seconds.
    pub mean_seconds: f64,
    /// What a use cost others, 0–1: slot time of the retry and its loads, or of the calls that a repair ended and of the
    /// slots that it kept from work, 30 s counting as 1; and 1 for a result of another model than the job asked for.
    pub impact: f64,
    /// Share of recoveries that held: no fault of the same component for a minute.
    pub stability: f64,
}

/// The measured success of every strategy against every kind of fault.
#[derive(Debug, Default)]
pub(crate) struct Playbook(SortedMap<(FaultCategory, Component, Strategy), StrategyRecord>);

/// Weight of the prior, in uses.
const PRIOR_USES: f64 = 4.0;
/// Prior chance that the first strategy of a ladder helps, and the factor from each to the next.
const PRIOR_SUCCESS: f64 = 0.8;
const PRIOR_STEP: f64 = 0.75;
/// Uses after which older ones start to be forgotten.
const MEMORY_USES: f64 = 50.0;
/// A recovery that takes this long has speed 0: parity's launch limit.
const SLOWEST_SECONDS: f64 = 30.0;
/// A fault within this time shows that the last recovery did not hold.
pub(crate) const STABLE_AFTER: Duration = Duration::from_secs(60);

impl Playbook {
    /// The most promising of the feasible strategies.
    ///
    /// Score after parity: 0.4·success + 0.15·speed + 0.15·(1 − impact) + 0.15·stability + 0.15·jobs recovered. Each term is
    /// the mean over the strategy's uses of a number from 0 to 1 that was measured, with a prior that weighs a few uses; a
    /// strategy recovers its job or what waits for its repair, so that jobs recovered is success once more. A number from 0
    /// to 1 varies no more than a coin, so a mean m of n uses has a standard error of at most √(m(1 − m)/(n + 1)). The score
    /// is drawn from a normal distribution with these errors, so that a strategy with few uses is tried as often as it could
    /// be the best: Thompson sampling.
    pub(crate) fn choose(
        &self,
        rng: &mut Rng,
        category: FaultCategory,
        component: Component,
        ladder: impl Iterator<Item = Strategy>,
    ) -> Option<Strategy> {
        let scored = ladder.enumerate().map(|(rung, strategy)| {
            let known = self.0.get(&(category, component, strategy));
            let prior = PRIOR_SUCCESS * PRIOR_STEP.powi(rung as i32);
            let (n_helped, n_failed) = known.map_or((0.0, 0.0), |known| (known.n_helped, known.n_failed));
            let n_uses = n_helped + n_failed + PRIOR_USES;
            let success = (n_helped + prior * PRIOR_USES) / n_uses;
            let seconds = known.map_or(strategy.prior_seconds(), |known| known.mean_seconds);
            let speed = 1.0 - (seconds / SLOWEST_SECONDS).min(1.0);
            let harmless = 1.0 - known.map_or(strategy.prior_impact(), |known| known.impact);
            // What never helped shows no stability either.
            let stability = known.map_or(success, |known| {
                (known.stability * n_helped + success * PRIOR_USES) / (n_helped + PRIOR_USES)
            });
            // Weight, mean and uses of each term; success counts as jobs recovered as well.
            let terms = [
                (0.55, success, n_uses),
                (0.15, speed, n_helped + PRIOR_USES),
                (0.15, harmless, n_uses),
                (0.15, stability, n_helped + PRIOR_USES),
            ];
            let score: f64 = terms.iter().map(|(weight, mean, _)| weight * mean).sum();
            let variance: f64 =
                terms.iter().map(|(weight, mean, n)| weight * weight * mean * (1.0 - mean) / (n + 1.0)).sum();
            // With nothing measured at all, the ladder decides.
            let is_informed = n_helped + n_failed > 0.0;
            (strategy, if is_informed { score + variance.sqrt() * rng.normal() } else { score })
        });
        scored.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(strategy, _)| strategy)
    }

    /// What a use of a strategy came to, and what it cost others, 0–1.
    pub(crate) fn observe(&mut self, trial: Trial, is_success: bool, took: Duration, impact: f64) {
        let key = (trial.category, trial.component, trial.strategy);
        let fresh = StrategyRecord {
            n_helped: 0.0,
            n_failed: 0.0,
            mean_seconds: trial.strategy.prior_seconds(),
            impact: trial.strategy.prior_impact(),
            stability: 1.0,
        };
        let record = self.0.get_or_insert(key, fresh);
        let n_uses = record.n_helped + record.n_failed;
        let kept = (MEMORY_USES - 1.0).min(n_uses) / n_uses.max(1.0);
        record.n_helped *= kept;
        record.n_failed *= kept;
        record.impact += (impact - record.impact) / (n_uses * kept + 1.0).max(2.0);
        if is_success {
            record.n_helped += 1.0;
            record.mean_seconds += (took.as_secs_f64() - record.mean_seconds) / record.n_helped.max(2.0);
            record.stability += (1.0 - record.stability) / record.n_helped.max(4.0);
        } else {
            record.n_failed += 1.0;
        }
    }

    /// The component failed again soon after this recovery.
    pub(crate) fn observe_relapse(&mut self, trial: Trial) {
        if let Some(record) = self.0.get_mut(&(trial.category, trial.component, trial.strategy)) {
            record.stability -= record.stability / record.n_helped.max(4.0);
        }
    }

    pub(crate) fn records(
        &self,
    ) -> impl Iterator<Item = (&(FaultCategory, Component, Strategy), &StrategyRecord)> {
        self.0.iter()
    }

    /// Entries by collection.
    pub(crate) fn footprint(&self) -> [(&'static str, usize); 1] {
        [("strategies", self.0.len())]
    }

    pub(crate) fn seed(&mut self, key: (FaultCategory, Component, Strategy), record: StrategyRecord) {
        self.0.get_or_insert(key, record);
    }
}

impl Strategy {
    /// What a use is taken to cost others until it is measured, as [`StrategyRecord::impact`]: 0 nothing, 1 everything in a
    /// browser.
    #[must_use]
    pub const fn prior_impact(self) -> f64 {
        match self {
            Self::RetryInPlace | Self::RetryElsewhere => 0.0,
            Self::OtherBackend | Self::OtherBrowser | Self::SmallerBatch => 0.1,
            Self::LowerPrecision => 0.3,
            Self::ReloadModel => 0.2,
            Self::RecreateDevice => 0.4,
            Self::RespawnWorker => 0.5,
            Self::RespawnIframe => 0.7,
            Self::RestartBrowser => 1.0,
        }
    }

    /// Seconds that the strategy is taken to need until it is measured.
    const fn prior_seconds(self) -> f64 {
        match self {
            Self::RetryInPlace
            | Self::RetryElsewhere
            | Self::OtherBackend
            | Self::OtherBrowser
            | Self::SmallerBatch => 0.2,
            Self::LowerPrecision | Self::ReloadModel | Self::RecreateDevice => 2.0,
            Self::RespawnWorker => 1.0,
            Self::RespawnIframe => 2.0,
            Self::RestartBrowser => 8.0,
        }
    }
}

#[cfg(test)]
mod tests;
