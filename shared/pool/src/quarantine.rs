//! Inputs that broke several healthy connections, kept from breaking more for a while.

use std::collections::VecDeque;

use crate::config::QuarantineConfig;
use crate::sorted_map::SortedMap;
use crate::{FaultCategory, ModelId, Timestamp};

/// A model and the fingerprint of its inputs.
type Culprit = (ModelId, u64);

#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    held: SortedMap<Culprit, (FaultCategory, Timestamp)>,
    /// In the order in which they are released.
    order: VecDeque<(Timestamp, Culprit)>,
}

impl Quarantine {
    /// Holds inputs from now on; the oldest are released early when there are too many.
    pub(crate) fn hold(
        &mut self,
        now: Timestamp,
        culprit: Culprit,
        cause: FaultCategory,
        config: &QuarantineConfig,
    ) {
        let until = now + config.duration;
        self.held.insert(culprit, (cause, until));
        self.order.push_back((until, culprit));
        while let Some(&(until, culprit)) = self.order.front()
            && (until <= now || self.order.len() > config.capacity)
        {
            self.order.pop_front();
            // Inputs held again meanwhile stay.
            if self.held.get(&culprit).is_some_and(|&(_, held_until)| held_until == until) {
                self.held.remove(&culprit);
            }
        }
    }

    /// Entries by collection.
    pub(crate) fn footprint(&self) -> [(&'static str, usize); 1] {
        [("quarantined", self.order.len())]
    }

    /// Whether any inputs of a model are held.
    pub(crate) fn has(&self, now: Timestamp, model: ModelId) -> bool {
        self.held.iter().any(|(&(held, _), &(_, until))| held == model && now < until)
    }

    /// What the inputs do, and until when they are held.
    pub(crate) fn check(&self, now: Timestamp, culprit: Culprit) -> Option<(FaultCategory, Timestamp)> {
        self.held.get(&culprit).copied().filter(|&(_, until)| now < until)
    }
}
