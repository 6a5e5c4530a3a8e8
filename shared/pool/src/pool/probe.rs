//! Golden inferences: a half-open component is tried with a known input before any job is.

use core::time::Duration;

use super::Pool;
use super::state::Call;
use crate::record::CallKind;
use crate::{Action, Backend, BreakerState, ConnectionId, ModelId, ShapeClass, Timestamp};

impl Pool {
    /// Sends a connection the golden inferences that its half-open breakers wait for, as slots allow.
    pub(super) fn send_probes(&mut self, now: Timestamp, id: ConnectionId) {
        for &backend in Backend::ALL {
            self.send_probe(now, id, backend);
        }
    }

    fn send_probe(&mut self, now: Timestamp, id: ConnectionId, backend: Backend) {
        let Some(connection) = self.connection(id) else { return };
        let breaker = connection.breaker(backend.component());
        let is_due = connection.is_reachable(backend)
            && breaker.state() == BreakerState::HalfOpen
            && breaker.n_probes_free() > 0
            && connection.has_free_slot();
        let has_golden = |model: &ModelId| self.models[model.0 as usize].spec.has_golden;
        let golden =
            connection.residents.keys().find(|(model, on)| *on == backend && has_golden(model)).copied();
        let (true, Some((model, _))) = (is_due, golden) else { return };
        let Some(permit) = self.admit(now, id, backend.component()) else { return };
        let call = self.start_call(Call {
            connection: id,
            component: backend.component(),
            kind: CallKind::Probe,
            backend: Some(backend),
            permit: Some(permit),
            model: Some(model),
            shape: ShapeClass(0),
            jobs: Vec::new(),
            attempt: 0,
            queued: Duration::ZERO,
            started: now,
            timeout_at: now + self.config.run_timeout,
            is_aborting: false,
        });
        self.occupy(now, id, call);
        self.act(Action::Probe { connection: id, call, model, backend });
    }
}
