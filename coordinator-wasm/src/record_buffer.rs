//! Records on their way to the agent: bounded, in batches, kept while the agent is away. Pure: the caller has clock and network.

use std::collections::VecDeque;

use wire::RunRecord;

/// Records of one request; about 60 kB of JSON.
const BATCH_SIZE: usize = 64;
/// How long the first record of a batch waits for others, microseconds.
const GATHER_MICROS: u64 = 250_000;
/// Pause after the first failure, microseconds; doubles with each further one.
const FIRST_PAUSE_MICROS: u64 = 1_000_000;
/// Longest pause, microseconds.
const LONGEST_PAUSE_MICROS: u64 = 60_000_000;

/// Records that wait, and what became of the others. Times are microseconds on the caller's clock.
#[derive(Debug)]
pub(crate) struct RecordBuffer {
    limit: usize,
    waiting: VecDeque<RunRecord>,
    /// The first so many of `waiting` are in a request that has no answer yet.
    n_in_flight: usize,
    n_posted: u64,
    n_dropped: u64,
    n_failures: u32,
    next_post: Option<u64>,
}

impl RecordBuffer {
    /// A buffer for at most `limit` records.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            waiting: VecDeque::new(),
            n_in_flight: 0,
            n_posted: 0,
            n_dropped: 0,
            n_failures: 0,
            next_post: None,
        }
    }

    /// Adds a record. When full, the oldest one that is not being posted is dropped and counted.
    pub(crate) fn push(&mut self, now: u64, record: RunRecord) {
        self.waiting.push_back(record);
        if self.waiting.len() > self.limit {
            // Also true when all others are in flight: then it is the new one that goes.
            self.waiting.remove(self.n_in_flight);
            self.n_dropped += 1;
        }
        if self.next_post.is_none() && self.n_in_flight == 0 {
            self.next_post = Some(now.saturating_add(GATHER_MICROS));
        }
        if self.n_failures == 0 && self.n_in_flight == 0 && self.waiting.len() >= BATCH_SIZE {
            self.next_post = Some(now);
        }
    }

    /// The batch to post now, if one is due. Its answer must be reported before there is another.
    pub(crate) fn poll_batch(&mut self, now: u64) -> Option<Vec<RunRecord>> {
        if self.next_post.is_none_or(|due| now < due) {
            return None;
        }
        self.take_batch()
    }

    /// The batch to post whether or not one is due; `None` when nothing waits or a request is under way.
    pub(crate) fn take_batch(&mut self) -> Option<Vec<RunRecord>> {
        if self.n_in_flight > 0 || self.waiting.is_empty() {
            return None;
        }
        self.next_post = None;
        self.n_in_flight = self.waiting.len().min(BATCH_SIZE);
        Some(self.waiting.iter().take(self.n_in_flight).cloned().collect())
    }

    /// When to call [`Self::poll_batch`] next.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.next_post
    }

    /// The agent stored the batch.
    pub(crate) fn on_accepted(&mut self, now: u64) {
        self.n_posted += self.n_in_flight as u64;
        self.on_answered(now);
    }

    /// The agent will never take the batch: it is dropped and counted.
    pub(crate) fn on_refused(&mut self, now: u64) {
        self.n_dropped += self.n_in_flight as u64;
        self.on_answered(now);
    }

    fn on_answered(&mut self, now: u64) {
        self.waiting.drain(..self.n_in_flight);
        self.n_in_flight = 0;
        self.n_failures = 0;
        self.next_post = if self.waiting.is_empty() { None } else { Some(now) };
    }

    /// The agent did not answer: the batch stays, and the next try waits twice as long.
    pub(crate) fn on_unreachable(&mut self, now: u64) {
        let pause =
            FIRST_PAUSE_MICROS.checked_shl(self.n_failures).unwrap_or(u64::MAX).min(LONGEST_PAUSE_MICROS);
        self.n_failures = (self.n_failures + 1).min(32);
        self.n_in_flight = 0;
        self.next_post = (!self.waiting.is_empty()).then(|| now.saturating_add(pause));
    }

    /// Everything that has no answer yet, oldest first, for a last message before the page goes.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = &RunRecord> {
        self.waiting.iter()
    }

    /// The browser took the first `n_records` of [`Self::unanswered`] for delivery.
    pub(crate) fn on_handed_over(&mut self, n_records: usize) {
        let n_records = n_records.min(self.waiting.len());
        self.waiting.drain(..n_records);
        self.n_in_flight = self.n_in_flight.saturating_sub(n_records);
        self.n_posted += n_records as u64;
    }

    /// Drops and counts everything that has no answer: there will be no further try.
    pub(crate) fn give_up(&mut self) {
        self.n_dropped += self.waiting.len() as u64;
        self.waiting.clear();
        self.n_in_flight = 0;
        self.next_post = None;
    }

    /// Records without an answer.
    pub(crate) fn n_pending(&self) -> usize {
        self.waiting.len()
    }

    /// Records that the agent stored or the browser took for delivery.
    pub(crate) fn n_posted(&self) -> u64 {
        self.n_posted
    }

    /// Records lost: the buffer was full, or the agent refused them.
    pub(crate) fn n_dropped(&self) -> u64 {
        self.n_dropped
    }

    /// False after a failure that no success followed.
    pub(crate) fn is_agent_reachable(&self) -> bool {
        self.n_failures == 0
    }
}

#[cfg(test)]
mod tests;
