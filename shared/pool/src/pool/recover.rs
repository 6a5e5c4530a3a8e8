//! After a fault: what becomes of the job, and what is done for the connection.

use core::time::Duration;

use super::{Call, JobState, Pool, Retry};
use crate::backoff::Backoff;
use crate::connection::ConnectionState;
use crate::incident::Role;
use crate::record::{CallKind, Event};
use crate::recovery::{STABLE_AFTER, Trial, job_ladder, repair_ladder};
use crate::timers::Timer;
use crate::{
    Action, Backend, BackendSet, CallId, Component, ConnectionId, FaultCategory, GroupId, JobId, ShapeClass,
    Strategy, Timestamp, Verdict,
};

/// Health from which a connection counts as healthy when a job is suspected to be what breaks connections: a half-open or
/// open one is not.
const HEALTHY: f64 = 50.0;
/// Devices that may fail to come back before the whole connection is replaced for one.
const PATIENT_REPAIRS: u32 = 3;

impl Pool {
    /// A try failed: the job gets another one that differs, or ends.
    pub(super) fn retry_or_fail(
        &mut self,
        now: Timestamp,
        job: JobId,
        call_id: CallId,
        call: &Call,
        category: FaultCategory,
    ) {
        let Some(entry) = self.jobs.get_mut(job.0) else { return };
        for slot in &mut entry.calls {
            if *slot == Some(call_id) {
                *slot = None;
            }
        }
        if let [None, Some(_)] = entry.calls {
            entry.calls.swap(0, 1);
        }
        if entry.calls[0].is_some() {
            // The other call of a hedged job may still succeed.
            return;
        }
        entry.state = JobState::Queued;
        let (n_attempts, model) = (entry.n_attempts, entry.job.model);
        let family = self.models[model.0 as usize].family;
        self.families[family].n_in_flight -= 1;
        self.settle_trial(now, job, false);
        self.note_fault(now, job, call_id, call.connection, category);
        if !category.is_retryable() {
            return self.fail(now, job, category, Verdict::NotRetryable);
        }
        if self.is_poison(job, category) {
            self.quarantine(now, job, category);
            return self.fail(now, job, category, Verdict::Poison);
        }
        if n_attempts > self.config.retry.max_retries {
            return self.fail(now, job, category, Verdict::RetriesExhausted);
        }
        let Some(strategy) = self.choose_for_job(job, call, category) else {
            return self.fail(now, job, category, Verdict::NoCandidate);
        };
        self.apply(now, job, call, category, strategy);
    }

    /// Puts a job that was taken out of the queue back, as if it had not been.
    pub(super) fn requeue(&mut self, job: JobId) {
        let Some(entry) = self.jobs.get_mut(job.0) else { return };
        entry.state = JobState::Queued;
        let model = entry.job.model;
        let is_retry = entry.n_attempts > 1;
        let is_free = is_retry && entry.retry.as_ref().is_some_and(|retry| retry.is_free);
        entry.n_attempts -= 1;
        self.stats.n_attempts -= 1;
        self.stats.n_retries -= u64::from(is_retry);
        self.stats.n_free_retries -= u64::from(is_free);
        let family = self.models[model.0 as usize].family;
        self.families[family].n_in_flight -= 1;
        self.enqueue(job);
    }

    /// A back-off ended, or a token may have come in.
    pub(super) fn on_retry_due(&mut self, now: Timestamp, job: JobId) {
        let Some(entry) = self.jobs.get_mut(job.0) else { return };
        let JobState::Waiting { needs_token, .. } = entry.state else { return };
        if needs_token && !self.budget.try_take(now) {
            let until = now + self.budget.wait().max(Duration::from_millis(10));
            if let Some(entry) = self.jobs.get_mut(job.0) {
                entry.state = JobState::Waiting { until, needs_token };
            }
            self.timers.insert(until, Timer::Retry(job));
            return;
        }
        if let Some(retry) = self.jobs.get_mut(job.0).and_then(|entry| entry.retry.as_mut()) {
            retry.insists_until = now + self.config.retry.patience;
            self.timers.insert(retry.insists_until, Timer::Lanes);
        }
        self.enqueue(job);
    }

    fn note_fault(
        &mut self,
        now: Timestamp,
        job: JobId,
        call: CallId,
        connection: ConnectionId,
        fault: FaultCategory,
    ) {
        let is_healthy = self.connection_mut(connection).is_some_and(|connection| {
            let is_open = connection.state == ConnectionState::Ready;
            let health = if is_open { connection.health(now) } else { connection.health_before };
            health >= HEALTHY
        });
        let backoff = Backoff::new(self.config.retry.backoff, self.config.retry.max_backoff);
        let Some(entry) = self.jobs.get_mut(job.0) else { return };
        let retry = entry.retry.get_or_insert_with(|| {
            Box::new(Retry {
                fault,
                call,
                backoff,
                failed_on: Vec::new(),
                avoid_connection: None,
                avoid_backend: None,
                avoid_browser: None,
                insists_until: Timestamp::ZERO,
                model: None,
                is_free: false,
                tried: Vec::new(),
                trial: None,
            })
        });
        retry.fault = fault;
        retry.call = call;
        if is_healthy && !retry.failed_on.contains(&connection) {
            retry.failed_on.push(connection);
        }
    }

    /// Whether the job has failed on so many healthy connections that it must be its inputs.
    fn is_poison(&self, job: JobId, category: FaultCategory) -> bool {
        let speaks_against_inputs = matches!(
            category,
            FaultCategory::WorkerCrash
                | FaultCategory::DeviceLost
                | FaultCategory::OutOfMemory
                | FaultCategory::Timeout
                | FaultCategory::Numeric
                | FaultCategory::Internal
        );
        let Some(retry) = self.jobs.get(job.0).and_then(|entry| entry.retry.as_ref()) else { return false };
        speaks_against_inputs && retry.failed_on.len() >= self.config.quarantine.n_connections as usize
    }

    /// Refuses the job's inputs from now on, if they can be recognised.
    fn quarantine(&mut self, now: Timestamp, job: JobId, cause: FaultCategory) {
        let Some(entry) = self.jobs.get(job.0) else { return };
        let (model, fingerprint) = (entry.job.model, entry.job.fingerprint);
        let n_connections = entry.retry.as_ref().map_or(0, |retry| retry.failed_on.len() as u32);
        if fingerprint != 0 {
            self.quarantine.hold(now, (model, fingerprint), cause, &self.config.quarantine);
        }
        self.record(now, Event::Quarantined { job, model, cause, n_connections });
    }

    fn choose_for_job(&mut self, job: JobId, call: &Call, category: FaultCategory) -> Option<Strategy> {
        let is_feasible = |&strategy: &Strategy| self.is_feasible(job, call, strategy);
        let mut feasible: Vec<Strategy> = job_ladder(category).iter().copied().filter(is_feasible).collect();
        let tried = self.jobs.get(job.0)?.retry.as_ref().map_or(&[][..], |retry| &retry.tried);
        if feasible.iter().any(|strategy| !tried.contains(strategy)) {
            feasible.retain(|strategy| !tried.contains(strategy));
        }
        let chosen = self.playbook.choose(&mut self.rng, category, call.component, feasible.into_iter())?;
        self.jobs.get_mut(job.0)?.retry.as_mut()?.tried.push(chosen);
        Some(chosen)
    }

    /// Whether a strategy would lead anywhere now.
    fn is_feasible(&self, job: JobId, call: &Call, strategy: Strategy) -> bool {
        let Some(entry) = self.jobs.get(job.0) else { return false };
        let spec = &self.models[entry.job.model.0 as usize].spec;
        let backends = entry.job.backends.and(spec.backends);
        let failed = self.connection(call.connection).map(|connection| connection.group);
        match strategy {
            Strategy::RetryInPlace => true,
            Strategy::RetryElsewhere => {
                // The connection that failed may still count as a place.
                let is_place =
                    |connection: &crate::Connection| backends.iter().any(|on| connection.is_serving(on));
                let n_own = u32::from(self.connection(call.connection).is_some_and(is_place));
                entry.job.pinned.is_none() && self.n_places(backends, entry.job.model, |_| true) > n_own
            }
            Strategy::OtherBackend => {
                let others = call.backend.map_or(BackendSet::NONE, |backend| backends.without(backend));
                self.n_places(others, entry.job.model, |_| true) > 0
            }
            Strategy::OtherBrowser => {
                let browser = failed.map(|group| self.groups[usize::from(group.0)].browser_id);
                entry.job.pinned.is_none()
                    && self.n_places(backends, entry.job.model, |group| {
                        Some(self.groups[usize::from(group.0)].browser_id) != browser
                    }) > 0
            }
            Strategy::LowerPrecision => {
                let tried = entry.retry.as_ref().and_then(|retry| retry.model);
                spec.lower_precision.is_some() && tried.is_none()
            }
            Strategy::SmallerBatch => call.jobs.len() > 1,
            Strategy::ReloadModel
            | Strategy::RecreateDevice
            | Strategy::RespawnWorker
            | Strategy::RespawnIframe
            | Strategy::RestartBrowser => false,
        }
    }

    /// Connections that serve one of the backends in groups that qualify, where the model is not known to be unsupported.
    fn n_places(
        &self,
        backends: BackendSet,
        model: crate::ModelId,
        qualifies: impl Fn(GroupId) -> bool,
    ) -> u32 {
        let unsupported = &self.models[model.0 as usize].unsupported;
        let groups = (0..self.groups.len() as u16).map(GroupId).filter(|&group| qualifies(group));
        groups
            .map(|group| {
                let supported = backends.iter().filter(|&backend| !unsupported.contains(&(group, backend)));
                supported.map(|backend| self.index.n_serving(None, backend, group)).max().unwrap_or(0)
            })
            .sum()
    }

    /// Turns a strategy into constraints on the next try, after a back-off.
    fn apply(
        &mut self,
        now: Timestamp,
        job: JobId,
        call: &Call,
        category: FaultCategory,
        strategy: Strategy,
    ) {
        let browser =
            self.connection(call.connection).map(|c| self.groups[usize::from(c.group.0)].browser_id);
        let Some(entry) = self.jobs.get_mut(job.0) else { return };
        let variant = self.models[entry.job.model.0 as usize].spec.lower_precision;
        let Some(retry) = entry.retry.as_deref_mut() else { return };
        retry.avoid_connection = (strategy == Strategy::RetryElsewhere).then_some(call.connection);
        retry.avoid_browser = browser.filter(|_| strategy == Strategy::OtherBrowser);
        retry.avoid_backend = call.backend.filter(|_| strategy == Strategy::OtherBackend);
        if strategy == Strategy::LowerPrecision {
            retry.model = variant;
        }
        retry.trial = Some(Trial { category, component: call.component, strategy, since: now });
        // A capability that is missing is known before anything ran: no reason to wait or to pay.
        let is_free = category == FaultCategory::UnsupportedOperator;
        retry.is_free = is_free;
        let after = if is_free { Duration::ZERO } else { retry.backoff.next(&mut self.rng) };
        let until = now + after;
        entry.state = JobState::Waiting { until, needs_token: !is_free };
        self.timers.insert(until, Timer::Retry(job));
        self.record(
            now,
            Event::Recovering {
                job: Some(job),
                connection: call.connection,
                component: call.component,
                category,
                strategy,
                after,
            },
        );
    }

    /// The try that a strategy led to has ended.
    pub(super) fn settle_trial(&mut self, now: Timestamp, job: JobId, is_success: bool) {
        let retry = self.jobs.get_mut(job.0).and_then(|entry| entry.retry.as_mut());
        if let Some(trial) = retry.and_then(|retry| retry.trial.take()) {
            self.learn(now, trial, is_success);
        }
    }

    fn learn(&mut self, now: Timestamp, trial: Trial, is_success: bool) {
        let took = now.since(trial.since);
        self.playbook.observe(trial, is_success, took);
        let Trial { category, component, strategy, .. } = trial;
        self.record(now, Event::Recovered { category, component, strategy, is_success, took });
    }

    /// Does what a fault asks for where it happened. Faults that end the connection go through [`Pool::lose`].
    pub(super) fn repair(&mut self, now: Timestamp, call: &Call, category: FaultCategory) {
        let id = call.connection;
        let (Some(backend), Some(connection)) = (call.backend, self.connection_mut(id)) else { return };
        match category {
            FaultCategory::DeviceLost => {
                connection.residents.retain(|&(_, on), _| on != backend);
                self.start_repair(now, id, backend.component(), category);
            }
            FaultCategory::OutOfMemory => {
                let busy: Vec<_> = self
                    .connection(id)
                    .into_iter()
                    .flat_map(|connection| self.busy_models(connection))
                    .collect();
                let held: Vec<_> =
                    self.connection(id).into_iter().flat_map(crate::Connection::residents).collect();
                for resident in held.into_iter().filter(|resident| !busy.contains(resident)) {
                    self.unload(id, resident);
                }
            }
            FaultCategory::Numeric | FaultCategory::Integrity | FaultCategory::ModelLoad => {
                if let Some(model) = call.model {
                    self.unload(id, (model, backend));
                }
            }
            FaultCategory::ConnectionLost
            | FaultCategory::WorkerCrash
            | FaultCategory::Timeout
            | FaultCategory::UnsupportedOperator
            | FaultCategory::Validation
            | FaultCategory::Overload
            | FaultCategory::Cancelled
            | FaultCategory::Internal => {}
        }
    }

    /// Repairs a component: the strategy is chosen by what worked before.
    pub(super) fn start_repair(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        component: Component,
        category: FaultCategory,
    ) {
        if self.correlate(now, id, component, category) == Role::Held {
            return;
        }
        let Some(connection) = self.connection(id) else { return };
        // What else works there is not taken down for one device, unless that device keeps failing.
        let may_replace = connection.n_device_failures >= PATIENT_REPAIRS
            || !connection.capabilities.backends.iter().any(|backend| connection.is_serving(backend));
        let ladder = repair_ladder(category, connection.spec.kind).iter().copied();
        let ladder = ladder.filter(|&strategy| may_replace || strategy == Strategy::RecreateDevice);
        let chosen = self.playbook.choose(&mut self.rng, category, component, ladder);
        let Some(strategy) = chosen else { return };
        self.note_repair(now, id, Trial { category, component, strategy, since: now }, Duration::ZERO);
        match (strategy, component.backend()) {
            (Strategy::RecreateDevice, Some(backend)) => self.recreate(now, id, backend),
            _ => self.lose_for_repair(now, id, category),
        }
    }

    fn recreate(&mut self, now: Timestamp, id: ConnectionId, backend: Backend) {
        let timeout = self.config.open_timeout;
        let call = self.start_call(Call {
            connection: id,
            component: backend.component(),
            kind: CallKind::RecreateDevice,
            backend: Some(backend),
            permit: None,
            model: None,
            shape: ShapeClass(0),
            jobs: Vec::new(),
            attempt: 0,
            queued: Duration::ZERO,
            started: now,
            timeout_at: now + timeout,
            is_aborting: false,
        });
        if let Some(connection) = self.connection_mut(id) {
            connection.repairing = connection.repairing.with(backend);
            connection.residents.retain(|&(_, on), _| on != backend);
            connection.side_calls.push(call);
        }
        self.reindex(now, id);
        self.act(Action::RecreateDevice { connection: id, call, backend });
    }

    pub(super) fn on_recreated(&mut self, now: Timestamp, call: &Call) {
        if let (Some(backend), Some(connection)) = (call.backend, self.connection_mut(call.connection)) {
            connection.repairing = connection.repairing.without(backend);
        }
        if let Some(connection) = self.connection_mut(call.connection) {
            connection.n_device_failures = 0;
            let transition = connection.breaker_mut(call.component).on_repaired(now);
            self.on_transition(now, call.connection, call.component, transition);
        }
        self.settle_repair(now, call.connection, true);
        self.conclude(now, call.connection, call.component, true);
    }

    /// A device could not be had back. The other backends of the connection go on; this one is tried again later.
    pub(super) fn on_recreate_failed(&mut self, now: Timestamp, call_id: CallId, category: FaultCategory) {
        let Some(call) = self.end_call(now, call_id, Some(category)) else { return };
        let (id, component) = (call.connection, call.component);
        if category.ends_connection() {
            return self.lose(now, id, category, None, false);
        }
        self.settle_repair(now, id, false);
        self.count_spontaneous(now, id, component);
        let (Some(backend), Some(connection)) =
            (call.backend, self.connections[id.0 as usize].as_deref_mut())
        else {
            return;
        };
        connection.n_device_failures += 1;
        connection.repairing = connection.repairing.without(backend);
        connection.suspended = connection.suspended.with(backend);
        let pause = connection.backoff.next(&mut self.rng);
        let until_probe = connection.breaker(component).open_for(now).unwrap_or_default();
        self.conclude(now, id, component, false);
        if !self.is_held(id, component) {
            self.timers.insert(now + pause.max(until_probe), Timer::Release(id, component));
        }
        self.reindex(now, id);
    }

    /// A repair that goes beyond the component: the connection is replaced, at a cost to what else runs there.
    fn lose_for_repair(&mut self, now: Timestamp, id: ConnectionId, category: FaultCategory) {
        let trial = self.connection(id).and_then(|connection| connection.repair);
        self.lose(now, id, category, None, true);
        if let Some(connection) = self.connection_mut(id) {
            connection.repair = trial.or(connection.repair);
        }
    }

    /// Arranges the next opening of a connection that was lost or could not be opened.
    pub(super) fn schedule_open(&mut self, now: Timestamp, id: ConnectionId, category: FaultCategory) {
        let Some(connection) = self.connection(id) else { return };
        let ladder = repair_ladder(category, connection.spec.kind);
        let ladder = if ladder.is_empty() {
            repair_ladder(FaultCategory::ConnectionLost, connection.spec.kind)
        } else {
            ladder
        };
        let respawns = ladder
            .iter()
            .copied()
            .filter(|&strategy| !matches!(strategy, Strategy::RecreateDevice | Strategy::ReloadModel));
        let chosen = self.playbook.choose(&mut self.rng, category, Component::Transport, respawns);
        let Some(connection) = self.connections[id.0 as usize].as_deref_mut() else { return };
        let after = connection.backoff.next(&mut self.rng);
        connection.open_at = now + after;
        self.timers.insert(now + after, Timer::Open(id));
        self.set_state(now, id, ConnectionState::Waiting, Some(category));
        if let Some(strategy) = chosen {
            self.note_repair(
                now,
                id,
                Trial { category, component: Component::Transport, strategy, since: now },
                after,
            );
        }
    }

    fn note_repair(&mut self, now: Timestamp, id: ConnectionId, trial: Trial, after: Duration) {
        let Some(connection) = self.connection_mut(id) else { return };
        // A fault soon after a recovery shows that it did not hold; one during it, that it failed.
        let previous = connection.repair.replace(trial);
        let ended_well = connection.repaired.take();
        if let Some(previous) = previous {
            self.learn(now, previous, false);
        } else if let Some((recovered, at)) = ended_well
            && now.since(at) < STABLE_AFTER
        {
            self.playbook.observe_relapse(recovered);
        }
        let Trial { category, component, strategy, .. } = trial;
        self.record(
            now,
            Event::Recovering { job: None, connection: id, component, category, strategy, after },
        );
    }

    /// A repair is over.
    pub(super) fn settle_repair(&mut self, now: Timestamp, id: ConnectionId, is_success: bool) {
        let Some(connection) = self.connection_mut(id) else { return };
        let Some(trial) = connection.repair.take() else { return };
        connection.repaired = is_success.then_some((trial, now));
        self.learn(now, trial, is_success);
    }

    /// An `Open` or `Respawn` failed or took too long.
    pub(super) fn on_open_failed(&mut self, now: Timestamp, call_id: CallId, category: FaultCategory) {
        let Some(call) = self.end_call(now, call_id, Some(category)) else { return };
        let id = call.connection;
        if let Some(permit) = call.permit {
            self.count_failure(now, id, Component::Transport, permit, call.started);
        }
        self.schedule_open(now, id, category);
        self.conclude(now, id, Component::Transport, false);
    }
}
