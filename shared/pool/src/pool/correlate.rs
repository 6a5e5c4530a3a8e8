//! Incidents: connections that are held while one of them shows whether the shared cause is gone.

use super::Pool;
use crate::connection::ConnectionState;
use crate::incident::{Notice, Role, Site, Verdict};
use crate::record::{Event, IncidentPhase};
use crate::timers::Timer;
use crate::{Backend, Component, ConnectionId, FaultCategory, Timestamp};

impl Pool {
    /// Tells whether a fault is this connection's own, or shared and dealt with elsewhere.
    pub(super) fn correlate(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        component: Component,
        category: FaultCategory,
    ) -> Role {
        let Some(site) = self.site(id, component) else { return Role::Repair };
        let (role, opened) = self.incidents.on_fault(now, site, category, id, &self.config.incident);
        if let Some(notice) = opened {
            self.tell(now, notice, IncidentPhase::Opened);
        }
        if role == Role::Held {
            self.suspend_held(id);
            self.reindex(now, id);
        }
        role
    }

    /// The repair of a connection ended: if it led an incident, the others follow.
    pub(super) fn conclude(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        component: Component,
        is_success: bool,
    ) {
        let Some(site) = self.site(id, component) else { return };
        match self.incidents.on_repaired(site, id, is_success) {
            Verdict::Unrelated => {}
            Verdict::Return(notice, held) => {
                self.tell(now, notice, IncidentPhase::Returning);
                let mut at = now;
                for member in held {
                    at = at + self.config.incident.stagger;
                    self.timers.insert(at, Timer::Release(member, component));
                }
            }
            Verdict::Lead(notice, next) => {
                self.tell(now, notice, IncidentPhase::Failed);
                if next != id {
                    // The next one waits as long as this one would have.
                    let at = self.connection(id).map_or(now, |connection| connection.open_at.max(now));
                    self.timers.insert(at, Timer::Release(next, component));
                }
            }
        }
    }

    /// A connection that was held gets its own repair.
    pub(super) fn release(&mut self, now: Timestamp, id: ConnectionId, component: Component) {
        let Some(connection) = self.connection_mut(id) else { return };
        match component.backend() {
            None => {
                connection.open_at = connection.open_at.min(now);
                self.on_open_due(now, id);
            }
            Some(backend) => {
                connection.suspended = connection.suspended.without(backend);
                if connection.state == ConnectionState::Ready && !connection.repairing.contains(backend) {
                    self.start_repair(now, id, component, FaultCategory::DeviceLost);
                }
                self.reindex(now, id);
            }
        }
    }

    /// Whether an incident keeps a component from being repaired.
    pub(super) fn is_held(&self, id: ConnectionId, component: Component) -> bool {
        self.site(id, component).is_some_and(|site| self.incidents.is_held(site, id))
    }

    /// Takes the backends that incidents hold out of service.
    pub(super) fn suspend_held(&mut self, id: ConnectionId) {
        for &backend in Backend::ALL {
            if self.is_held(id, backend.component())
                && let Some(connection) = self.connection_mut(id)
            {
                connection.suspended = connection.suspended.with(backend);
            }
        }
    }

    pub(super) fn forget_in_incidents(&mut self, now: Timestamp, id: ConnectionId) {
        for ((_, component), successor) in self.incidents.forget(id) {
            self.timers.insert(now, Timer::Release(successor, component));
        }
    }

    fn site(&self, id: ConnectionId, component: Component) -> Option<Site> {
        Some((self.connection(id)?.spec.domain, component))
    }

    fn tell(&mut self, now: Timestamp, notice: Notice, phase: IncidentPhase) {
        let Notice { site: (domain, component), category, n_members } = notice;
        self.record(now, Event::Incident { domain, component, category, n_members, phase });
    }
}
