//! When one more place is worth a load: ski rental, in which waiting is the rent and a load is the price.
//!
//! Each decision to wait may be right, one run being shorter than a load, and their sum wrong. So the time for which jobs of a
//! model waited beside a free place that could hold it is summed up, and once it has cost as much as the load, the load is
//! made: at most twice what knowing the future would have cost (Karlin, Manasse, Rudolph, Sleator 1988, "Competitive
//! snoopy caching"). The sum leaks, so that short bursts far apart never make up for a load.

use super::Pool;
use crate::time::micros;
use crate::{ConnectionId, ModelId, Timestamp};

/// Waiting for less than one part in this many of the time is no reason for a load. A model that makes way for another must
/// have been idle for this many loads: as long as a whole load's regret takes to leak.
const LEAK: u64 = 20;

/// What waiting for the busy places of one model has cost.
#[derive(Debug, Default)]
pub(super) struct Regret {
    /// Time for which its jobs waited while a place that could have served them was free.
    pub(super) micros: u64,
    decided_at: Timestamp,
    /// Whether the last decision was to wait beside such a place.
    pub(super) is_waiting: bool,
}

impl Regret {
    /// Counts the time since the last decision, if the job that is next, `submitted` then, has waited since.
    pub(super) fn count(&mut self, now: Timestamp, submitted: Timestamp) {
        let elapsed = micros(now.since(self.decided_at));
        if elapsed > 0 {
            self.micros = self.micros.saturating_sub(elapsed / LEAK);
            if core::mem::take(&mut self.is_waiting) {
                self.micros += micros(now.since(submitted.max(self.decided_at)));
            }
            self.decided_at = now;
        }
    }
}

impl Pool {
    /// Whether a connection may load one more copy of a model, which takes `load_micros`: the model is wanted, and fits
    /// beside what the connection has used lately.
    pub(super) fn may_grow(
        &self,
        now: Timestamp,
        id: ConnectionId,
        model: ModelId,
        load_micros: f64,
    ) -> bool {
        let Some(connection) = self.connection(id) else { return false };
        let model = &self.models[model.0 as usize];
        let recent_micros = (LEAK as f64 * load_micros) as u64;
        let is_recent = |last_used| micros(now.since(last_used)) < recent_micros;
        let recent = connection.residents.values().filter(|resident| is_recent(resident.last_used));
        let kept_bytes: u64 = recent.map(|resident| resident.memory_bytes).sum();
        let limit = connection.capabilities.memory_limit_bytes;
        !model.is_retired && (limit == 0 || model.spec.memory_bytes.saturating_add(kept_bytes) <= limit)
    }
}
