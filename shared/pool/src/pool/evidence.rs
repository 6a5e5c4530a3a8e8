//! What the pool has learnt, to be kept for its next life, and what is known from elsewhere, to start with.

use core::time::Duration;

use super::Pool;
use crate::latency::{LatencyKey, fading};
use crate::{
    Backend, BreakerState, Component, Connection, ConnectionId, Estimate, FaultCategory, ModelId,
    RoutingConfig, ShapeClass, Strategy, StrategyRecord, Timestamp,
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

/// Where a breaker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerEvidence {
    /// Whose. Ids are given in the order in which connections are added, so they mean the same after a reload.
    pub connection: ConnectionId,
    /// Its browser, to recognise another one under the same id.
    pub browser: String,
    /// Of what.
    pub component: Component,
    /// Openings since it last held closed for a while.
    pub n_openings: u32,
    /// Time until it half-opens, zero when it has; `None` when it is closed.
    pub open_for: Option<Duration>,
}

impl Pool {
    /// Every breaker that opened lately or waits for its probes: with it a pool that is made again after a reload does not storm what is broken.
    #[must_use]
    pub fn breakers(&self, now: Timestamp) -> Vec<BreakerEvidence> {
        let of = |connection: &Connection, component: Component| {
            let breaker = connection.breaker(component);
            let is_probing = breaker.state() == BreakerState::HalfOpen;
            // A breaker that confirms streaks half-opens before it has ever opened.
            (breaker.n_openings() > 0 || is_probing).then(|| BreakerEvidence {
                connection: connection.id(),
                browser: connection.spec().browser.clone(),
                component,
                n_openings: breaker.n_openings(),
                open_for: if is_probing { Some(Duration::ZERO) } else { breaker.open_for(now) },
            })
        };
        self.connections()
            .flat_map(|connection| {
                Component::ALL.iter().filter_map(move |&component| of(connection, component))
            })
            .collect()
    }

    /// Continues where a breaker stood. Call it after adding the connection. A link is not kept from being opened: that is
    /// how it is tried.
    pub fn seed_breaker(&mut self, now: Timestamp, evidence: &BreakerEvidence) {
        let id = evidence.connection;
        let Some(connection) = self.connection_mut(id).filter(|c| c.spec().browser == evidence.browser)
        else {
            return;
        };
        let open_for = evidence.open_for.filter(|_| evidence.component != Component::Transport);
        connection.breaker_mut(evidence.component).restore(now, evidence.n_openings, open_for);
        self.on_transition(now, id, evidence.component, None);
        self.reindex(now, id);
    }

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
}

impl Estimate {
    /// An estimate from elsewhere: `median` of `n_calls`, of which about two in three lay within a factor of
    /// e^`deviation_ln` of it.
    #[must_use]
    pub fn of(median: Duration, deviation_ln: f64, n_calls: f64) -> Self {
        Self { weight: n_calls, variance_ln: deviation_ln * deviation_ln, ..Self::prior(median) }
    }

    /// What is left of an estimate when `age` has passed since its last update, such as while no page was open.
    #[must_use]
    pub fn faded(self, age: Duration, config: &RoutingConfig) -> Self {
        Self { weight: self.weight * fading(age, config), ..self }
    }
}
