//! Keeps the router's index up to date with the connections.

use super::Pool;
use crate::router::{Entry, RANK_SCALE};
use crate::{Backend, BreakerState, ConnectionId, ModelId, Timestamp, health};

impl Pool {
    /// Brings the router's index up to date with a connection.
    pub(super) fn reindex(&mut self, now: Timestamp, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        for entry in connection.indexed.drain(..) {
            self.index.remove(&entry);
        }
        let group = connection.group;
        let has_free_slot = connection.has_free_slot();
        // Nobody waits for a connection whose calls are all overdue.
        let is_stuck = !has_free_slot
            && connection.calls.iter().all(|call| self.calls.get(call.0).is_some_and(|call| call.is_overdue));
        let mut served = Vec::with_capacity(connection.served.len());
        for backend in Backend::ALL.iter().copied() {
            let component = backend.component();
            let has_golden = |(model, on): &(ModelId, Backend)| {
                *on == backend && self.models[model.0 as usize].spec.has_golden
            };
            // Golden inferences spare the jobs being tried on a component that may still be broken.
            let is_probed_by_jobs = connection.is_reachable(backend)
                && has_free_slot
                && connection.breaker(component).state() == BreakerState::HalfOpen
                && connection.breaker(component).n_probes_free() > 0
                && !connection.residents.keys().any(has_golden);
            self.index.set_half_open(backend, id, is_probed_by_jobs);
            if !connection.is_serving(backend) {
                continue;
            }
            served.push((None, backend));
            let residents = connection.residents.keys().filter(|(_, on)| *on == backend && !is_stuck);
            served.extend(residents.map(|&(model, _)| (Some(model), backend)));
            if !has_free_slot {
                continue;
            }
            let health = health::of_breaker(connection.breaker_mut(component), now).max(1.0);
            let cost_ln = self.latencies.member_offset(id, backend) + (100.0 / health).ln();
            let entry = Entry {
                model: None,
                backend,
                group,
                rank: (cost_ln * RANK_SCALE).round().clamp(-1000.0, 1000.0) as i16,
                n_calls: connection.calls.len() as u32,
                last_used: connection.last_used,
                connection: id,
            };
            let first = served.iter().rposition(|&(model, _)| model.is_none()).unwrap_or(0);
            for &(model, _) in &served[first..] {
                let entry = Entry { model, ..entry };
                self.index.insert(entry);
                connection.indexed.push(entry);
            }
        }
        if served != connection.served {
            for &(model, backend) in &connection.served {
                self.index.unserve(model, backend, group);
            }
            for &(model, backend) in &served {
                self.index.serve(model, backend, group);
            }
            connection.served = served;
        }
    }
}
