//! What the pool looks at from time to time: its size, and its members beside each other.

use core::time::Duration;

use super::Pool;
use super::memory::is_leaving;
use crate::breaker::BreakerState;
use crate::connection::ConnectionState;
use crate::outlier::{Member, outliers};
use crate::record::{Event, ScaleReason};
use crate::root_cause::{Finding, Observation};
use crate::scaling::{Load, Step};
use crate::timers::Timer;
use crate::{
    Backend, Component, ConnectionId, Factor, FaultCategory, GroupId, RootCause, SharedFactor, Timestamp,
    TransitionReason,
};

impl Pool {
    /// Opens the fewest connections that the configuration asks for, and starts to watch. Without templates in
    /// [`ScalingConfig`](crate::ScalingConfig) the driver adds connections itself and need not call this.
    pub fn start(&mut self, now: Timestamp) {
        self.watch(now);
        if !self.config.scaling.templates.is_empty() {
            for _ in 0..self.config.scaling.min_connections {
                self.scale(now);
            }
        }
    }

    /// Arms what recurs.
    pub(super) fn watch(&mut self, now: Timestamp) {
        if self.is_watching || self.is_closing {
            return;
        }
        self.is_watching = true;
        if !self.config.scaling.templates.is_empty() {
            self.timers.insert(now + self.config.scaling.interval, Timer::Scale);
        }
        if self.config.outlier.is_enabled {
            self.timers.insert(now + self.config.outlier.interval, Timer::Outlier);
        }
    }

    pub(super) fn on_scale_due(&mut self, now: Timestamp) {
        if self.is_closing {
            return;
        }
        self.timers.insert(now + self.config.scaling.interval, Timer::Scale);
        self.scale(now);
    }

    /// Makes one step towards the right number of connections, if one is due.
    pub(super) fn scale(&mut self, now: Timestamp) {
        let load = self.load();
        if let Some(step) = self.scaler.step(now, &load, &self.config.scaling) {
            self.take_step(now, &load, step);
        }
    }

    /// More memory is in use than should be: makes one step at once.
    pub(super) fn scale_for_memory(&mut self, now: Timestamp) {
        let load = self.load();
        if let Some(step) = self.scaler.relieve(now, &load, &self.config.scaling) {
            self.take_step(now, &load, step);
        }
    }

    fn take_step(&mut self, now: Timestamp, load: &Load, step: Step) {
        let (to, reason) = match step {
            Step::Up(reason) => {
                let templates = &self.config.scaling.templates;
                let spec = templates[self.n_scaled_up % templates.len()].clone();
                self.n_scaled_up += 1;
                self.add_connection(now, spec);
                (load.n_connections + 1, reason)
            }
            Step::Down(reason) => {
                let Some(id) = self.least_useful(now, reason) else { return };
                self.remove_connection(now, id);
                (load.n_connections - 1, reason)
            }
            Step::Shed if self.shed_models(now) => (load.n_connections, ScaleReason::Memory),
            Step::Shed => return,
        };
        self.record(
            now,
            Event::Scaled {
                from: load.n_connections,
                to,
                reason,
                utilization: load.utilization(),
                n_queued: load.n_queued,
                queue_delay: load.queue_delay,
                memory_ratio: load.memory_ratio,
            },
        );
    }

    fn load(&self) -> Load {
        let live = || self.connections().filter(|connection| !is_leaving(connection.state));
        let ready = || live().filter(|connection| connection.state == ConnectionState::Ready);
        let n_slots: u32 = ready().map(|connection| connection.capabilities.capacity).sum();
        let n_busy: usize = ready().map(|connection| connection.calls.len()).sum();
        Load {
            n_connections: live().count() as u32,
            n_opening: live().filter(|c| c.state != ConnectionState::Ready).count() as u32,
            n_slots,
            n_busy: n_busy as u32,
            n_queued: self.queue.len(),
            queue_delay: self.expected_wait_per_place() * self.queue.len() as u32,
            memory_ratio: self.memory_ratio(),
        }
    }

    /// The connection that is missed least: not open, else idle, else unhealthy; for want of memory, the one that uses most
    /// of the idle.
    fn least_useful(&mut self, now: Timestamp, reason: ScaleReason) -> Option<ConnectionId> {
        let is_for_memory = reason == ScaleReason::Memory;
        let ids: Vec<ConnectionId> = self.connections().map(|connection| connection.id).collect();
        let ranked = ids.into_iter().filter_map(|id| {
            let connection = self.connection_mut(id)?;
            let is_ready = connection.state == ConnectionState::Ready && !is_for_memory;
            let freed_bytes = if is_for_memory { connection.memory_bytes } else { 0 };
            let rank = (is_ready, connection.calls.len(), u64::MAX - freed_bytes);
            (!is_leaving(connection.state)).then(|| (rank, connection.health(now), id))
        });
        let least = ranked.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(b.2.cmp(&a.2)));
        least.map(|(.., id)| id)
    }

    /// Judges the members of every backend against each other, and ejects the outliers.
    pub(super) fn on_outlier_due(&mut self, now: Timestamp) {
        if self.is_closing {
            return;
        }
        self.timers.insert(now + self.config.outlier.interval, Timer::Outlier);
        for &backend in Backend::ALL {
            let component = backend.component();
            let mut ids = Vec::new();
            let mut members = Vec::new();
            for connection in self.connections.iter_mut() {
                if connection.state != ConnectionState::Ready
                    || !connection.capabilities.backends.contains(backend)
                {
                    continue;
                }
                let id = connection.id;
                let breaker = connection.breaker_mut(component);
                ids.push(id);
                members.push(Member {
                    is_ejected: breaker.state() != BreakerState::Closed,
                    window: breaker.window(now),
                    slower_ln: self.latencies.member_offset(id, backend),
                    slowed_ln: self.latencies.member_drift(id, backend),
                });
            }
            for member in outliers(&members, &self.config.outlier) {
                self.eject(now, ids[member], component);
            }
        }
    }

    fn eject(&mut self, now: Timestamp, id: ConnectionId, component: Component) {
        let Some(connection) = self.connection_mut(id) else { return };
        let transition = connection.breaker_mut(component).trip(now, TransitionReason::Outlier);
        if let Some(backend) = component.backend() {
            // What made it an outlier is judged afresh when it is back.
            self.latencies.forget_member_on(id, backend);
        }
        self.on_transition(now, id, component, transition);
        self.reindex(now, id);
    }

    /// Takes a call into the root-cause analysis.
    pub(super) fn analyse(
        &mut self,
        now: Timestamp,
        call: &super::state::Call,
        fault: Option<FaultCategory>,
    ) {
        let (Some(model), Some(backend), Some(connection)) =
            (call.model, call.backend, self.connection(call.connection))
        else {
            return;
        };
        let quarters = connection.memory_bytes.saturating_mul(4);
        let memory_quarter =
            quarters.checked_div(connection.capabilities.memory_limit_bytes).unwrap_or(0).min(4);
        let age = now.since(connection.ready_at);
        let group = connection.group;
        let values = Factor::ALL.iter().map(|factor| match factor {
            Factor::Browser => u32::from(self.groups[usize::from(group.0)].browser_id.0),
            Factor::Backend => backend as u32,
            Factor::Adapter => u32::from(group.0),
            Factor::Model => model.0,
            Factor::Precision => self.models[model.0 as usize].spec.precision as u32,
            Factor::Shape => call.shape.0,
            Factor::Age => AGES.iter().position(|&(limit, _)| age < limit).unwrap_or(AGES.len() - 1) as u32,
            Factor::Memory => memory_quarter as u32,
            Factor::Connection => call.connection.0,
        });
        let mut array = [0; crate::root_cause::N_FACTORS];
        array.iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
        if let Some(finding) = self.analyst.observe(Observation { at: now, fault, values: array }) {
            let root_cause = self.name(finding);
            self.record(now, Event::RootCause(root_cause));
        }
    }

    fn name(&self, finding: Finding) -> RootCause {
        let group = |value: u32| self.groups.get(usize::from(GroupId(value as u16).0));
        let factors = finding.factors.into_iter().map(|(factor, value, table, p_value)| SharedFactor {
            factor,
            value: match factor {
                Factor::Browser => group(value).map_or_else(String::new, |group| group.browser.clone()),
                Factor::Adapter => group(value).map_or_else(String::new, |group| group.adapter.clone()),
                Factor::Backend => Backend::ALL[value as usize].to_string(),
                Factor::Model => self.models[value as usize].spec.name.clone(),
                Factor::Precision => crate::Precision::ALL[value as usize].to_string(),
                Factor::Shape => value.to_string(),
                Factor::Age => AGES[value as usize].1.to_owned(),
                Factor::Memory => MEMORIES[value as usize].to_owned(),
                Factor::Connection => ConnectionId(value).to_string(),
            },
            n_failed_with: table[0],
            n_failed_without: table[1],
            n_ok_with: table[2],
            n_ok_without: table[3],
            p_value,
        });
        RootCause { category: finding.category, n_faults: finding.n_faults, factors: factors.collect() }
    }
}

/// Classes of [`Factor::Age`].
const AGES: [(Duration, &str); 4] = [
    (Duration::from_secs(60), "below 1 min"),
    (Duration::from_secs(600), "1 to 10 min"),
    (Duration::from_secs(3600), "10 to 60 min"),
    (Duration::MAX, "above 1 h"),
];
/// Classes of [`Factor::Memory`].
const MEMORIES: [&str; 5] = ["below 25 %", "25 to 50 %", "50 to 75 %", "75 to 100 %", "above its limit"];
