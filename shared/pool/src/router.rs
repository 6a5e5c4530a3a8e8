//! Finds the place where a job's result is expected soonest, in time logarithmic in the number of connections.
//!
//! Connections of one group (same browser, same adapter) share latency estimates, so within a group only a member's own
//! factor and health rank it: the index keeps every free place sorted by that rank. A decision then compares one place per
//! group and backend.

use crate::block_set::BlockSet;
use crate::sorted_map::SortedMap;
use crate::{Backend, ConnectionId, GroupId, ModelId, Timestamp};

/// Steps of [`Entry::rank`] per factor e.
pub(crate) const RANK_SCALE: f64 = 8.0;

/// One free place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// The model that is loaded there; `None` stands for the connection itself, whatever it holds.
    pub(crate) model: Option<ModelId>,
    pub(crate) backend: Backend,
    pub(crate) group: GroupId,
    /// How much longer than its group's mean a call should take here, as a logarithm in steps of 1/8: the member's own
    /// factor where it is certain, and what its health costs. Equal ranks take turns.
    pub(crate) rank: i16,
    pub(crate) n_calls: u32,
    pub(crate) last_used: Timestamp,
    pub(crate) connection: ConnectionId,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    free: BlockSet<Entry>,
    /// Places that serve, free or busy.
    serving: SortedMap<(Option<ModelId>, Backend, GroupId), u32>,
    /// Half-open places with a free slot and a free probe.
    half_open: SortedMap<(Backend, ConnectionId), ()>,
}

impl Index {
    pub(crate) fn insert(&mut self, entry: Entry) {
        self.free.insert(entry);
    }

    pub(crate) fn remove(&mut self, entry: &Entry) {
        self.free.remove(entry);
    }

    /// The best free place of a kind that `is_allowed`. Looks at no more places than a job can have reasons to avoid.
    pub(crate) fn best(
        &self,
        model: Option<ModelId>,
        backend: Backend,
        group: GroupId,
        is_allowed: impl Fn(ConnectionId) -> bool,
    ) -> Option<Entry> {
        const MAX_AVOIDED: usize = 8;
        let low = Entry {
            model,
            backend,
            group,
            rank: i16::MIN,
            n_calls: 0,
            last_used: Timestamp::ZERO,
            connection: ConnectionId(0),
        };
        self.free
            .from(&low)
            .take_while(|entry| entry.model == model && entry.backend == backend && entry.group == group)
            .take(MAX_AVOIDED)
            .find(|entry| is_allowed(entry.connection))
            .copied()
    }

    /// Whether any connection has a free slot.
    pub(crate) fn has_free(&self) -> bool {
        !self.free.is_empty() || !self.half_open.is_empty()
    }

    pub(crate) fn serve(&mut self, model: Option<ModelId>, backend: Backend, group: GroupId) {
        *self.serving.get_or_insert((model, backend, group), 0) += 1;
    }

    pub(crate) fn unserve(&mut self, model: Option<ModelId>, backend: Backend, group: GroupId) {
        if let Some(n_places) = self.serving.get_mut(&(model, backend, group)) {
            *n_places -= 1;
            if *n_places == 0 {
                self.serving.remove(&(model, backend, group));
            }
        }
    }

    /// Connections of a group that serve a model on a backend (`None`: any model), free or busy.
    pub(crate) fn n_serving(&self, model: Option<ModelId>, backend: Backend, group: GroupId) -> u32 {
        self.serving.get(&(model, backend, group)).copied().unwrap_or(0)
    }

    /// Whether any connection serves a model, free or busy.
    pub(crate) fn serves(&self, model: ModelId) -> bool {
        self.serving.keys().any(|&(served, ..)| served == Some(model))
    }

    /// Entries by collection.
    pub(crate) fn footprint(&self) -> [(&'static str, usize); 3] {
        [
            ("free places", self.free.len()),
            ("half-open places", self.half_open.len()),
            ("serving places", self.serving.len()),
        ]
    }

    pub(crate) fn set_half_open(&mut self, backend: Backend, connection: ConnectionId, is_half_open: bool) {
        if is_half_open {
            self.half_open.insert((backend, connection), ());
        } else if !self.half_open.is_empty() {
            self.half_open.remove(&(backend, connection));
        }
    }

    /// Half-open places in order, a few.
    pub(crate) fn half_open(&self) -> impl Iterator<Item = (Backend, ConnectionId)> {
        const MAX_LOOKED_AT: usize = 8;
        self.half_open.keys().take(MAX_LOOKED_AT).copied()
    }
}
