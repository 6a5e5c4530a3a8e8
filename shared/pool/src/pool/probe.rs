//! Golden inferences: a half-open component is tried with a known input before any job is.

use super::Pool;
use super::state::Call;
use crate::record::CallKind;
use crate::{Action, Backend, BreakerState, Connection, ConnectionId, ModelId, Timestamp};

impl Pool {
    /// The driver can answer [`Action::Probe`] for a model from now on: golden inputs were found after it was registered.
    pub fn set_golden(&mut self, now: Timestamp, model: ModelId) {
        let Some(entry) = self.models.get_mut(model.0 as usize) else { return };
        entry.spec.has_golden = true;
        let ids: Vec<ConnectionId> = self.connections().map(|connection| connection.id).collect();
        for id in ids {
            self.reindex(now, id);
            self.send_probes(now, id);
        }
    }

    /// Whether a component is half-open and will be tried with this model's golden inputs, so that no job need be.
    pub(super) fn awaits_golden(&self, id: ConnectionId, backend: Backend, model: ModelId) -> bool {
        let is_half_open = |connection: &Connection| {
            connection.breaker(backend.component()).state() == BreakerState::HalfOpen
        };
        self.models[model.0 as usize].spec.has_golden && self.connection(id).is_some_and(is_half_open)
    }

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
        let probe = Call::new(id, backend.component(), CallKind::Probe, now, self.config.run_timeout);
        let call = self.start_call(Call { permit: Some(permit), model: Some(model), ..probe });
        self.occupy(now, id, call);
        self.act(Action::Probe { connection: id, call, model, backend });
    }
}
