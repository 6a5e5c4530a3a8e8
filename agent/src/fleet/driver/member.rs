//! One browser of the fleet, through all its launches.

use std::collections::BTreeMap;

use pool::CallId;
use wire::{Browser, Capabilities, Fault, Phases};

/// Latest runs that a browser's median comes from.
const N_LATENCIES_KEPT: usize = 1000;

/// A connection of the pool: a browser, or the pause until the next.
#[derive(Debug, Default)]
pub(crate) struct Member {
    /// The browser.
    pub(crate) browser: Browser,
    /// Number of the latest launch.
    pub(crate) launch: u32,
    /// Its session in the history.
    pub(crate) session: String,
    /// Number of the latest start of workers.
    pub(crate) start: u32,
    /// Whether the browser of the latest launch has not ended by itself.
    pub(crate) is_running: bool,
    /// Whether the pool has given it up for good.
    pub(crate) is_closed: bool,
    /// The call that ready workers answer.
    pub(crate) opening: Option<CallId>,
    /// The call that a pong answers.
    pub(crate) ping: Option<CallId>,
    /// Its workers.
    pub(crate) workers: Vec<Worker>,
    /// Memory of the latest launch's processes, bytes; `None` before it was measured.
    pub(crate) process_bytes: Option<u64>,
    /// The most that was measured of any launch, bytes.
    pub(crate) peak_bytes: u64,
    /// Requests without an answer.
    pub(crate) requests: BTreeMap<u32, Request>,
    /// Never reused, so that late answers are recognised.
    pub(crate) n_requests: u32,
    /// What its workers can do.
    pub(crate) capabilities: Option<Capabilities>,
    /// What runs the model on each backend in particular.
    pub(crate) backend_details: BTreeMap<pool::Backend, String>,
    /// Why it was lost last.
    pub(crate) last_fault: Option<Fault>,
    /// What it has done.
    pub(crate) tally: Tally,
}

/// One worker of a browser.
#[derive(Debug, Clone, Default)]
pub(crate) struct Worker {
    pub(crate) is_ready: bool,
    pub(crate) memory_bytes: u64,
    /// What its last load took, until a run uses the model.
    pub(crate) cold: Option<Phases>,
}

/// A request to a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// The call that it is for; an unload has none.
    pub(crate) call: Option<CallId>,
    /// Index of the worker.
    pub(crate) worker: u32,
}

/// What a browser has done.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally {
    /// Jobs whose runs succeeded.
    pub(crate) n_ok: u64,
    /// Jobs whose runs failed.
    pub(crate) n_failed: u64,
    /// Computing for each job of the latest warm runs, microseconds.
    pub(crate) micros_per_job: std::collections::VecDeque<f64>,
}

impl Member {
    /// Forgets what its workers held.
    pub(super) fn reset(&mut self) {
        self.opening = None;
        self.ping = None;
        self.workers.clear();
        self.requests.clear();
    }

    /// The worker with the fewest requests to answer.
    pub(super) fn free_worker(&self) -> u32 {
        let n_busy =
            |worker: &u32| self.requests.values().filter(|request| request.worker == *worker).count();
        (0..self.workers.len() as u32).min_by_key(n_busy).unwrap_or(0)
    }

    /// Memory of its processes, or of its workers where nobody measures processes, bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.process_bytes.unwrap_or_else(|| self.workers.iter().map(|worker| worker.memory_bytes).sum())
    }

    /// Its processes were measured.
    pub(super) fn note_memory(&mut self, bytes: u64) {
        self.process_bytes = Some(bytes);
        self.peak_bytes = self.peak_bytes.max(bytes);
    }
}

impl Tally {
    /// Counts a run of `n_jobs`.
    pub(super) fn note(&mut self, n_jobs: usize, is_ok: bool, warm_micros: Option<u64>) {
        let n = n_jobs as u64;
        *(if is_ok { &mut self.n_ok } else { &mut self.n_failed }) += n;
        if let Some(micros) = warm_micros {
            if self.micros_per_job.len() == N_LATENCIES_KEPT {
                self.micros_per_job.pop_front();
            }
            self.micros_per_job.push_back(micros as f64 / n_jobs as f64);
        }
    }
}
