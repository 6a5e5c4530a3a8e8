//! What the pool has learnt, to be kept for its next life, and what is known from elsewhere, to start with.

use core::time::Duration;

use super::Pool;
use crate::latency::LatencyKey;
use crate::{
    Backend, Component, Estimate, FaultCategory, ModelId, ShapeClass, Strategy, StrategyRecord, Timestamp,
};

/// How long a model takes somewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyEvidence {
    /// The model.
    pub model: ModelId,
    /// The backend.
    pub backend: Backend,
    /// Browser and adapter; `None`: over all.
    pub place: Option<(String, String)>,
    /// Class of the inputs' shapes and ⌈log₂⌉ of the batch size; `None`: over all.
    pub shape: Option<(ShapeClass, u8)>,
    /// How long.
    pub estimate: Estimate,
}

/// How well a strategy does against a kind of fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrategyEvidence {
    /// The fault.
    pub category: FaultCategory,
    /// Of what.
    pub component: Component,
    /// The strategy.
    pub strategy: Strategy,
    /// How well.
    pub record: StrategyRecord,
}

impl Pool {
    /// Every latency that was measured or seeded.
    pub fn latencies(&self) -> impl Iterator<Item = LatencyEvidence> {
        self.latencies.runs().map(|(key, &estimate)| LatencyEvidence {
            model: key.model,
            backend: key.backend,
            place: key
                .group
                .and_then(|group| self.groups.get(usize::from(group.0)))
                .map(|group| (group.browser.clone(), group.adapter.clone())),
            shape: key.shape,
            estimate,
        })
    }

    /// Puts in a latency from elsewhere, such as the agent's history, unless it was measured here already. A `weight` of
    /// few calls leaves the decision to what this pool measures itself.
    pub fn seed_latency(&mut self, now: Timestamp, evidence: &LatencyEvidence) {
        let group = evidence.place.as_ref().map(|(browser, adapter)| self.group(browser, adapter));
        let key =
            LatencyKey { model: evidence.model, backend: evidence.backend, group, shape: evidence.shape };
        self.latencies.seed(key, Estimate { updated_at: now, ..evidence.estimate });
    }

    /// Every strategy that was used or seeded.
    pub fn strategies(&self) -> impl Iterator<Item = StrategyEvidence> {
        self.playbook.records().map(|(&(category, component, strategy), &record)| StrategyEvidence {
            category,
            component,
            strategy,
            record,
        })
    }

    /// Puts in how a strategy did elsewhere, unless it was used here already.
    pub fn seed_strategy(&mut self, evidence: StrategyEvidence) {
        let StrategyEvidence { category, component, strategy, record } = evidence;
        self.playbook.seed((category, component, strategy), record);
    }

    /// Retries that may be made at once.
    #[must_use]
    pub fn n_retry_tokens(&self) -> u32 {
        self.budget.tokens() as u32
    }
}

impl Estimate {
    /// An estimate from elsewhere: `median` of `n_calls`, of which about two in three lay within a factor of
    /// e^`deviation_ln` of it.
    #[must_use]
    pub fn of(median: Duration, deviation_ln: f64, n_calls: f64) -> Self {
        Self { weight: n_calls, variance_ln: deviation_ln * deviation_ln, ..Self::prior(median) }
    }
}
