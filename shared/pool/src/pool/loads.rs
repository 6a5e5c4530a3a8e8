//! The breaker on a model's loads: what cannot be loaded anywhere costs no connection its loader.

use super::Pool;
use super::state::Call;
use crate::breaker::{Admission, Breaker, Permit, Transition};
use crate::record::Event;
use crate::timers::Timer;
use crate::{BreakerState, FaultCategory, ModelId, Timestamp, TransitionReason, health};

impl Pool {
    /// Whether a load of the model may be made now; while half-open, one at a time.
    pub(super) fn is_loadable(&self, model: ModelId) -> bool {
        let breaker = &self.models[model.0 as usize].breaker;
        breaker.is_passing() || breaker.n_probes_free() > 0
    }

    /// Leave to load the model.
    pub(super) fn admit_load(&mut self, now: Timestamp, model: ModelId) -> Option<Permit> {
        match self.models[model.0 as usize].breaker.admit() {
            Admission::Allow(permit) => Some(permit),
            Admission::Probe(permit) => {
                self.on_model_transition(now, model, None);
                Some(permit)
            }
            Admission::Refuse { .. } => None,
        }
    }

    /// A load ended. A failure is counted by [`Pool::count_load_failure`], if it speaks against the model.
    pub(super) fn note_load(&mut self, now: Timestamp, call: &Call, is_success: bool) {
        let (Some(model), Some(permit)) = (call.model, call.load_permit) else { return };
        let breaker = &mut self.models[model.0 as usize].breaker;
        if is_success {
            // Loads take as long as the network and the file's size make them: none is slow.
            let transition = breaker.on_success(now, permit, now.since(call.started), false);
            self.on_model_transition(now, model, transition);
        } else {
            breaker.on_ignored(permit);
        }
    }

    /// A load that failed speaks against the connection's loader; once a second connection failed on the same model, it
    /// speaks against the model.
    pub(super) fn count_load_failure(
        &mut self,
        now: Timestamp,
        call: &Call,
        permit: Permit,
        category: FaultCategory,
    ) {
        let Some(model_id) = call.model else { return };
        let model = &mut self.models[model_id.0 as usize];
        model.is_refetch |= category == FaultCategory::Integrity;
        let (first, is_models_fault) = model.failed_on.get_or_insert((call.connection, false));
        *is_models_fault |= *first != call.connection;
        let is_models_fault = *is_models_fault;
        if !is_models_fault {
            return self.count_failure(now, call.connection, call.component, permit, call.started);
        }
        let transition = if model.breaker.state() == BreakerState::HalfOpen {
            model.breaker.trip(now, TransitionReason::ProbesFailed { n_failed: 1, n_probes: 1 })
        } else {
            model.breaker.on_spontaneous_failure(now)
        };
        self.on_model_transition(now, model_id, transition);
        self.ignore(call.connection, call.component, permit);
    }

    /// Time passed for a model's breaker.
    pub(super) fn on_model_breaker_due(&mut self, now: Timestamp, model: ModelId) {
        let transition = self.models[model.0 as usize].breaker.handle_timeout(now);
        self.on_model_transition(now, model, transition);
        self.queue.unblock_all();
    }

    fn on_model_transition(&mut self, now: Timestamp, model: ModelId, transition: Option<Transition>) {
        let breaker: &mut Breaker = &mut self.models[model.0 as usize].breaker;
        let due = breaker.poll_timeout();
        if let Some(transition) = transition {
            let health = health::of_breaker(breaker, now);
            self.record(now, Event::ModelBreaker { model, transition, health });
        }
        if let Some(due) = due {
            self.timers.insert(due, Timer::ModelBreaker(model));
        }
    }
}
