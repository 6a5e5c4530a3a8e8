//! Answers to calls: what each says about its component, its connection and its jobs.

use super::Pool;
use super::dispatch::log2;
use super::state::Call;
use crate::breaker::Permit;
use crate::connection::{ConnectionState, Resident};
use crate::fault::Blame;
use crate::latency::LatencyKey;
use crate::record::{CallKind, Called, Event, UnloadReason};
use crate::timers::Timer;
use crate::{
    Action, Backend, CallId, Component, ConnectionId, FaultCategory, JobEnd, JobId, Measured, Timestamp,
};

/// A call is slow when it takes this many times what is expected, if that is above the breaker's limit: a model that is
/// known to take long is not slow for that.
const SLOW_FACTOR: f64 = 3.0;

impl Pool {
    /// A `Load`, `Run`, `Probe`, `Ping` or `RecreateDevice` succeeded. An answer to a call that the pool has given up is
    /// taken as a sign of life and nothing else.
    pub fn on_finished(&mut self, now: Timestamp, call_id: CallId, measured: Measured) {
        if self.calls.get(call_id.0).is_none_or(|call| call.kind == CallKind::Open) {
            return;
        }
        let Some(call) = self.end_call(now, call_id, None) else { return };
        self.note_alive(now, call.connection, measured);
        match call.kind {
            CallKind::Load => self.on_loaded(now, &call),
            CallKind::Run | CallKind::Probe => self.on_ran(now, call_id, &call),
            CallKind::RecreateDevice => self.on_recreated(now, &call),
            CallKind::Ping | CallKind::Open => self.arm_heartbeat(now, call.connection),
        }
        self.after_answer(now, call.connection);
    }

    /// A call failed; the connection goes on unless `category` says that it is gone.
    pub fn on_failed(&mut self, now: Timestamp, call_id: CallId, category: FaultCategory) {
        let Some(call) = self.calls.get(call_id.0) else { return };
        let id = call.connection;
        if call.kind == CallKind::Open {
            self.on_open_failed(now, call_id, category);
        } else if call.kind == CallKind::Ping {
            self.lose(now, id, FaultCategory::ConnectionLost, None, false);
        } else if call.kind == CallKind::RecreateDevice {
            self.on_recreate_failed(now, call_id, category);
        } else if category.ends_connection() {
            self.lose(now, id, category, Some(call_id), false);
        } else {
            let Some(call) = self.end_call(now, call_id, Some(category)) else { return };
            self.note_alive(now, id, Measured::default());
            self.settle_failure(now, call_id, call, category);
        }
        self.after_answer(now, id);
    }

    /// What a failed load, run, probe or repair leads to, once the call is over.
    pub(super) fn settle_failure(
        &mut self,
        now: Timestamp,
        call_id: CallId,
        call: Call,
        category: FaultCategory,
    ) {
        let id = call.connection;
        let backend = call.backend;
        // What a run meets may be in the values or the shape of its inputs, and says nothing about other jobs.
        if let (Some(model), Some(backend), FaultCategory::UnsupportedOperator, CallKind::Load) =
            (call.model, backend, category, call.kind)
            && let Some(group) = self.connection(id).map(|connection| connection.group)
            && !self.models[model.0 as usize].unsupported.contains(&(group, backend))
        {
            self.models[model.0 as usize].unsupported.push((group, backend));
        }
        let is_repairing = |connection: &crate::Connection| {
            backend.is_some_and(|backend| connection.repairing.contains(backend))
        };
        // While a device is being recreated, its other calls fail for the cause that was counted already.
        let is_known = category == FaultCategory::DeviceLost && self.connection(id).is_some_and(is_repairing);
        match call.permit {
            Some(permit) if is_known || category.blame() == Blame::Nobody => {
                self.ignore(id, call.component, permit)
            }
            // The device is what failed, whatever was being done with it.
            Some(permit) if category == FaultCategory::DeviceLost && call.kind == CallKind::Load => {
                self.ignore(id, call.component, permit);
                self.count_spontaneous(now, id, backend.map_or(call.component, Backend::component));
            }
            Some(permit) if call.kind == CallKind::Load => {
                self.count_load_failure(now, &call, permit, category);
            }
            Some(permit) => self.count_failure(now, id, call.component, permit, call.started),
            None => {}
        }
        if category.blame() != Blame::Nobody {
            self.settle_reload(now, &call, false);
        }
        if !is_known {
            self.repair(now, &call, category);
        }
        for &job in &call.jobs {
            self.retry_or_fail(now, job, call_id, &call, category);
        }
    }

    /// Forgets a call: slot, timer, counters; leaves a record.
    pub(super) fn end_call(
        &mut self,
        now: Timestamp,
        call_id: CallId,
        fault: Option<FaultCategory>,
    ) -> Option<Call> {
        let call = self.calls.remove(call_id.0)?;
        self.timers.remove(call.timeout_at, Timer::Call(call_id));
        if !call.is_overdue {
            self.note_not_loading(&call);
        }
        self.note_load(now, &call, fault.is_none());
        if let Some(connection) = self.connection_mut(call.connection) {
            connection.calls.retain(|&other| other != call_id);
            connection.side_calls.retain(|&other| other != call_id);
        }
        if !call.is_aborting {
            self.record_call(now, call_id, &call, fault);
        }
        Some(call)
    }

    /// Keeps the share of a family's calls that fail.
    fn note_family(&mut self, call: &Call, fault: Option<FaultCategory>) {
        let Some(model) = call.model else { return };
        let family = self.models[model.0 as usize].family;
        let is_failure = fault.is_some_and(|fault| fault.blame() != Blame::Nobody);
        let failing = &mut self.families[family].failing;
        *failing += 0.1 * (f64::from(u8::from(is_failure)) - *failing);
    }

    pub(super) fn record_call(
        &mut self,
        now: Timestamp,
        id: CallId,
        call: &Call,
        fault: Option<FaultCategory>,
    ) {
        if fault != Some(FaultCategory::Cancelled) && matches!(call.kind, CallKind::Load | CallKind::Run) {
            self.analyse(now, call, fault);
            self.note_family(call, fault);
        }
        let called = Called {
            call: id,
            kind: call.kind,
            connection: call.connection,
            component: call.component,
            model: call.model,
            jobs: call.jobs.clone(),
            attempt: call.attempt,
            is_probe: call.permit.is_some_and(Permit::is_probe),
            queued: call.queued,
            latency: now.since(call.started),
            fault,
        };
        self.record(now, Event::Called(called));
    }

    pub(super) fn count_failure(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        component: Component,
        permit: Permit,
        started: Timestamp,
    ) {
        let Some(connection) = self.connection_mut(id) else { return };
        let transition = connection.breaker_mut(component).on_failure(now, permit, now.since(started));
        self.on_transition(now, id, component, transition);
        if transition.is_some() {
            self.reindex(now, id);
        }
    }

    /// Counts a failure that no call of the component itself met.
    pub(super) fn count_spontaneous(&mut self, now: Timestamp, id: ConnectionId, component: Component) {
        let Some(connection) = self.connection_mut(id) else { return };
        let transition = connection.breaker_mut(component).on_spontaneous_failure(now);
        self.on_transition(now, id, component, transition);
        if transition.is_some() {
            self.reindex(now, id);
        }
    }

    pub(super) fn ignore(&mut self, id: ConnectionId, component: Component, permit: Permit) {
        if let Some(connection) = self.connection_mut(id) {
            connection.breaker_mut(component).on_ignored(permit);
        }
    }

    fn on_loaded(&mut self, now: Timestamp, call: &Call) {
        let (Some(backend), Some(model_id)) = (call.backend, call.model) else { return };
        let id = call.connection;
        let latency = now.since(call.started);
        self.latencies.observe_load(now, model_id, backend, latency);
        let model = &mut self.models[model_id.0 as usize];
        model.failed_on = None;
        let memory_bytes = model.spec.memory_bytes;
        let Some(connection) = self.connection_mut(id) else { return };
        let is_of_use = connection.is_reachable(backend);
        connection
            .residents
            .insert((model_id, backend), Resident { is_warm: false, last_used: now, memory_bytes });
        // What was loaded onto a device that is gone meanwhile, or held back, is of no use and takes memory.
        if !is_of_use {
            self.unload(now, id, (model_id, backend), UnloadReason::Fault);
        }
        let Some(connection) = self.connection_mut(id) else { return };
        // Loads take as long as the network and the file's size make them: none is slow.
        let transition = call.permit.and_then(|permit| {
            connection.breaker_mut(Component::Loader).on_success(now, permit, latency, false)
        });
        self.on_transition(now, id, Component::Loader, transition);
        self.settle_reload(now, call, true);
        for &job in &call.jobs {
            self.run_after_load(now, job, call, backend);
        }
    }

    /// The job that a load was for runs there at once, or queues again when that is no longer possible.
    fn run_after_load(&mut self, now: Timestamp, job: JobId, call: &Call, backend: crate::Backend) {
        let Some(entry) = self.jobs.get_mut(job.0) else { return };
        entry.calls = [None, None];
        if let Some(trial) = entry.retry.as_mut().and_then(|retry| retry.trial.as_mut()) {
            trial.slot_time += now.since(call.started);
        }
        if entry.job.is_load_only {
            return self.end(now, job, JobEnd::Loaded { connection: call.connection, backend });
        }
        let may_run = self.connection(call.connection).is_some_and(|c| c.is_reachable(backend))
            && call.model.is_some_and(|model| !self.awaits_golden(call.connection, backend, model));
        let permit = if may_run { self.admit(now, call.connection, backend.component()) } else { None };
        match (permit, call.model) {
            (Some(permit), Some(model)) => {
                self.start_run(now, call.connection, backend, model, permit, vec![job]);
            }
            (Some(_) | None, _) => self.requeue(job),
        }
    }

    fn on_ran(&mut self, now: Timestamp, call_id: CallId, call: &Call) {
        let (Some(backend), Some(model)) = (call.backend, call.model) else { return };
        let id = call.connection;
        let latency = now.since(call.started);
        let Some(connection) = self.connection_mut(id) else { return };
        connection.backoff.reset();
        let mut is_first = false;
        if let Some(resident) = connection.residents.get_mut(&(model, backend)) {
            resident.last_used = now;
            is_first = !core::mem::replace(&mut resident.is_warm, true);
        }
        let group = connection.group;
        let key = LatencyKey {
            model,
            backend,
            group: Some(group),
            shape: Some((call.shape, log2(call.jobs.len()))),
        };
        if let Some(permit) = call.permit {
            let expected = self.latencies.run(key);
            let is_expected = expected.weight >= 3.0
                && latency.as_secs_f64() < SLOW_FACTOR * expected.median().as_secs_f64();
            let Some(connection) = self.connection_mut(id) else { return };
            let breaker = connection.breaker_mut(call.component);
            let is_slow = latency >= breaker.config().slow_call && !is_expected && !is_first;
            let transition = breaker.on_success(now, permit, latency, is_slow);
            self.on_transition(now, id, call.component, transition);
        }
        self.settle_reload(now, call, true);
        if call.is_aborting || call.kind == CallKind::Probe {
            return;
        }
        if !is_first {
            self.latencies.observe_run(now, key, id, latency);
        }
        for &job in &call.jobs {
            self.budget.on_success();
            self.settle_trial(now, job, call, true);
            let attempt = self.jobs.get(job.0).map_or(0, |entry| entry.n_attempts);
            self.end(now, job, JobEnd::Completed { call: call_id, connection: id, backend, model, attempt });
        }
    }

    /// After every answer: a draining connection may be empty, a ready one has a slot to fill.
    pub(super) fn after_answer(&mut self, now: Timestamp, id: ConnectionId) {
        let is_drained =
            self.connection(id).is_some_and(|c| c.state == ConnectionState::Draining && c.calls.is_empty());
        if is_drained {
            self.remove_now(now, id);
        }
        self.unload_retired(now, id);
        self.relieve(now, id);
        self.reindex(now, id);
        self.send_probes(now, id);
        self.queue.unblock_all();
        self.dispatch(now);
    }

    /// Asks for a call to be stopped. With `is_given_up` its connection is hung unless it answers soon; else the call may
    /// go on until its time-out.
    pub(super) fn abort(&mut self, now: Timestamp, call_id: CallId, is_given_up: bool) {
        let grace = self.config.abort_grace;
        let Some(call) = self.calls.get_mut(call_id.0) else { return };
        call.is_aborting = true;
        call.is_given_up = is_given_up;
        let (connection, component) = (call.connection, call.component);
        let permit = call.permit.take();
        if is_given_up {
            let previous = core::mem::replace(&mut call.timeout_at, now + grace);
            self.timers.remove(previous, Timer::Call(call_id));
            self.timers.insert(now + grace, Timer::Call(call_id));
            self.mark_overdue(now, call_id);
        } else if let Some(permit) = permit {
            self.ignore(connection, component, permit);
        }
        self.act(Action::Abort { connection, call: call_id });
    }

    /// A run outlived its time-out: its jobs go on elsewhere, and estimates learn that it takes at least this long, so
    /// that a slower device gets longer time-outs instead of an endless row of them.
    pub(super) fn time_out(&mut self, now: Timestamp, call_id: CallId) {
        let Some(call) = self.calls.get_mut(call_id.0) else { return };
        let given_up = call.clone();
        call.jobs.clear();
        self.abort(now, call_id, true);
        self.record_call(now, call_id, &given_up, Some(FaultCategory::Timeout));
        if let (CallKind::Run, Some(model), Some(backend)) = (given_up.kind, given_up.model, given_up.backend)
            && let Some(group) = self.connection(given_up.connection).map(|connection| connection.group)
        {
            let shape = Some((given_up.shape, log2(given_up.jobs.len())));
            let key = LatencyKey { model, backend, group: Some(group), shape };
            self.latencies.observe_run(now, key, given_up.connection, now.since(given_up.started));
        }
        self.settle_failure(now, call_id, given_up, FaultCategory::Timeout);
    }
}
