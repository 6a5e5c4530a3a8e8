//! Starts jobs while there are places for them.

use core::time::Duration;

use super::Pool;
use super::limits::PlannedRun;
use super::pick::{Pick, Place};
use super::state::{Call, JobState};
use crate::breaker::{Admission, Permit};
use crate::queue::LaneKey;
use crate::record::{CallKind, Event};
use crate::{Action, Backend, CallId, Component, ConnectionId, JobId, ModelId, Timestamp, Verdict};

/// A family that submitted within this time is kept a share of the slots for.
const FAMILY_ACTIVE: Duration = Duration::from_secs(10);
/// Share of failing calls that makes a family a danger to others.
const FAMILY_FAILING: f64 = 0.3;

impl Pool {
    /// Looks at every lane that is not blocked, in the order of the queue.
    pub(super) fn dispatch(&mut self, now: Timestamp) {
        while self.index.has_free()
            && let Some((key, job)) = self.queue.next()
        {
            if self.end_if_loaded(now, job) {
                continue;
            }
            if self.is_family_full(now, key.model) || !self.is_batch_due(now, &key, job) {
                self.queue.block(&key);
                continue;
            }
            match self.pick(now, &key, job) {
                Pick::Run(place) => self.run_head(now, &key, place),
                Pick::Load(place) => self.start_load(now, &key, place, true),
                Pick::Grow(place) => self.start_load(now, &key, place, false),
                Pick::Wait => self.queue.block(&key),
                Pick::Never(cause) => self.fail(now, job, cause, Verdict::NoCandidate),
            }
        }
    }

    /// Whether a family has its share while others are about.
    pub(super) fn is_family_full(&self, now: Timestamp, model: ModelId) -> bool {
        let own = self.models[model.0 as usize].family;
        let n_in_flight = self.families[own].n_in_flight;
        let others = self.families.iter().enumerate().filter(|&(other, _)| other != own);
        let mut recent = others.filter_map(|(_, family)| family.last_submitted);
        if n_in_flight == 0 || !recent.any(|at| now.since(at) < FAMILY_ACTIVE) {
            return false;
        }
        let is_failing = self.families[own].failing > FAMILY_FAILING;
        let ratio = if is_failing { self.config.failing_bulkhead_ratio } else { self.config.bulkhead_ratio };
        let share = (f64::from(self.n_slots) * ratio).round() as u32;
        n_in_flight >= share.max(1)
    }

    /// Whether a batch need not wait for more jobs.
    fn is_batch_due(&mut self, now: Timestamp, key: &LaneKey, head: JobId) -> bool {
        if !key.is_batch || self.config.batch_delay.is_zero() {
            return true;
        }
        let max_batch = self.models[key.model.0 as usize].spec.max_batch as usize;
        let Some(entry) = self.jobs.get(head.0) else { return true };
        let due = entry.submitted + self.config.batch_delay;
        if self.queue.lane_len(key) >= max_batch || due <= now {
            return true;
        }
        self.timers.insert(due, crate::timers::Timer::Lanes);
        false
    }

    /// Starts the lane's head where its model is loaded, with as many of its like as fit in one call.
    fn run_head(&mut self, now: Timestamp, key: &LaneKey, place: Place) {
        let Some(permit) = self.admit(now, place.connection, place.backend.component()) else {
            return self.queue.block(key);
        };
        let max_jobs = self.batch_len(key);
        let jobs: Vec<JobId> = (0..max_jobs).map_while(|_| self.queue.pop(key)).collect();
        let Some(call) = self.start_run(now, place.connection, place.backend, place.model, permit, jobs)
        else {
            return;
        };
        self.note_placed(now, call, place);
    }

    /// Loads the model; with `is_for_head` the lane's head runs there next, else whichever job is next by then.
    fn start_load(&mut self, now: Timestamp, key: &LaneKey, place: Place, is_for_head: bool) {
        let Place { connection, backend, model, .. } = place;
        if !self.is_loadable(model) {
            return self.queue.block(key);
        }
        let Some(permit) = self.admit(now, connection, Component::Loader) else {
            return self.queue.block(key);
        };
        let load_permit = self.admit_load(now, model);
        let jobs = Vec::from_iter(if is_for_head { self.queue.pop(key) } else { None });
        self.make_room(now, connection, model);
        self.models[model.0 as usize].regret.micros = 0;
        let attempt = jobs.first().map_or(0, |&job| self.set_in_flight(job));
        let timeout = self.config.load_timeout;
        let is_refetch = core::mem::take(&mut self.models[model.0 as usize].is_refetch);
        let queued = self.queued_for(now, &jobs);
        let patience = self.load_patience(model, backend);
        let load = Call::new(connection, Component::Loader, CallKind::Load, now, timeout.min(patience));
        let call = self.start_call(Call {
            backend: Some(backend),
            permit: Some(permit),
            load_permit,
            model: Some(model),
            shape: key.shape,
            jobs: jobs.clone(),
            attempt,
            queued,
            ..load
        });
        *self.loading.get_or_insert((model, backend), 0) += 1;
        self.occupy(now, connection, call);
        if let Some(entry) = jobs.first().and_then(|job| self.jobs.get_mut(job.0)) {
            entry.calls = [Some(call), None];
        }
        self.act(Action::Load { connection, call, model, backend, is_refetch, timeout });
        self.note_placed(now, call, place);
    }

    /// Starts jobs on a connection that holds the model.
    pub(super) fn start_run(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        backend: Backend,
        model: ModelId,
        permit: Permit,
        jobs: Vec<JobId>,
    ) -> Option<CallId> {
        let shape = self.jobs.get(jobs.first()?.0)?.job.shape;
        let mut attempt = 0;
        for &job in &jobs {
            attempt = attempt.max(self.set_in_flight(job));
        }
        let planned = PlannedRun { connection, backend, model, shape, n_jobs: jobs.len() };
        let timeout = self.run_timeout(&planned);
        let first_look = self.first_look(&planned, timeout);
        let run = Call::new(connection, backend.component(), CallKind::Run, now, first_look);
        let call = self.start_call(Call {
            permit: Some(permit),
            model: Some(model),
            shape,
            jobs: jobs.clone(),
            attempt,
            queued: self.queued_for(now, &jobs),
            ..run
        });
        for &job in &jobs {
            if let Some(entry) = self.jobs.get_mut(job.0) {
                let place = usize::from(entry.calls[0].is_some());
                entry.calls[place] = Some(call);
            }
        }
        self.occupy(now, connection, call);
        self.arm_hedge(now, call);
        self.act(Action::Run { connection, call, model, backend, shape, jobs, attempt, timeout });
        Some(call)
    }

    /// Leave from a component's breaker.
    pub(super) fn admit(&mut self, now: Timestamp, id: ConnectionId, component: Component) -> Option<Permit> {
        match self.connection_mut(id)?.breaker_mut(component).admit() {
            Admission::Allow(permit) => Some(permit),
            Admission::Probe(permit) => {
                self.on_transition(now, id, component, None);
                Some(permit)
            }
            Admission::Refuse { .. } => None,
        }
    }

    pub(super) fn occupy(&mut self, now: Timestamp, id: ConnectionId, call: CallId) {
        if let Some(connection) = self.connection_mut(id) {
            connection.calls.push(call);
            connection.last_used = now;
        }
        self.reindex(now, id);
    }

    /// Counts a job as started; gives the number of the try.
    fn set_in_flight(&mut self, job: JobId) -> u32 {
        let Some(entry) = self.jobs.get_mut(job.0) else { return 0 };
        if entry.state != JobState::InFlight {
            entry.state = JobState::InFlight;
            entry.n_attempts += 1;
            self.stats.n_attempts += 1;
            let is_retry = entry.n_attempts > 1;
            let is_free = is_retry && entry.retry.as_ref().is_some_and(|retry| retry.is_free);
            self.stats.n_retries += u64::from(is_retry);
            self.stats.n_free_retries += u64::from(is_free);
            let family = self.models[entry.job.model.0 as usize].family;
            self.families[family].n_in_flight += 1;
        }
        entry.n_attempts
    }

    /// Longest wait among jobs.
    fn queued_for(&self, now: Timestamp, jobs: &[JobId]) -> Duration {
        let entries = jobs.iter().filter_map(|job| self.jobs.get(job.0));
        entries.map(|entry| now.since(entry.submitted)).max().unwrap_or_default()
    }

    fn note_placed(&mut self, now: Timestamp, call: CallId, place: Place) {
        let cost_micros = place.cost_ln.clamp(0.0, 34.0).exp();
        self.placed_micros += cost_micros;
        if place.is_exploration {
            self.stats.n_explorations += 1;
            self.explored_micros += cost_micros;
        }
        self.record_placed(now, call, &place, false);
    }

    pub(super) fn record_placed(&mut self, now: Timestamp, call: CallId, place: &Place, is_hedge: bool) {
        let Some(call) = self.calls.get(call.0) else { return };
        let load = if call.kind == CallKind::Load {
            self.latencies.load(place.model, place.backend).median()
        } else {
            Duration::ZERO
        };
        let event = Event::Placed {
            n_jobs: call.jobs.len() as u32,
            model: place.model,
            connection: place.connection,
            backend: place.backend,
            expected: Duration::from_micros(place.cost_ln.clamp(0.0, 34.0).exp() as u64),
            load,
            is_exploration: place.is_exploration,
            is_probe: place.is_probe,
            is_hedge,
        };
        self.record(now, event);
    }
}

/// ⌈log₂⌉ of a batch size: batches of about one size share an estimate.
pub(super) fn log2(n_jobs: usize) -> u8 {
    n_jobs.max(1).next_power_of_two().trailing_zeros() as u8
}
