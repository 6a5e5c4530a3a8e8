//! What a driver remembers of jobs and calls, and what it has to say of them.

use std::sync::Arc;

use pool::{CallId, CallKind, ConnectionId, JobId, Timestamp};
use serde::Serialize;
use wire::{EventRecord, Fault, Phases, RunRecord, TensorHeader};

use crate::fleet::input::JobInput;
use crate::fleet::output::{Finished, Outputs};

/// What the driver has to say since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Jobs that ended.
    pub(crate) finished: Vec<Finished>,
    /// Tries, for the history.
    pub(crate) records: Vec<RunRecord>,
    /// Events of the pool, for the history.
    pub(crate) events: Vec<EventRecord>,
    /// What a person should know.
    pub(crate) warnings: Vec<String>,
    /// What the fleet does, as it should.
    pub(crate) notes: Vec<String>,
}

/// Jobs so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// With a result.
    pub(crate) n_ok: u64,
    /// Without one.
    pub(crate) n_failed: u64,
    /// Taken back because the run was stopped.
    pub(crate) n_cancelled: u64,
}

/// Jobs that failed alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Failure {
    /// Jobs.
    pub(crate) n: u64,
    /// Line of the first, from 0.
    pub(crate) index: u64,
    /// What became of it.
    pub(crate) fault: Fault,
}

impl Counts {
    /// Jobs that ended.
    pub(crate) fn n_ended(&self) -> u64 {
        self.n_ok + self.n_failed + self.n_cancelled
    }
}

/// A call that the pool waits for.
pub(super) struct Call {
    pub(super) connection: ConnectionId,
    pub(super) kind: CallKind,
    pub(super) backend: Option<pool::Backend>,
    pub(super) jobs: Vec<JobId>,
    /// Workers that have not answered yet.
    pub(super) n_left: u32,
    pub(super) fault: Option<Fault>,
    pub(super) ran: Option<Ran>,
}

/// What a worker measured of a run.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) phases: Phases,
    pub(crate) memory_bytes: u64,
    /// Set for the first run after a load: what the load took.
    pub(crate) cold: Option<Phases>,
    /// What a file became.
    pub(crate) decoded: Option<TensorHeader>,
}

/// A job from its line to its end.
pub(super) struct Task {
    pub(super) index: u64,
    /// Shared with the request that is being put together.
    pub(super) input: Arc<JobInput>,
    pub(super) submitted: Timestamp,
    pub(super) n_attempts: u32,
    /// Where the last try was.
    pub(super) place: Option<(ConnectionId, pool::Backend)>,
    pub(super) fault: Option<Fault>,
    pub(super) output: Option<(CallId, Output)>,
}

/// What a run gave.
pub(super) struct Output {
    pub(super) result: Option<serde_json::Value>,
    pub(super) tensors: Outputs,
    pub(super) run_micros: Option<u64>,
    /// Jobs that the run was for.
    pub(super) n_jobs: usize,
}

impl Call {
    /// A call to one worker, or to the browser as a whole.
    pub(super) fn new(connection: ConnectionId, kind: CallKind, backend: Option<pool::Backend>) -> Self {
        Self { connection, kind, backend, jobs: Vec::new(), n_left: 1, fault: None, ran: None }
    }
}

impl Task {
    /// A job that has just come in.
    pub(super) fn new(index: u64, input: JobInput, now: Timestamp) -> Self {
        Self {
            index,
            input: Arc::new(input),
            submitted: now,
            n_attempts: 0,
            place: None,
            fault: None,
            output: None,
        }
    }
}

/// Equal for equal inputs, and never 0: how the pool recognises what broke several browsers.
pub(super) fn fingerprint(input: &JobInput) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    input.params.as_ref().map(serde_json::Value::to_string).hash(&mut hasher);
    input.shapes.hash(&mut hasher);
    input.tensors.iter().for_each(|(_, bytes)| bytes.hash(&mut hasher));
    input.media.iter().for_each(|(_, bytes)| bytes.hash(&mut hasher));
    hasher.finish().max(1)
}
