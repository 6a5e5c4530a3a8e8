//! What happens when time passes.

use core::time::Duration;

use super::Pool;
use super::state::Call;
use crate::connection::ConnectionState;
use crate::record::CallKind;
use crate::timers::Timer;
use crate::{CallId, Component, ConnectionId, FaultCategory, JobId, Timestamp, Verdict};

/// A timer that fires this much too late shows that the driver slept; busy browsers are late by a second or two.
const SLEEP: Duration = Duration::from_secs(5);

impl Pool {
    /// Time passed: does everything that is due at `now`. Call it at [`Pool::poll_timeout`]; earlier or later is safe.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.forgive_sleep(now);
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Call(call) => self.on_call_due(now, call),
                Timer::Breaker(id, component) => self.on_breaker_due(now, id, component),
                Timer::ModelBreaker(model) => self.on_model_breaker_due(now, model),
                Timer::Open(id) => self.on_open_due(now, id),
                Timer::Heartbeat(id) => self.on_heartbeat_due(now, id),
                Timer::Retry(job) => self.on_retry_due(now, job),
                Timer::Deadline(job) => self.on_deadline(now, job),
                Timer::Hedge(call) => self.on_hedge_due(now, call),
                Timer::Release(id, component) => self.release(now, id, component),
                Timer::Scale => self.on_scale_due(now),
                Timer::Outlier => self.on_outlier_due(now),
                Timer::Lanes => self.queue.unblock_all(),
            }
        }
        self.dispatch(now);
    }

    /// A driver that slept, as a closed laptop does, saw no answers: calls get back the time that nobody watched.
    fn forgive_sleep(&mut self, now: Timestamp) {
        let Some(due) = self.timers.next_at() else { return };
        let slept = now.since(due);
        if slept < SLEEP {
            return;
        }
        let calls: Vec<CallId> = self.calls.iter().map(|(id, _)| CallId(id)).collect();
        for id in calls {
            let Some(call) = self.calls.get_mut(id.0) else { continue };
            let previous = core::mem::replace(&mut call.timeout_at, Timestamp::ZERO);
            call.timeout_at = previous + slept;
            // Nor does the call seem to have taken that long.
            call.started = call.started + slept;
            let later = call.timeout_at;
            self.timers.remove(previous, Timer::Call(id));
            self.timers.insert(later, Timer::Call(id));
        }
    }

    fn on_call_due(&mut self, now: Timestamp, call_id: CallId) {
        let Some(&Call { connection: id, kind, is_aborting, is_given_up, .. }) = self.calls.get(call_id.0)
        else {
            return;
        };
        match kind {
            CallKind::Open => self.on_open_failed(now, call_id, FaultCategory::Timeout),
            CallKind::Ping => self.lose(now, id, FaultCategory::ConnectionLost, None, false),
            CallKind::RecreateDevice => self.on_recreate_failed(now, call_id, FaultCategory::Timeout),
            CallKind::Load | CallKind::Run if !is_given_up && self.may_go_on(now, call_id) => {}
            // Aborted and still not answered: nothing else gets through either.
            CallKind::Load | CallKind::Run | CallKind::Probe if is_aborting => {
                self.lose(now, id, FaultCategory::Timeout, None, true);
            }
            CallKind::Load | CallKind::Run | CallKind::Probe => self.time_out(now, call_id),
        }
        self.queue.unblock_all();
    }

    fn on_breaker_due(&mut self, now: Timestamp, id: ConnectionId, component: Component) {
        let Some(connection) = self.connection_mut(id) else { return };
        let transition = connection.breaker_mut(component).handle_timeout(now);
        if transition.is_some() {
            self.on_transition(now, id, component, transition);
            self.reindex(now, id);
            self.send_probes(now, id);
            self.queue.unblock_all();
        }
    }

    pub(super) fn on_open_due(&mut self, now: Timestamp, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        if connection.state == ConnectionState::Waiting
            && connection.open_at <= now
            && !self.is_held(id, Component::Transport)
        {
            let strategy = connection.repair.map(|trial| trial.strategy);
            self.open(now, id, strategy);
        }
    }

    fn on_deadline(&mut self, now: Timestamp, job: JobId) {
        let Some(entry) = self.jobs.get(job.0) else { return };
        let cause = entry.retry.as_ref().map_or(FaultCategory::Timeout, |retry| retry.fault);
        self.fail(now, job, cause, Verdict::Deadline);
    }
}
