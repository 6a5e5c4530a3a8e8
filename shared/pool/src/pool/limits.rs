//! How long calls may take: from when on their end is not counted on, and when they are given up.

use core::time::Duration;

use super::Pool;
use super::dispatch::log2;
use super::state::Call;
use crate::latency::LatencyKey;
use crate::record::CallKind;
use crate::timers::Timer;
use crate::{Backend, CallId, ConnectionId, Estimate, ModelId, ShapeClass, Strategy, Timestamp};

/// Time between two looks at the limit of a run.
const TIMEOUT_REVIEW: Duration = Duration::from_secs(5);
/// Standard deviations above the mean of ln(latency) that a run may take before it is given up: p99.997.
const TIMEOUT_SCORE: f64 = 4.0;
/// And times that, for what a log-normal does not see: a garbage collection, a throttled tab.
const TIMEOUT_FACTOR: f64 = 3.0;
/// Runs that must have been seen before they bound the next ones.
const TIMEOUT_WEIGHT: f64 = 5.0;
/// ln of how many times longer the first run after a load may take: the worst that FACTS saw is 27.
const COLD_LN: f64 = 3.3;
/// ln of how many times more again where only other shapes or other browsers were seen.
const STAND_IN_LN: f64 = 1.6;
/// Standard deviations above the mean of ln(latency) from which a call is overdue: p99.9.
const OVERDUE_SCORE: f64 = 3.0;

/// A run that is about to start, or has.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlannedRun {
    pub(super) connection: ConnectionId,
    pub(super) backend: Backend,
    pub(super) model: ModelId,
    pub(super) shape: ShapeClass,
    pub(super) n_jobs: usize,
}

impl Pool {
    /// When a run that starts now, and may take `timeout`, is looked at first.
    pub(super) fn first_look(&self, run: &PlannedRun, timeout: Duration) -> Duration {
        timeout.min(self.run_patience(run)).min(TIMEOUT_REVIEW)
    }

    /// How long a run is waited for by jobs that could be run elsewhere. Never shorter than a load: that is what another
    /// place would cost.
    fn run_patience(&self, run: &PlannedRun) -> Duration {
        let slower = self.latencies.member_offset(run.connection, run.backend).max(0.0).exp();
        let expected = self.latencies.run(self.key_of(run)).quantile(OVERDUE_SCORE).mul_f64(slower);
        expected.max(self.latencies.load(run.model, run.backend).median())
    }

    fn key_of(&self, run: &PlannedRun) -> LatencyKey {
        LatencyKey {
            model: run.model,
            backend: run.backend,
            group: self.connection(run.connection).map(|connection| connection.group),
            shape: Some((run.shape, log2(run.n_jobs))),
        }
    }

    /// How long a load is waited for by jobs that could be run elsewhere.
    pub(super) fn load_patience(&self, model: ModelId, backend: Backend) -> Duration {
        self.latencies.load(model, backend).quantile(OVERDUE_SCORE)
    }

    /// Looks at a load or run again: whether it is overdue, and whether it may go on, since more may be known by now than
    /// when it started.
    pub(super) fn may_go_on(&mut self, now: Timestamp, call_id: CallId) -> bool {
        let Some(call) = self.calls.get(call_id.0) else { return false };
        let (Some(model), Some(backend)) = (call.model, call.backend) else { return false };
        let (timeout, patience) = if call.kind == CallKind::Load {
            (self.config.load_timeout, self.load_patience(model, backend))
        } else {
            let (connection, shape, n_jobs) = (call.connection, call.shape, call.jobs.len());
            let run = PlannedRun { connection, backend, model, shape, n_jobs };
            (self.run_timeout(&run), self.run_patience(&run))
        };
        let counted_on_until = call.started + patience;
        let mut due = (call.started + timeout).min(now + TIMEOUT_REVIEW);
        if counted_on_until <= now {
            self.mark_overdue(now, call_id);
        } else {
            due = due.min(counted_on_until);
        }
        if due <= now {
            return false;
        }
        if let Some(call) = self.calls.get_mut(call_id.0) {
            call.timeout_at = due;
        }
        self.timers.insert(due, Timer::Call(call_id));
        true
    }

    /// Jobs no longer wait for a call's end where another place would do.
    pub(super) fn mark_overdue(&mut self, now: Timestamp, call_id: CallId) {
        let Some(call) = self.calls.get_mut(call_id.0).filter(|call| !call.is_overdue) else { return };
        call.is_overdue = true;
        let call = call.clone();
        self.note_not_loading(&call);
        self.reindex(now, call.connection);
    }

    /// A load is over, or no longer counted on.
    pub(super) fn note_not_loading(&mut self, call: &Call) {
        if let (CallKind::Load, Some(model), Some(backend)) = (call.kind, call.model, call.backend)
            && let Some(n_loading) = self.loading.get_mut(&(model, backend))
        {
            *n_loading -= 1;
            if *n_loading == 0 {
                self.loading.remove(&(model, backend));
            }
        }
    }

    /// How long a run may take: what was measured with a wide margin, within the configured limits.
    pub(super) fn run_timeout(&self, run: &PlannedRun) -> Duration {
        let &PlannedRun { connection, backend, model, n_jobs, .. } = run;
        let limit = if n_jobs > 1 { self.config.batch_timeout } else { self.config.run_timeout };
        let key = self.key_of(run);
        let resident = self.connection(connection).and_then(|c| c.residents.get(&(model, backend)));
        let cold_ln = if resident.is_some_and(|resident| resident.is_warm) { 0.0 } else { COLD_LN };
        let offset_ln = self.latencies.member_offset(connection, backend).max(0.0) + cold_ln;
        let estimate = self.latencies.run(key);
        if estimate.weight >= TIMEOUT_WEIGHT {
            return self.bounded(estimate, offset_ln, limit);
        }
        let size_ln = (n_jobs as f64).ln();
        self.bounded(self.latencies.stand_in(key), offset_ln + size_ln + STAND_IN_LN, limit)
    }

    /// How long opening a connection may take, by how long it took before.
    pub(super) fn open_timeout(&self, id: ConnectionId, strategy: Option<Strategy>) -> Duration {
        let limit = self.config.open_timeout;
        let browser = self.connection(id).map(|c| self.groups[usize::from(c.group.0)].browser_id);
        let known = browser.and_then(|browser| self.latencies.open(browser, strategy));
        known.map_or(limit, |estimate| self.bounded(estimate, 0.0, limit))
    }

    pub(super) fn note_open(&mut self, now: Timestamp, id: ConnectionId, latency: Duration) {
        let Some(connection) = self.connection(id) else { return };
        let strategy = connection.repair.map(|trial| trial.strategy);
        let browser = self.groups[usize::from(connection.group.0)].browser_id;
        self.latencies.observe_open(now, browser, strategy, latency);
    }

    fn bounded(&self, estimate: Estimate, offset_ln: f64, limit: Duration) -> Duration {
        if estimate.weight < TIMEOUT_WEIGHT {
            return limit;
        }
        let expected =
            estimate.quantile(TIMEOUT_SCORE).as_secs_f64() * offset_ln.max(0.0).exp() * TIMEOUT_FACTOR;
        Duration::from_secs_f64(expected.min(limit.as_secs_f64())).max(self.config.minimum_timeout.min(limit))
    }
}
