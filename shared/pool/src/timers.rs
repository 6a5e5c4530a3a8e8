//! Everything that waits for a point in time, in one ordered set.

use crate::block_set::BlockSet;
use crate::{CallId, Component, ConnectionId, JobId, ModelId, Timestamp};

/// What is due. A timer whose reason is gone when it fires does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A call takes too long, or goes on too long after it was aborted.
    Call(CallId),
    /// A breaker has waited long enough.
    Breaker(ConnectionId, Component),
    /// The breaker on a model's loads has.
    ModelBreaker(ModelId),
    /// A connection is to be opened.
    Open(ConnectionId),
    /// A connection was silent for a while.
    Heartbeat(ConnectionId),
    /// A job's back-off ends.
    Retry(JobId),
    /// A job's deadline passes.
    Deadline(JobId),
    /// A run takes unusually long.
    Hedge(CallId),
    /// A connection that an incident held may return.
    Release(ConnectionId, Component),
    /// The number of connections deserves a look.
    Scale,
    /// The members deserve a comparison.
    Outlier,
    /// Blocked lanes deserve another look.
    Lanes,
}

#[derive(Debug, Default)]
pub(crate) struct Timers(BlockSet<(Timestamp, Timer)>);

impl Timers {
    pub(crate) fn insert(&mut self, at: Timestamp, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(crate) fn remove(&mut self, at: Timestamp, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.0.first().map(|&(at, _)| at)
    }

    /// Takes the first timer that is due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<Timer> {
        let &(at, timer) = self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some(timer)
    }
}
