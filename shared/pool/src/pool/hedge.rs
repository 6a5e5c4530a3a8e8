//! Second calls for jobs whose first takes unusually long.

use super::Pool;
use super::estimate::Task;
use super::pick::Place;
use super::state::JobState;
use crate::latency::LatencyKey;
use crate::record::CallKind;
use crate::timers::Timer;
use crate::{CallId, GroupId, Timestamp};

/// Runs that must have been seen before a long one can be told.
const MIN_WEIGHT: f64 = 5.0;

impl Pool {
    /// Arms the second call of a run of one job that never failed.
    pub(super) fn arm_hedge(&mut self, now: Timestamp, call_id: CallId) {
        if !self.config.hedging.is_enabled {
            return;
        }
        let Some(call) = self.calls.get(call_id.0) else { return };
        let [job] = call.jobs[..] else { return };
        let is_first =
            self.jobs.get(job.0).is_some_and(|entry| entry.retry.is_none() && entry.job.pinned.is_none());
        let (Some(model), Some(backend)) = (call.model, call.backend) else { return };
        let group = self.connection(call.connection).map(|connection| connection.group);
        let estimate = self.latencies.run(LatencyKey { model, backend, group, shape: Some((call.shape, 0)) });
        if is_first && estimate.weight >= MIN_WEIGHT {
            let after = estimate.quantile(self.config.hedging.after_score);
            self.timers.insert(now + after, Timer::Hedge(call_id));
        }
    }

    /// The first call takes unusually long: starts a second where the model is loaded and a slot is free.
    pub(super) fn on_hedge_due(&mut self, now: Timestamp, call_id: CallId) {
        let budget = self.config.hedging.budget_ratio * self.stats.n_attempts as f64;
        let Some(call) = self.calls.get(call_id.0) else { return };
        let [job] = call.jobs[..] else { return };
        if call.is_aborting || call.kind != CallKind::Run || self.stats.n_hedges as f64 >= budget {
            return;
        }
        let Some(entry) = self.jobs.get(job.0) else { return };
        let (Some(model), JobState::InFlight, [Some(_), None]) = (call.model, entry.state, entry.calls)
        else {
            return;
        };
        let slow = call.connection;
        let task = Task::new(model, call.shape, 1);
        let backends = entry.job.backends.and(self.models[model.0 as usize].spec.backends);
        let groups = (0..self.groups.len() as u16).map(GroupId);
        let places = groups.flat_map(|group| backends.iter().map(move |backend| (group, backend)));
        let free = places.filter_map(|(group, backend)| {
            let entry = self.index.best(Some(model), backend, group, |connection| connection != slow)?;
            Some((entry.connection, backend, self.cost_ln(task, entry.connection, backend)))
        });
        let Some((connection, backend, cost_ln)) = free.min_by(|a, b| a.2.total_cmp(&b.2)) else { return };
        let Some(permit) = self.admit(now, connection, backend.component()) else { return };
        if let Some(call) = self.start_run(now, connection, backend, model, permit, vec![job]) {
            self.stats.n_hedges += 1;
            let place = Place { connection, backend, model, cost_ln, is_exploration: false, is_probe: false };
            self.record_placed(now, call, &place, true);
        }
    }
}
