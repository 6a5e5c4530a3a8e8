//! What a driver is made from: the subject, the size of the fleet, and the host that launches browsers for it.

use std::sync::Arc;
use std::time::Duration;

use pool::{BackendSet, ConnectionId};
use wire::engine::Part;
use wire::{Browser, Fault, FleetCommand, FleetReport, PipelineKind};

use crate::fleet::operator::Switch;
use crate::golden;

/// Runs for each worker, waiting or under way: enough that none is idle, few enough that memory is bounded.
pub(super) const RUNS_PER_WORKER: u32 = 5;

/// Launches browsers and carries messages to their pages. What comes of it arrives as [`Happening`]s.
pub(crate) trait Host {
    /// Launches the browser of a connection. Never fails at once.
    fn open(&mut self, connection: ConnectionId, launch: &Launch);
    /// Sends a command to the page of the latest launch; what was sent before the page is up waits for it.
    fn send(&mut self, connection: ConnectionId, command: &FleetCommand, buffers: &[&[u8]]);
    /// Ends the browser, if there is one.
    fn close(&mut self, connection: ConnectionId);
}

/// One launch of a browser.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Launch {
    /// Counts the launches of the connection from 1.
    pub(crate) number: u32,
    /// Id of its session in the history.
    pub(crate) session: String,
    /// The browser.
    pub(crate) browser: Browser,
}

/// Something that came of a launch.
#[derive(Debug)]
pub(crate) struct Happening {
    /// Whose.
    pub(crate) connection: ConnectionId,
    /// Number of the launch.
    pub(crate) launch: u32,
    /// What.
    pub(crate) what: What,
}

/// The kinds of happening.
#[derive(Debug)]
pub(crate) enum What {
    /// The page said something.
    Report(Box<FleetReport>, Vec<Vec<u8>>),
    /// Memory of all its processes, bytes.
    Memory(u64),
    /// The browser could not be launched, or has ended by itself.
    Ended(Fault),
}

/// What is run.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Model or pipeline.
    pub(crate) id: String,
    /// Job family.
    pub(crate) family: String,
    /// Lower-case hex SHA-256 of the model; empty for a pipeline.
    pub(crate) sha256: String,
    /// Precision of the weights.
    pub(crate) precision: wire::Precision,
    /// Set for a pipeline.
    pub(crate) pipeline: Option<PipelineKind>,
    /// The files, in the order that the engine expects.
    pub(crate) parts: Vec<Part>,
    /// Size of the files, bytes.
    pub(crate) n_bytes: u64,
    /// Backends that may run it.
    pub(crate) backends: BackendSet,
    /// A known input with a known output, to try what seems broken with.
    pub(crate) golden: Option<Arc<golden::Case>>,
}

/// What a fleet starts with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// Campaign in the history.
    pub(crate) campaign: i64,
    /// Browsers that connections are, in turn.
    pub(crate) browsers: Vec<Browser>,
    /// Fewest and most browsers.
    pub(crate) size: (u32, u32),
    /// Workers in each.
    pub(crate) n_workers: u32,
    /// How long a job may take.
    pub(crate) deadline: Duration,
    /// Most jobs in one run of a model.
    pub(crate) max_batch: u32,
    /// How long the first job of a batch waits for company.
    pub(crate) batch_delay: Duration,
    /// Memory that all browsers may take together, bytes; 0 when nobody knows.
    pub(crate) memory_limit_bytes: u64,
    /// Whether jobs that take unusually long are tried in a second browser meanwhile.
    pub(crate) is_hedged: bool,
    /// Breakers under an operator's hand.
    pub(crate) switches: Vec<Switch>,
    /// Microseconds since the Unix epoch at [`Timestamp::ZERO`].
    pub(crate) epoch_unix_micros: i64,
    /// Of the pool's random choices.
    pub(crate) seed: u64,
}

impl Setup {
    /// Jobs that are held at once, waiting or running: some runs for each worker, of which two may be whole batches.
    pub(super) fn max_jobs(&self) -> u32 {
        let n_workers = self.size.1 * self.n_workers;
        n_workers * (RUNS_PER_WORKER + 2 * (self.max_batch - 1))
    }
}
