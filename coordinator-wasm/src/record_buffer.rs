//! Records and events on their way to the agent: bounded, in batches, kept while the agent is away. Pure: the caller has clock and network.

use std::collections::VecDeque;

use wire::SCHEMA;

/// Entries of one request; about 60 kB of JSON.
const BATCH_SIZE: usize = 64;
/// How long the first entry of a batch waits for others, microseconds.
const GATHER_MICROS: u64 = 250_000;
/// Pause after the first failure, microseconds; doubles with each further one.
const FIRST_PAUSE_MICROS: u64 = 1_000_000;
/// Longest pause, microseconds.
const LONGEST_PAUSE_MICROS: u64 = 60_000_000;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A [`wire::RunRecord`].
    Run,
    /// A [`wire::EventRecord`].
    Event,
}

/// What became of all entries of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Without an answer.
    pub(crate) n_pending: usize,
    /// Stored by the agent, or taken by the browser for delivery.
    pub(crate) n_posted: u64,
    /// Lost: the buffer was full, or the agent refused them.
    pub(crate) n_dropped: u64,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    json: String,
}

/// Records and events that wait, and what became of the others. Times are microseconds on the caller's clock.
#[derive(Debug)]
pub(crate) struct RecordBuffer {
    limit: usize,
    waiting: VecDeque<Entry>,
    /// The first so many of `waiting` are in a request that has no answer yet.
    n_in_flight: usize,
    /// By [`Kind`].
    counts: [Counts; 2],
    n_failures: u32,
    next_post: Option<u64>,
}

impl RecordBuffer {
    /// A buffer for at most `limit` entries of each kind.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            waiting: VecDeque::new(),
            n_in_flight: 0,
            counts: Default::default(),
            n_failures: 0,
            next_post: None,
        }
    }

    /// Adds an entry as JSON. When its kind is full, the oldest one that is not being posted is dropped and counted.
    pub(crate) fn push(&mut self, now: u64, kind: Kind, json: String) {
        self.waiting.push_back(Entry { kind, json });
        self.counts[kind as usize].n_pending += 1;
        if self.counts[kind as usize].n_pending > self.limit {
            // When all others are in flight, it is the new one that goes.
            let is_idle = |&(index, entry): &(usize, &Entry)| index >= self.n_in_flight && entry.kind == kind;
            let oldest = self.waiting.iter().enumerate().find(is_idle).map(|(index, _)| index);
            if oldest.and_then(|oldest| self.waiting.remove(oldest)).is_some() {
                self.counts[kind as usize].n_pending -= 1;
                self.counts[kind as usize].n_dropped += 1;
            }
        }
        if self.next_post.is_none() && self.n_in_flight == 0 {
            self.next_post = Some(now.saturating_add(GATHER_MICROS));
        }
        if self.n_failures == 0 && self.n_in_flight == 0 && self.waiting.len() >= BATCH_SIZE {
            self.next_post = Some(now);
        }
    }

    /// The batch to post now, if one is due, as [`wire::MetricsBatch`]. Its answer must be reported before there is another.
    pub(crate) fn poll_batch(&mut self, now: u64) -> Option<String> {
        if self.next_post.is_none_or(|due| now < due) {
            return None;
        }
        self.take_batch()
    }

    /// The batch to post whether or not one is due; `None` when nothing waits or a request is under way.
    pub(crate) fn take_batch(&mut self) -> Option<String> {
        if self.n_in_flight > 0 || self.waiting.is_empty() {
            return None;
        }
        self.next_post = None;
        self.n_in_flight = self.waiting.len().min(BATCH_SIZE);
        Some(self.batch(self.n_in_flight))
    }

    /// When to call [`Self::poll_batch`] next.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.next_post
    }

    /// The agent stored the batch.
    pub(crate) fn on_accepted(&mut self, now: u64) {
        self.settle(self.n_in_flight, |counts| counts.n_posted += 1);
        self.on_answered(now);
    }

    /// The agent will never take the batch: it is dropped and counted.
    pub(crate) fn on_refused(&mut self, now: u64) {
        self.settle(self.n_in_flight, |counts| counts.n_dropped += 1);
        self.on_answered(now);
    }

    fn on_answered(&mut self, now: u64) {
        self.n_failures = 0;
        self.next_post = if self.waiting.is_empty() { None } else { Some(now) };
    }

    /// The first `n_entries` wait no longer.
    fn settle(&mut self, n_entries: usize, count: impl Fn(&mut Counts)) {
        for entry in self.waiting.drain(..n_entries) {
            let counts = &mut self.counts[entry.kind as usize];
            counts.n_pending -= 1;
            count(counts);
        }
        self.n_in_flight = self.n_in_flight.saturating_sub(n_entries);
    }

    /// The agent did not answer: the batch stays, and the next try waits twice as long.
    pub(crate) fn on_unreachable(&mut self, now: u64) {
        let pause =
            FIRST_PAUSE_MICROS.checked_shl(self.n_failures).unwrap_or(u64::MAX).min(LONGEST_PAUSE_MICROS);
        self.n_failures = (self.n_failures + 1).min(32);
        self.n_in_flight = 0;
        self.next_post = (!self.waiting.is_empty()).then(|| now.saturating_add(pause));
    }

    /// What has no answer yet, for a last message of at most `max_bytes` before the page goes, and its number of entries.
    pub(crate) fn last_message(&self, max_bytes: usize) -> (String, usize) {
        let mut n_bytes = 0;
        let fits = |entry: &&Entry| {
            n_bytes += entry.json.len() + 1;
            n_bytes <= max_bytes
        };
        let n_entries = self.waiting.iter().take_while(fits).count();
        (self.batch(n_entries), n_entries)
    }

    /// The browser took the first `n_entries` for delivery.
    pub(crate) fn on_handed_over(&mut self, n_entries: usize) {
        self.settle(n_entries.min(self.waiting.len()), |counts| counts.n_posted += 1);
    }

    /// Drops and counts everything that has no answer: there will be no further try.
    pub(crate) fn give_up(&mut self) {
        self.settle(self.waiting.len(), |counts| counts.n_dropped += 1);
        self.next_post = None;
    }

    /// Entries without an answer.
    pub(crate) fn n_pending(&self) -> usize {
        self.waiting.len()
    }

    /// What became of the entries of a kind.
    pub(crate) fn counts(&self, kind: Kind) -> Counts {
        self.counts[kind as usize]
    }

    /// The first entries as the JSON of a [`wire::MetricsBatch`].
    fn batch(&self, n_entries: usize) -> String {
        let mut lists = [String::new(), String::new()];
        for entry in self.waiting.iter().take(n_entries) {
            let list = &mut lists[entry.kind as usize];
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(&entry.json);
        }
        let [records, events] = lists;
        format!("{{\"schema\":{SCHEMA},\"records\":[{records}],\"events\":[{events}]}}")
    }

    /// False after a failure that no success followed.
    pub(crate) fn is_agent_reachable(&self) -> bool {
        self.n_failures == 0
    }
}

#[cfg(test)]
mod tests;
