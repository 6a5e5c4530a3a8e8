//! Connections come and go.

use super::Pool;
use super::memory::is_leaving;
use super::state::Call;
use crate::backoff::Backoff;
use crate::breaker::Admission;
use crate::connection::{Capabilities, Connection, ConnectionSpec, ConnectionState};
use crate::fault::Blame;
use crate::record::{CallKind, Event};
use crate::timers::Timer;
use crate::{
    Action, Backend, BackendSet, CallId, Component, ConnectionId, FaultCategory, Measured, Scope, Strategy,
    Timestamp,
};

impl Pool {
    /// Adds a connection; the pool then asks the driver to open it.
    pub fn add_connection(&mut self, now: Timestamp, spec: ConnectionSpec) -> ConnectionId {
        self.watch(now);
        let id = self.connections.next_id();
        let configs = self.breaker_configs(&spec.browser);
        let group = self.group(&spec.browser, "");
        let backoff = Backoff::new(self.config.retry.backoff, self.config.retry.max_backoff);
        let connection = Connection::new(id, spec, group, &configs, &mut self.rng, backoff);
        self.connections.add(connection);
        self.open(now, id, None);
        id
    }

    /// Lets a connection finish its calls and then closes it.
    pub fn remove_connection(&mut self, now: Timestamp, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else { return };
        if connection.state == ConnectionState::Ready && !connection.calls.is_empty() {
            self.set_state(now, id, ConnectionState::Draining, None);
        } else {
            self.remove_now(now, id);
        }
        self.dispatch(now);
    }

    /// An `Open` or `Respawn` succeeded.
    pub fn on_ready(&mut self, now: Timestamp, call_id: CallId, capabilities: Capabilities) {
        if self.calls.get(call_id.0).is_none_or(|call| call.kind != CallKind::Open) {
            return;
        }
        let Some(call) = self.end_call(now, call_id, None) else { return };
        let id = call.connection;
        let Some(connection) = self.connection(id) else { return };
        let browser = connection.spec.browser.clone();
        let group = self.group(&browser, &capabilities.adapter);
        if let Some(state) = self.groups.get_mut(usize::from(group.0)) {
            state.is_fallback_adapter = capabilities.is_fallback_adapter;
            state.backends = capabilities.backends.iter().fold(state.backends, BackendSet::with);
        }
        self.regroup(now, id, group);
        let Some(connection) = self.connection_mut(id) else { return };
        connection.capabilities = Capabilities { capacity: capabilities.capacity.max(1), ..capabilities };
        connection.ready_at = now;
        connection.last_seen = now;
        connection.repairing = BackendSet::NONE;
        connection.suspended = BackendSet::NONE;
        connection.n_device_failures = 0;
        let is_replaced = connection.incarnation > 1;
        let transition = call.permit.and_then(|permit| {
            connection.breaker_mut(Component::Transport).on_success(
                now,
                permit,
                now.since(call.started),
                false,
            )
        });
        self.on_transition(now, id, Component::Transport, transition);
        if is_replaced {
            for &component in Component::ALL.iter().filter(|&&component| component != Component::Transport) {
                self.note_repaired(now, id, component);
            }
        }
        self.suspend_held(id);
        self.set_state(now, id, ConnectionState::Ready, None);
        self.note_open(now, id, now.since(call.started));
        self.arm_heartbeat(now, id);
        self.settle_repair(now, id, true);
        // A new worker has new devices.
        for &component in Component::ALL {
            self.conclude(now, id, component, true);
        }
        self.queue.unblock_all();
        self.dispatch(now);
    }

    /// The process or link of a connection is gone. Everything in flight there is retried, and it is opened again.
    pub fn on_connection_lost(&mut self, now: Timestamp, id: ConnectionId, category: FaultCategory) {
        self.lose(now, id, category, None, false);
        self.dispatch(now);
    }

    /// Takes a connection down. The fault counts once: against the component of the call that met it (`culprit`, else the
    /// oldest), or against the link, unless it `is_counted` already.
    pub(super) fn lose(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        category: FaultCategory,
        culprit: Option<CallId>,
        mut is_counted: bool,
    ) {
        let Some(connection) = self.connection_mut(id) else { return };
        let was = connection.state;
        if matches!(was, ConnectionState::Waiting | ConnectionState::Closed) {
            return;
        }
        connection.health_before = connection.health(now);
        connection.residents.clear();
        connection.reloads.clear();
        connection.repairing = BackendSet::NONE;
        connection.relieved_at_bytes = 0;
        let others = connection.calls.iter().chain(&connection.side_calls).copied();
        let calls: Vec<CallId> =
            culprit.into_iter().chain(others.filter(|&call| Some(call) != culprit)).collect();
        self.set_memory(id, 0);
        let mut victims = Vec::new();
        for call_id in calls {
            let Some(call) = self.end_call(now, call_id, Some(category)) else { continue };
            let counts = !is_counted
                && (call.component == Component::Transport || category.blame() == Blame::Component);
            if let (true, Some(permit)) = (counts, call.permit) {
                is_counted = true;
                self.count_failure(now, id, call.component, permit, call.started);
            } else if let Some(permit) = call.permit {
                self.ignore(id, call.component, permit);
            }
            victims.push((call_id, call));
        }
        if !is_counted {
            self.count_spontaneous(now, id, Component::Transport);
        }
        for &backend in Backend::ALL {
            self.conclude(now, id, backend.component(), false);
        }
        if was == ConnectionState::Draining {
            self.remove_now(now, id);
        } else {
            self.schedule_open(now, id, category);
            self.correlate(now, id, Component::Transport, category);
        }
        for (call_id, call) in victims {
            for &job in &call.jobs {
                self.retry_or_fail(now, job, call_id, &call, category);
            }
        }
        self.queue.unblock_all();
    }

    /// Opens a connection now, or when its transport breaker allows.
    pub(super) fn open(&mut self, now: Timestamp, id: ConnectionId, strategy: Option<Strategy>) {
        let Some(connection) = self.connection_mut(id) else { return };
        let permit = match connection.breaker_mut(Component::Transport).admit() {
            Admission::Allow(permit) | Admission::Probe(permit) => permit,
            Admission::Refuse { until } => {
                // Without a time it is an operator who holds it open, and who wakes it by letting go.
                connection.open_at = until.unwrap_or(Timestamp::ZERO);
                if let Some(until) = until {
                    self.timers.insert(until, Timer::Open(id));
                }
                return;
            }
        };
        connection.incarnation += 1;
        let is_first = connection.incarnation == 1;
        let timeout = self.open_timeout(id, strategy);
        let open = Call::new(id, Component::Transport, CallKind::Open, now, timeout);
        let call = self.start_call(Call { permit: Some(permit), ..open });
        if let Some(connection) = self.connection_mut(id) {
            connection.side_calls.push(call);
        }
        self.on_transition(now, id, Component::Transport, None);
        self.set_state(now, id, ConnectionState::Opening, None);
        let scope = match strategy {
            Some(Strategy::RestartBrowser) => Scope::Browser,
            Some(Strategy::RespawnIframe) => Scope::Iframe,
            _ => Scope::Worker,
        };
        self.act(if is_first {
            Action::Open { connection: id, call }
        } else {
            Action::Respawn { connection: id, call, scope }
        });
    }

    /// Changes a connection's state and everything that counts it.
    pub(super) fn set_state(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        to: ConnectionState,
        cause: Option<FaultCategory>,
    ) {
        let Some(connection) = self.connection_mut(id) else { return };
        let (from, group, capacity) = (connection.state, connection.group, connection.capabilities.capacity);
        if from == to {
            return;
        }
        connection.state = to;
        let memory_bytes = connection.memory_bytes;
        if is_leaving(to) && !is_leaving(from) {
            self.memory_bytes -= memory_bytes;
        }
        let group = &mut self.groups[usize::from(group.0)];
        match (from == ConnectionState::Ready, to == ConnectionState::Ready) {
            (false, true) => {
                group.n_ready += 1;
                self.n_slots += capacity;
            }
            (true, false) => {
                group.n_ready -= 1;
                self.n_slots -= capacity;
            }
            (true, true) | (false, false) => {}
        }
        self.reindex(now, id);
        self.record(now, Event::Connection { connection: id, to, cause });
    }

    /// Closes a connection for good; its jobs go elsewhere.
    pub(super) fn remove_now(&mut self, now: Timestamp, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else { return };
        let calls: Vec<CallId> = connection.calls.iter().chain(&connection.side_calls).copied().collect();
        connection.residents.clear();
        self.set_state(now, id, ConnectionState::Closed, None);
        for call_id in calls {
            if let Some(call) = self.end_call(now, call_id, Some(FaultCategory::Cancelled)) {
                for &job in &call.jobs {
                    self.retry_or_fail(now, job, call_id, &call, FaultCategory::ConnectionLost);
                }
            }
        }
        if let Some(connection) = self.connection_mut(id) {
            let heartbeat_at = connection.heartbeat_at.take();
            if let Some(at) = heartbeat_at {
                self.timers.remove(at, Timer::Heartbeat(id));
            }
        }
        for &backend in Backend::ALL {
            self.index.set_half_open(backend, id, false);
        }
        self.connections.remove(id);
        self.forget_in_incidents(now, id);
        self.latencies.forget_member(id);
        self.act(Action::Close { connection: id });
        self.queue.unblock_all();
    }

    /// Sends a ping, unless the connection was heard of lately or cannot answer now.
    pub(super) fn on_heartbeat_due(&mut self, now: Timestamp, id: ConnectionId) {
        let interval = self.config.heartbeat.interval;
        let timeout = self.config.heartbeat.timeout;
        let Some(connection) = self.connection_mut(id) else { return };
        connection.heartbeat_at = None;
        if !matches!(connection.state, ConnectionState::Ready | ConnectionState::Draining) {
            return;
        }
        let is_silent = now.since(connection.last_seen) >= interval;
        let can_answer = connection.spec.answers_while_busy || connection.calls.is_empty();
        if is_silent && can_answer {
            let call = self.start_call(Call::new(id, Component::Transport, CallKind::Ping, now, timeout));
            if let Some(connection) = self.connection_mut(id) {
                connection.side_calls.push(call);
            }
            self.act(Action::Ping { connection: id, call });
        } else {
            self.arm_heartbeat(now, id);
        }
    }

    /// The next ping is due one interval after the last sign of life.
    pub(super) fn arm_heartbeat(&mut self, now: Timestamp, id: ConnectionId) {
        let interval = self.config.heartbeat.interval;
        let Some(connection) = self.connection_mut(id) else { return };
        let mut due = connection.last_seen + interval;
        if due <= now {
            due = now + interval;
        }
        let previous = connection.heartbeat_at.replace(due);
        if let Some(previous) = previous {
            self.timers.remove(previous, Timer::Heartbeat(id));
        }
        self.timers.insert(due, Timer::Heartbeat(id));
    }

    pub(super) fn note_alive(&mut self, now: Timestamp, id: ConnectionId, measured: Measured) {
        if let Some(connection) = self.connection_mut(id) {
            connection.last_seen = now;
        }
        if let Some(memory_bytes) = measured.memory_bytes {
            self.set_memory(id, memory_bytes);
        }
    }

    fn regroup(&mut self, now: Timestamp, id: ConnectionId, group: crate::GroupId) {
        // Its entries stand under the old group until they are taken out.
        if let Some(connection) = self.connection_mut(id)
            && connection.group != group
        {
            let state = connection.state;
            connection.state = ConnectionState::Opening;
            self.reindex(now, id);
            if let Some(connection) = self.connection_mut(id) {
                connection.group = group;
                connection.state = state;
            }
        }
    }
}
