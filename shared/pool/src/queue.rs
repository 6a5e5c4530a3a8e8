//! The jobs that wait, in the order in which they should start.
//!
//! Weighted fair queueing by virtual finish tags (Demers, Keshav, Shenker 1989; self-clocked after Golestani 1994): each
//! model and priority is a flow, a job's cost is its expected time, and its tag is fixed when it is submitted. Flows share
//! the pool by weight and none waits for ever, whatever the others submit. Jobs that may run in the same places and should
//! take equally long there wait in one lane, so that placing costs one decision per lane and not per job.

use crate::block_set::BlockSet;
use crate::sorted_map::SortedMap;
use crate::{BackendSet, ConnectionId, JobId, ModelId, Priority, ShapeClass};

/// What decides where a job may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneKey {
    pub(crate) model: ModelId,
    pub(crate) backends: BackendSet,
    pub(crate) pinned: Option<ConnectionId>,
    pub(crate) shape: ShapeClass,
    /// Whether its jobs may share a call.
    pub(crate) is_batch: bool,
    /// Set for a retried job, which has constraints of its own.
    pub(crate) solo: Option<JobId>,
}

impl LaneKey {
    /// Stands for every lane whose jobs wait for the same places.
    const fn crowd(self) -> Self {
        Self { shape: ShapeClass(0), is_batch: false, ..self }
    }
}

#[derive(Debug, Default)]
struct Lane {
    jobs: BlockSet<(u64, JobId)>,
    is_blocked: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    lanes: SortedMap<LaneKey, Lane>,
    /// Head of each lane that is not blocked.
    active: SortedMap<(u64, LaneKey), ()>,
    blocked: Vec<LaneKey>,
    /// Jobs that wait for the same places, whatever their shape.
    crowds: SortedMap<LaneKey, usize>,
    /// Tag of the last job of each flow.
    flows: SortedMap<(ModelId, Priority), u64>,
    virtual_time: u64,
    n_jobs: usize,
}

impl Queue {
    pub(crate) const fn len(&self) -> usize {
        self.n_jobs
    }

    /// Tag of a new job that is expected to take `cost_micros`.
    pub(crate) fn tag(&mut self, model: ModelId, priority: Priority, cost_micros: u64) -> u64 {
        let flow = self.flows.get_or_insert((model, priority), 0);
        let cost = (cost_micros.max(1) * Priority::High.weight()) / priority.weight();
        *flow = (*flow).max(self.virtual_time).saturating_add(cost.max(1));
        *flow
    }

    pub(crate) fn push(&mut self, key: LaneKey, tag: u64, job: JobId) {
        let lane = self.lanes.get_or_insert(key, Lane::default());
        if lane.is_blocked {
            // A longer lane may be worth a slower place or one more load.
            lane.is_blocked = false;
            lane.jobs.insert((tag, job));
            self.blocked.retain(|blocked| *blocked != key);
            Self::activate(&mut self.active, key, lane);
        } else {
            let old_head = lane.jobs.first().map(|&(tag, _)| tag);
            lane.jobs.insert((tag, job));
            if old_head.is_none_or(|head| tag < head) {
                if let Some(head) = old_head {
                    self.active.remove(&(head, key));
                }
                self.active.insert((tag, key), ());
            }
        }
        self.n_jobs += 1;
        *self.crowds.get_or_insert(key.crowd(), 0) += 1;
    }

    /// The lane whose head is next, and that head.
    pub(crate) fn next(&self) -> Option<(LaneKey, JobId)> {
        let &(_, key) = self.active.keys().next()?;
        let &(_, job) = self.lanes.get(&key)?.jobs.first()?;
        Some((key, job))
    }

    /// Takes the head of a lane to start it.
    pub(crate) fn pop(&mut self, key: &LaneKey) -> Option<JobId> {
        let &(tag, job) = self.lanes.get(key)?.jobs.first()?;
        self.virtual_time = self.virtual_time.max(tag);
        self.remove(key, tag, job);
        Some(job)
    }

    /// Takes a job out.
    pub(crate) fn remove(&mut self, key: &LaneKey, tag: u64, job: JobId) -> bool {
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        let old_head = lane.jobs.first().map(|&(tag, _)| tag);
        if !lane.jobs.remove(&(tag, job)) {
            return false;
        }
        self.n_jobs -= 1;
        if let Some(n_jobs) = self.crowds.get_mut(&key.crowd()) {
            *n_jobs -= 1;
            if *n_jobs == 0 {
                self.crowds.remove(&key.crowd());
            }
        }
        let new_head = lane.jobs.first().map(|&(tag, _)| tag);
        if !lane.is_blocked && old_head != new_head {
            if let Some(head) = old_head {
                self.active.remove(&(head, *key));
            }
            if let Some(head) = new_head {
                self.active.insert((head, *key), ());
            }
        }
        if new_head.is_none() {
            if lane.is_blocked {
                self.blocked.retain(|blocked| blocked != key);
            }
            self.lanes.remove(key);
        }
        true
    }

    /// Sets a lane aside until something changes.
    pub(crate) fn block(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if !lane.is_blocked {
            lane.is_blocked = true;
            self.blocked.push(*key);
            if let Some(&(tag, _)) = lane.jobs.first() {
                self.active.remove(&(tag, *key));
            }
        }
    }

    /// Something changed: every lane is looked at again.
    pub(crate) fn unblock_all(&mut self) {
        for key in self.blocked.drain(..) {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.is_blocked = false;
                Self::activate(&mut self.active, key, lane);
            }
        }
    }

    /// Entries by collection.
    pub(crate) fn footprint(&self) -> [(&'static str, usize); 5] {
        [
            ("lanes", self.lanes.len()),
            ("active lanes", self.active.len()),
            ("blocked lanes", self.blocked.len()),
            ("crowds", self.crowds.len()),
            ("flows", self.flows.len()),
        ]
    }

    /// Jobs that wait in a lane.
    pub(crate) fn lane_len(&self, key: &LaneKey) -> usize {
        self.lanes.get(key).map_or(0, |lane| lane.jobs.len())
    }

    /// Jobs that wait for the same places as those of a lane, these included.
    pub(crate) fn crowd_len(&self, key: &LaneKey) -> usize {
        self.crowds.get(&key.crowd()).copied().unwrap_or(0)
    }

    fn activate(active: &mut SortedMap<(u64, LaneKey), ()>, key: LaneKey, lane: &Lane) {
        if let Some(&(tag, _)) = lane.jobs.first() {
            active.insert((tag, key), ());
        }
    }
}

#[cfg(test)]
mod tests;
