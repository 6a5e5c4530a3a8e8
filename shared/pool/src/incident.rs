//! Correlated faults: several connections of one failure domain that fail alike within a moment have one cause, and get
//! one recovery.
//!
//! The first to fail leads: it alone is repaired, while the others are held. When it works again they return one after
//! the other; when it fails again the next one leads, so that a leader that is broken by itself holds nobody for long.

use std::collections::VecDeque;

use crate::config::IncidentConfig;
use crate::sorted_map::SortedMap;
use crate::{Component, ConnectionId, FaultCategory, Timestamp};

/// Faults remembered per domain, component and category.
const MAX_RECENT: usize = 64;

/// Where an incident is: failure domain and component.
pub(crate) type Site = (u32, Component);

/// What a fault means for the connection that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is on its own, or leads: repair it.
    Repair,
    /// Others lead: hold it.
    Held,
}

/// What has to be told about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) site: Site,
    pub(crate) category: FaultCategory,
    pub(crate) n_members: u32,
}

/// What follows from the end of a leader's repair.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The connection leads no incident.
    Unrelated,
    /// It works: these return in turn.
    Return(Notice, Vec<ConnectionId>),
    /// It failed: this one leads now.
    Lead(Notice, ConnectionId),
}

#[derive(Debug)]
struct Incident {
    category: FaultCategory,
    leader: ConnectionId,
    held: VecDeque<ConnectionId>,
}

#[derive(Debug, Default)]
pub(crate) struct Incidents {
    recent: SortedMap<(Site, FaultCategory), VecDeque<(Timestamp, ConnectionId)>>,
    active: SortedMap<Site, Incident>,
}

impl Incidents {
    /// A connection met a fault at `site`. Gives its role, and the incident when this fault made one.
    pub(crate) fn on_fault(
        &mut self,
        now: Timestamp,
        site: Site,
        category: FaultCategory,
        id: ConnectionId,
        config: &IncidentConfig,
    ) -> (Role, Option<Notice>) {
        if let Some(incident) = self.active.get_mut(&site) {
            if incident.leader == id {
                return (Role::Repair, None);
            }
            if !incident.held.contains(&id) {
                incident.held.push_back(id);
            }
            return (Role::Held, None);
        }
        let recent = self.recent.get_or_insert((site, category), VecDeque::new());
        recent.retain(|&(at, other)| now.since(at) <= config.window && other != id);
        recent.push_back((now, id));
        if recent.len() > MAX_RECENT {
            recent.pop_front();
        }
        if recent.len() < config.minimum_members.max(2) as usize {
            return (Role::Repair, None);
        }
        // Those before it are being repaired already; the first of them shows whether the cause is gone.
        let leader = recent.front().map_or(id, |&(_, first)| first);
        let n_members = recent.len() as u32;
        self.recent.remove(&(site, category));
        self.active.insert(site, Incident { category, leader, held: VecDeque::from([id]) });
        (Role::Held, Some(Notice { site, category, n_members }))
    }

    /// The repair of a connection at `site` ended.
    pub(crate) fn on_repaired(&mut self, site: Site, id: ConnectionId, is_success: bool) -> Verdict {
        if is_success {
            // Whoever works again shares no cause with what fails next.
            for (_, recent) in self.recent.iter_mut().filter(|((other, _), _)| *other == site) {
                recent.retain(|&(_, other)| other != id);
            }
        }
        let Some(incident) = self.active.get_mut(&site).filter(|incident| incident.leader == id) else {
            return Verdict::Unrelated;
        };
        let n_members = incident.held.len() as u32 + 1;
        let notice = Notice { site, category: incident.category, n_members };
        if is_success {
            let held = self.active.remove(&site).map(|incident| incident.held.into()).unwrap_or_default();
            return Verdict::Return(notice, held);
        }
        match incident.held.pop_front() {
            Some(next) => {
                incident.held.push_back(id);
                incident.leader = next;
                Verdict::Lead(notice, next)
            }
            None => Verdict::Lead(notice, id),
        }
    }

    /// A connection is gone for good. Gives who leads in its place, if it led.
    pub(crate) fn forget(&mut self, id: ConnectionId) -> Vec<(Site, ConnectionId)> {
        let mut successors = Vec::new();
        self.active.retain(|&site, incident| {
            incident.held.retain(|&held| held != id);
            if incident.leader != id {
                return true;
            }
            let Some(next) = incident.held.pop_front() else { return false };
            incident.leader = next;
            successors.push((site, next));
            true
        });
        self.recent.retain(|_, recent| {
            recent.retain(|&(_, other)| other != id);
            !recent.is_empty()
        });
        successors
    }

    /// Entries by collection.
    pub(crate) fn footprint(&self) -> [(&'static str, usize); 3] {
        [
            ("incidents", self.active.len()),
            ("recent faults", self.recent.values().map(VecDeque::len).sum()),
            ("fault sites", self.recent.len()),
        ]
    }

    /// Whether an incident holds a connection back at `site`.
    pub(crate) fn is_held(&self, site: Site, id: ConnectionId) -> bool {
        self.active.get(&site).is_some_and(|incident| incident.held.contains(&id))
    }
}

#[cfg(test)]
mod tests;
