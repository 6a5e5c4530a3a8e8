//! After a fault: what is done for the connection that met it.

use core::time::Duration;

use super::Pool;
use super::state::Call;
use crate::connection::ConnectionState;
use crate::incident::Role;
use crate::record::{CallKind, Event, UnloadReason};
use crate::recovery::{STABLE_AFTER, Trial, repair_ladder};
use crate::timers::Timer;
use crate::{Action, Backend, CallId, Component, ConnectionId, FaultCategory, Strategy, Timestamp};

/// Devices that may fail to come back before the whole connection is replaced for one.
const PATIENT_REPAIRS: u32 = 3;

impl Pool {
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
                let Some(connection) = self.connection(id) else { return };
                for held in self.idle_models(connection) {
                    self.unload(now, id, held, UnloadReason::OutOfMemory);
                }
            }
            FaultCategory::Numeric | FaultCategory::Integrity | FaultCategory::ModelLoad => {
                self.reload(now, call, backend, category);
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
        self.note_repair(now, id, Trial::new(now, category, component, strategy), Duration::ZERO);
        match (strategy, component.backend()) {
            (Strategy::RecreateDevice, Some(backend)) => self.recreate(now, id, backend),
            _ => self.lose_for_repair(now, id, category),
        }
    }

    /// Takes a model out of a connection, so that the next job that needs it loads it again, or replaces the connection
    /// when that has helped more often.
    fn reload(&mut self, now: Timestamp, call: &Call, backend: Backend, category: FaultCategory) {
        let id = call.connection;
        let (Some(model), Some(connection)) = (call.model, self.connection(id)) else { return };
        let component = call.component;
        let ladder = repair_ladder(category, connection.spec.kind).iter().copied();
        let Some(strategy) = self.playbook.choose(&mut self.rng, category, component, ladder) else { return };
        let trial = Trial::new(now, category, component, strategy);
        if strategy == Strategy::ReloadModel {
            self.unload(now, id, (model, backend), UnloadReason::Fault);
            if let Some(connection) = self.connection_mut(id) {
                connection.reloads.insert((model, backend), trial);
            }
            self.record_repair(now, id, trial, Duration::ZERO);
        } else {
            self.note_repair(now, id, trial, Duration::ZERO);
            self.lose_for_repair(now, id, category);
        }
    }

    /// A model that was loaded again for a fault was used: what failed before works, or something failed again.
    pub(super) fn settle_reload(&mut self, now: Timestamp, call: &Call, is_success: bool) {
        let (Some(model), Some(backend)) = (call.model, call.backend) else { return };
        let Some(connection) = self.connection_mut(call.connection) else { return };
        let Some(trial) = connection.reloads.get_mut(&(model, backend)) else { return };
        // The job would have been run anyway; the load is what the reload costs.
        if call.kind == CallKind::Load {
            trial.slot_time += now.since(call.started);
        }
        let trial = *trial;
        if !is_success || trial.component == call.component {
            connection.reloads.remove(&(model, backend));
            self.learn(now, trial, is_success, trial.impact());
        }
    }

    /// What a component's breaker protects was made anew.
    pub(super) fn note_repaired(&mut self, now: Timestamp, id: ConnectionId, component: Component) {
        if let Some(connection) = self.connection_mut(id) {
            let transition = connection.breaker_mut(component).on_repaired(now);
            self.on_transition(now, id, component, transition);
        }
    }

    fn recreate(&mut self, now: Timestamp, id: ConnectionId, backend: Backend) {
        let timeout = self.config.open_timeout;
        let call =
            self.start_call(Call::new(id, backend.component(), CallKind::RecreateDevice, now, timeout));
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
        }
        self.note_repaired(now, call.connection, call.component);
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
        let (Some(backend), Some(connection)) = (call.backend, self.connections.get_mut(id)) else {
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
        let Some(connection) = self.connections.get_mut(id) else { return };
        let calls = connection.calls.iter().filter_map(|call| self.calls.get(call.0));
        let lost_time: Duration = calls.map(|call| now.since(call.started)).sum();
        connection.planned = connection.repair.take();
        if let Some(trial) = &mut connection.planned {
            trial.slot_time += lost_time;
        }
        self.lose(now, id, category, None, true);
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
        let Some(connection) = self.connections.get_mut(id) else { return };
        let planned = connection.planned.take();
        let chosen = match planned {
            Some(_) => None,
            None => self.playbook.choose(&mut self.rng, category, Component::Transport, respawns),
        };
        connection.repair = planned.or(connection.repair);
        let after = connection.backoff.next(&mut self.rng);
        connection.open_at = now + after;
        self.timers.insert(now + after, Timer::Open(id));
        self.set_state(now, id, ConnectionState::Waiting, Some(category));
        if let Some(strategy) = chosen {
            self.note_repair(now, id, Trial::new(now, category, Component::Transport, strategy), after);
        }
    }

    fn note_repair(&mut self, now: Timestamp, id: ConnectionId, trial: Trial, after: Duration) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        // A fault soon after a recovery shows that it did not hold; one during it, that it failed.
        let previous = connection.repair.replace(trial);
        let ended_well = connection.repaired.take();
        if let Some(previous) = previous {
            self.learn_repair(now, id, previous, false);
        } else if let Some((recovered, at)) = ended_well
            && now.since(at) < STABLE_AFTER
        {
            self.playbook.observe_relapse(recovered);
        }
        self.record_repair(now, id, trial, after);
    }

    fn record_repair(&mut self, now: Timestamp, connection: ConnectionId, trial: Trial, after: Duration) {
        let Trial { category, component, strategy, .. } = trial;
        self.record(now, Event::Recovering { job: None, connection, component, category, strategy, after });
    }

    /// A repair is over.
    pub(super) fn settle_repair(&mut self, now: Timestamp, id: ConnectionId, is_success: bool) {
        let Some(connection) = self.connection_mut(id) else { return };
        let Some(trial) = connection.repair.take() else { return };
        connection.repaired = is_success.then_some((trial, now));
        self.learn_repair(now, id, trial, is_success);
    }

    /// Adds what the connection's slots could have done meanwhile: all of them when nothing else there serves, as far as the
    /// pool had work for them.
    fn learn_repair(&mut self, now: Timestamp, id: ConnectionId, mut trial: Trial, is_success: bool) {
        let Some(connection) = self.connection(id) else { return };
        let is_beside = trial.strategy == Strategy::RecreateDevice
            && connection
                .capabilities
                .backends
                .iter()
                .any(|backend| backend.component() != trial.component && connection.is_serving(backend));
        if !is_beside {
            let n_slots = connection.capabilities.capacity;
            let n_wanted = self.jobs.len() as f64 / f64::from(self.n_slots.max(n_slots).max(1));
            trial.slot_time += (now.since(trial.since) * n_slots).mul_f64(n_wanted.min(1.0));
        }
        self.learn(now, trial, is_success, trial.impact());
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
