//! After a fault: what becomes of the job.

use core::time::Duration;

use super::Pool;
use super::state::{Call, JobState, Retry};
use crate::backoff::Backoff;
use crate::connection::ConnectionState;
use crate::record::Event;
use crate::recovery::{Trial, job_ladder};
use crate::timers::Timer;
use crate::{BackendSet, CallId, ConnectionId, FaultCategory, GroupId, JobId, Strategy, Timestamp, Verdict};

/// Health from which a connection counts as healthy when a job is suspected to be what breaks connections: a half-open or
/// open one is not.
const HEALTHY: f64 = 50.0;

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
        self.settle_trial(now, job, call, false);
        self.note_fault(now, job, call_id, call.connection, category);
        // A batch may be refused for one member's inputs.
        let is_split = category == FaultCategory::Validation && call.jobs.len() > 1;
        if !category.is_retryable() && !is_split {
            return self.fail(now, job, category, Verdict::NotRetryable);
        }
        if self.is_poison(job, category) {
            self.quarantine(now, job, category);
            return self.fail(now, job, category, Verdict::Poison);
        }
        if n_attempts > self.config.retry.max_retries {
            return self.fail(now, job, category, Verdict::RetriesExhausted);
        }
        let split = is_split.then_some(Strategy::SmallerBatch);
        let Some(strategy) = split.or_else(|| self.choose_for_job(job, call, category)) else {
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
                avoid_backends: BackendSet::NONE,
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
        // A small pool can never show more connections than it has, but one alone may be the culprit itself.
        let is_leaving = |connection: &&crate::Connection| connection.state == ConnectionState::Draining;
        let n_live = self.connections().filter(|connection| !is_leaving(connection)).count();
        let n_needed = (self.config.quarantine.n_connections as usize).min(n_live).max(2);
        speaks_against_inputs && retry.failed_on.len() >= n_needed
    }

    /// Refuses the job's inputs from now on, if they can be recognised.
    fn quarantine(&mut self, now: Timestamp, job: JobId, cause: FaultCategory) {
        let Some(entry) = self.jobs.get(job.0) else { return };
        let (model, fingerprint) = (entry.job.model, entry.job.fingerprint);
        let n_connections = entry.retry.as_ref().map_or(0, |retry| retry.failed_on.len() as u32);
        if fingerprint == 0 {
            return;
        }
        self.quarantine.hold(now, (model, fingerprint), cause, &self.config.quarantine);
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
                let avoided = entry.retry.as_ref().map_or(BackendSet::NONE, |retry| retry.avoid_backends);
                let others = backends.except(avoided);
                let others = call.backend.map_or(BackendSet::NONE, |backend| others.without(backend));
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
        retry.avoid_backends = match call.backend.filter(|_| strategy == Strategy::OtherBackend) {
            Some(backend) => retry.avoid_backends.with(backend),
            None => BackendSet::NONE,
        };
        if strategy == Strategy::LowerPrecision {
            retry.model = variant;
        }
        retry.trial = Some(Trial::new(now, category, call.component, strategy));
        // A capability that is missing, or inputs that do not fit, are known before anything ran: no reason to wait or to pay.
        let is_free = matches!(category, FaultCategory::UnsupportedOperator | FaultCategory::Validation);
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

    /// The try that a strategy led to has ended with a call.
    pub(super) fn settle_trial(&mut self, now: Timestamp, job: JobId, call: &Call, is_success: bool) {
        let Some(entry) = self.jobs.get_mut(job.0) else { return };
        let is_substitute = is_success && call.model != Some(entry.job.model);
        let Some(mut trial) = entry.retry.as_mut().and_then(|retry| retry.trial.take()) else { return };
        trial.slot_time += now.since(call.started);
        let impact = if is_substitute { 1.0 } else { trial.impact() };
        self.learn(now, trial, is_success, impact);
    }

    pub(super) fn learn(&mut self, now: Timestamp, trial: Trial, is_success: bool, impact: f64) {
        let took = now.since(trial.since);
        self.playbook.observe(trial, is_success, took, impact);
        let Trial { category, component, strategy, .. } = trial;
        self.record(now, Event::Recovered { category, component, strategy, is_success, took, impact });
    }
}
