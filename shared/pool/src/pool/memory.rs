//! Memory: what fits where, what makes way, and what is done when too much is in use.

use super::Pool;
use crate::connection::ConnectionState;
use crate::record::{CallKind, Event, UnloadReason};
use crate::sort::sort;
use crate::{Action, Backend, Connection, ConnectionId, ModelId, Timestamp};

impl Pool {
    /// A connection reported how much memory it uses, bytes. Above a limit something is done at once: the connection's own
    /// ([`Capabilities::memory_limit_bytes`](crate::Capabilities)) costs it models that no call uses; that of all together
    /// ([`ScalingConfig::memory_limit_bytes`](crate::ScalingConfig)) costs a connection, or models where there are as few
    /// connections as there may be. It is no sign of life; answers report the same in [`Measured`](crate::Measured).
    pub fn on_memory(&mut self, now: Timestamp, id: ConnectionId, memory_bytes: u64) {
        if self.connection(id).is_some() {
            self.set_memory(id, memory_bytes);
            self.relieve(now, id);
            self.queue.unblock_all();
            self.dispatch(now);
        }
    }

    pub(super) fn set_memory(&mut self, id: ConnectionId, memory_bytes: u64) {
        let Some(connection) = self.connection_mut(id) else { return };
        let before = core::mem::replace(&mut connection.memory_bytes, memory_bytes);
        if !is_leaving(connection.state) {
            self.memory_bytes = self.memory_bytes - before + memory_bytes;
        }
    }

    /// Does something about memory above a limit, whatever the cooldown. What was done once is done again only when still
    /// more is in use: wasm memory that was used once is never given back, only used again.
    pub(super) fn relieve(&mut self, now: Timestamp, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else { return };
        let (used, limit) = (connection.memory_bytes, connection.capabilities.memory_limit_bytes);
        if limit == 0 || used <= limit {
            connection.relieved_at_bytes = 0;
        } else if used > connection.relieved_at_bytes {
            connection.relieved_at_bytes = used;
            self.evict(now, Some(id), used - limit, UnloadReason::Pressure);
        }
        if self.memory_ratio() <= self.config.scaling.memory_ceiling {
            self.relieved_at_bytes = 0;
        } else if self.memory_bytes > self.relieved_at_bytes {
            self.scale_for_memory(now);
        }
    }

    /// Memory of all connections by their common limit; 0 when there is none.
    pub(super) fn memory_ratio(&self) -> f64 {
        let limit = self.config.scaling.memory_limit_bytes;
        if limit == 0 { 0.0 } else { self.memory_bytes as f64 / limit as f64 }
    }

    /// Unloads models that no call uses until all connections together use no more than the ceiling.
    pub(super) fn shed_models(&mut self, now: Timestamp) -> bool {
        if self.memory_bytes <= self.relieved_at_bytes {
            return false;
        }
        self.relieved_at_bytes = self.memory_bytes;
        let scaling = &self.config.scaling;
        let allowed = (scaling.memory_limit_bytes as f64 * scaling.memory_ceiling) as u64;
        self.evict(now, None, self.memory_bytes.saturating_sub(allowed), UnloadReason::Pressure)
    }

    /// Whether there is memory for the model on a connection, that of models which no call uses included.
    pub(super) fn has_memory(&self, connection: &Connection, model: ModelId, backend: Backend) -> bool {
        let needed = self.models[model.0 as usize].spec.memory_bytes;
        let shared_limit = self.config.scaling.memory_limit_bytes;
        if shared_limit > 0 && self.memory_bytes.saturating_add(needed) > shared_limit {
            // A first copy is loaded all the same where it could fit at all: nothing else lets its jobs run.
            if needed > shared_limit || self.index.serves(model) {
                return false;
            }
        }
        let limit = connection.capabilities.memory_limit_bytes;
        if limit == 0 {
            return true;
        }
        let in_use = self.busy_models(connection).into_iter().filter(|&used| used != (model, backend));
        let busy_bytes: u64 = in_use.map(|used| self.resident_bytes(connection, used)).sum();
        needed.saturating_add(busy_bytes) <= limit
    }

    /// Whether the model could ever fit into an empty connection.
    pub(super) fn could_fit(&self, connection: &Connection, model: ModelId) -> bool {
        let needed = self.models[model.0 as usize].spec.memory_bytes;
        let limits = [connection.capabilities.memory_limit_bytes, self.config.scaling.memory_limit_bytes];
        limits.iter().all(|&limit| limit == 0 || needed <= limit)
    }

    /// Unloads models that were not used for longest until the model fits.
    pub(super) fn make_room(&mut self, now: Timestamp, id: ConnectionId, model: ModelId) {
        let needed = self.models[model.0 as usize].spec.memory_bytes;
        let Some(connection) = self.connection(id) else { return };
        let limit = connection.capabilities.memory_limit_bytes;
        let held: u64 = connection.residents.values().map(|resident| resident.memory_bytes).sum();
        let calls = connection.calls.iter().filter_map(|call| self.calls.get(call.0));
        let loading = calls.filter(|call| call.kind == CallKind::Load).filter_map(|call| call.model);
        let coming: u64 = loading.map(|model| self.models[model.0 as usize].spec.memory_bytes).sum();
        if limit > 0 {
            let held = held.saturating_add(coming);
            let excess = held.saturating_add(needed).saturating_sub(limit);
            self.evict(now, Some(id), excess, UnloadReason::Room);
        }
    }

    /// Forgets a resident model.
    pub(super) fn unload(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        (model, backend): (ModelId, Backend),
        reason: UnloadReason,
    ) {
        if let Some(connection) = self.connection_mut(id)
            && connection.residents.remove(&(model, backend)).is_some()
        {
            self.record(now, Event::Unloaded { connection: id, model, backend, reason });
            self.act(Action::Unload { connection: id, model, backend });
        }
    }

    /// Unloads models that no call uses, of one connection or of all, those first that were not used for longest, until
    /// they held `n_bytes`. Tells whether there were any.
    fn evict(
        &mut self,
        now: Timestamp,
        of: Option<ConnectionId>,
        n_bytes: u64,
        reason: UnloadReason,
    ) -> bool {
        let mut idle = Vec::new();
        for connection in self.connections().filter(|connection| of.is_none_or(|id| id == connection.id)) {
            let held = self.idle_models(connection).into_iter();
            let known = held.filter_map(|held| Some((connection.residents.get(&held)?, held)));
            idle.extend(known.map(|(one, held)| (one.last_used, one.memory_bytes, connection.id, held)));
        }
        sort(&mut idle, |a, b| (a.0, a.2) < (b.0, b.2));
        let mut freed_bytes = 0;
        for &(_, memory_bytes, id, held) in &idle {
            if freed_bytes >= n_bytes {
                break;
            }
            // One whose size is not known may have been enough.
            freed_bytes += if memory_bytes == 0 { n_bytes } else { memory_bytes };
            self.unload(now, id, held, reason);
            self.reindex(now, id);
        }
        freed_bytes > 0
    }

    fn resident_bytes(&self, connection: &Connection, resident: (ModelId, Backend)) -> u64 {
        let loaded = connection.residents.get(&resident).map(|resident| resident.memory_bytes);
        loaded.unwrap_or_else(|| self.models[resident.0.0 as usize].spec.memory_bytes)
    }
}

/// Whether a connection is on its way out: what it uses will be free.
pub(super) const fn is_leaving(state: ConnectionState) -> bool {
    matches!(state, ConnectionState::Draining | ConnectionState::Closed)
}
