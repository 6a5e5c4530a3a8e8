//! Jobs in and out: acceptance, refusal, cancellation, and the one end of each.

use core::time::Duration;

use super::Pool;
use super::state::{JobEntry, JobState};
use crate::latency::LatencyKey;
use crate::queue::LaneKey;
use crate::record::Event;
use crate::time::micros;
use crate::timers::Timer;
use crate::{Action, FaultCategory, Job, JobEnd, JobId, ModelId, Refusal, ShapeClass, Timestamp, Verdict};

impl Pool {
    /// Accepts a job, which then ends exactly once with [`Action::Finish`].
    ///
    /// # Errors
    /// [`Refusal`] says why the job was not accepted; `QueueFull` is back-pressure and suggests a wait.
    pub fn submit(&mut self, now: Timestamp, job: Job) -> Result<JobId, Refusal> {
        if let Err(refusal) = self.check(now, &job) {
            self.stats.n_refused += 1;
            self.record(now, Event::Refused { model: job.model, refusal });
            return Err(refusal);
        }
        let deadline = job.deadline.unwrap_or(now + self.config.job_timeout);
        let cost_micros = self.expected_cost_micros(job.model, job.shape);
        let tag = self.queue.tag(job.model, job.priority, cost_micros);
        let family = self.models[job.model.0 as usize].family;
        self.families[family].last_submitted = Some(now);
        let id = JobId(self.jobs.insert_with(|_| JobEntry {
            job,
            deadline,
            submitted: now,
            tag,
            state: JobState::Queued,
            calls: [None, None],
            n_attempts: 0,
            retry: None,
        }));
        self.stats.n_accepted += 1;
        self.watch(now);
        self.timers.insert(deadline, Timer::Deadline(id));
        self.enqueue(id);
        self.end_if_loaded(now, id);
        self.dispatch(now);
        Ok(id)
    }

    /// The caller no longer wants the job. Does nothing when it has ended already.
    pub fn cancel(&mut self, now: Timestamp, job: JobId) {
        if self.jobs.get(job.0).is_some() {
            self.end(now, job, JobEnd::Cancelled);
            self.dispatch(now);
        }
    }

    /// Whether a new job of this model needs its [`Job::fingerprint`].
    #[must_use]
    pub fn has_quarantined(&self, now: Timestamp, model: ModelId) -> bool {
        self.quarantine.has(now, model)
    }

    /// Sets the [`Job::fingerprint`] of a job that was submitted without: soon enough once a first call for it has failed.
    pub fn set_fingerprint(&mut self, job: JobId, fingerprint: u64) {
        if let Some(entry) = self.jobs.get_mut(job.0) {
            entry.job.fingerprint = fingerprint;
        }
    }

    /// Ends every job, closes every connection and refuses what comes later.
    pub fn close(&mut self, now: Timestamp) {
        self.is_closing = true;
        let jobs: Vec<JobId> = self.jobs.iter().map(|(id, _)| JobId(id)).collect();
        for job in jobs {
            self.fail(now, job, FaultCategory::Cancelled, Verdict::Closed);
        }
        let connections: Vec<_> = self.connections().map(|connection| connection.id).collect();
        for connection in connections {
            self.remove_now(now, connection);
        }
    }

    fn check(&self, now: Timestamp, job: &Job) -> Result<(), Refusal> {
        if self.is_closing {
            return Err(Refusal::Closing);
        }
        let model = self.models.get(job.model.0 as usize).ok_or(Refusal::UnknownModel)?;
        if job.backends.and(model.spec.backends).is_empty() {
            return Err(Refusal::NoBackend);
        }
        if job.pinned.is_some_and(|pinned| self.connection(pinned).is_none()) {
            return Err(Refusal::UnknownConnection);
        }
        if job.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Refusal::DeadlinePassed);
        }
        if job.fingerprint != 0
            && let Some((cause, until)) = self.quarantine.check(now, (job.model, job.fingerprint))
        {
            return Err(Refusal::Quarantined { cause, until });
        }
        // Jobs between two tries hold their place, so that retries cannot overflow the queue.
        let n_waiting = self.jobs.len() - self.stats_in_flight();
        if n_waiting >= self.config.queue_capacity {
            return Err(Refusal::QueueFull {
                n_queued: n_waiting,
                retry_after: self.expected_wait_per_place(),
            });
        }
        Ok(())
    }

    /// Jobs that are not waiting.
    fn stats_in_flight(&self) -> usize {
        self.families.iter().map(|family| family.n_in_flight as usize).sum()
    }

    /// Time in which the pool should free one place of the queue.
    pub(super) fn expected_wait_per_place(&self) -> Duration {
        let cost_micros = self.queue.next();
        let cost_micros =
            cost_micros.map_or(100_000, |(key, _)| self.expected_cost_micros(key.model, key.shape));
        Duration::from_micros(cost_micros / u64::from(self.n_slots.max(1))).max(Duration::from_millis(1))
    }

    /// Expected time of one run of a model, wherever it runs: the fair queue's measure of cost.
    fn expected_cost_micros(&self, model: ModelId, shape: ShapeClass) -> u64 {
        let backends = self.models[model.0 as usize].spec.backends;
        let shape = Some((shape, 0));
        let cheapest = backends
            .iter()
            .filter(|&backend| self.latencies.knows(model, backend))
            .map(|backend| self.latencies.expected(LatencyKey { model, backend, group: None, shape }))
            .filter(|estimate| estimate.weight > 0.0)
            .map(|estimate| micros(estimate.median()))
            .min();
        cheapest.unwrap_or_else(|| micros(self.config.routing.prior_latency)).max(1)
    }

    /// The lane that a job waits in.
    pub(super) fn lane_key(&self, id: JobId, entry: &JobEntry) -> LaneKey {
        let model = &self.models[entry.job.model.0 as usize].spec;
        let is_batchable = entry.job.is_batchable && model.max_batch > 1 && entry.retry.is_none();
        LaneKey {
            model: entry.job.model,
            backends: entry.job.backends.and(model.backends),
            pinned: entry.job.pinned,
            shape: entry.job.shape,
            is_batch: is_batchable,
            solo: entry.retry.is_some().then_some(id),
        }
    }

    /// Puts a job into its lane.
    pub(super) fn enqueue(&mut self, id: JobId) {
        let Some(entry) = self.jobs.get_mut(id.0) else { return };
        entry.state = JobState::Queued;
        let tag = entry.tag;
        if let Some(entry) = self.jobs.get(id.0) {
            let key = self.lane_key(id, entry);
            self.queue.push(key, tag, id);
        }
    }

    /// Ends a job as failed, with what is known of its last fault.
    pub(super) fn fail(&mut self, now: Timestamp, id: JobId, cause: FaultCategory, verdict: Verdict) {
        let Some(entry) = self.jobs.get(id.0) else { return };
        let call = entry.retry.as_ref().map(|retry| retry.call);
        let n_attempts = entry.n_attempts;
        self.end(now, id, JobEnd::Failed { cause, call, n_attempts, verdict });
    }

    /// The one place where jobs end: takes the job out of wherever it is.
    pub(super) fn end(&mut self, now: Timestamp, id: JobId, end: JobEnd) {
        let Some(entry) = self.jobs.get(id.0) else { return };
        match entry.state {
            JobState::Queued => {
                let key = self.lane_key(id, entry);
                let tag = entry.tag;
                self.queue.remove(&key, tag, id);
            }
            JobState::Waiting { until, .. } => self.timers.remove(until, Timer::Retry(id)),
            JobState::InFlight => {}
        }
        let Some(entry) = self.jobs.remove(id.0) else { return };
        self.timers.remove(entry.deadline, Timer::Deadline(id));
        for call in entry.calls.into_iter().flatten() {
            self.leave_call(now, call, id);
        }
        if entry.state == JobState::InFlight {
            let family = self.models[entry.job.model.0 as usize].family;
            self.families[family].n_in_flight -= 1;
        }
        match end {
            JobEnd::Completed { .. } | JobEnd::Loaded { .. } => self.stats.n_completed += 1,
            JobEnd::Failed { .. } => self.stats.n_failed += 1,
            JobEnd::Cancelled => self.stats.n_cancelled += 1,
        }
        let took = now.since(entry.submitted);
        self.record(now, Event::Ended { job: id, model: entry.job.model, end, took });
        self.act(Action::Finish { job: id, end });
    }

    /// Takes a job off a call; the call is aborted when nobody wants it any more.
    fn leave_call(&mut self, now: Timestamp, call_id: crate::CallId, job: JobId) {
        let Some(call) = self.calls.get_mut(call_id.0) else { return };
        call.jobs.retain(|&other| other != job);
        // A load goes on: its result is of use to others.
        if call.jobs.is_empty() && call.kind == crate::CallKind::Run && !call.is_aborting {
            let call = call.clone();
            self.abort(now, call_id, false);
            self.record_call(now, call_id, &call, Some(FaultCategory::Cancelled));
        }
    }
}
