//! What the tab holds for the pool: workers, models' bytes, jobs' inputs. It obeys the pool's actions and decides nothing.

mod actions;
mod answers;
mod explain;
mod goldens;
mod happenings;
mod knowledge;
mod requests;
pub(crate) mod split;
mod stats;

use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use knowledge::Knowledge;
use pool::{CallId, ConnectionId, JobId, ModelId, Pool, Timestamp};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;
use wire::translate::Sampler;
use wire::{Capabilities, Fault, Phases, TensorHeader};

use crate::clock::{millis, now_micros};
use crate::deferred::Deferred;
use crate::fault::invalid;
use crate::files::ModelFiles;
use crate::flat_map::FlatMap;
use crate::golden::Golden;
use crate::guard::{Listener, Timer};
use crate::inputs::Inputs;
use crate::reporter::Reporter;
use crate::run_record::{Attempt, Origin, Subject};
use crate::shell::Shell;
use crate::source::Source;
use crate::translate::to_pool_category;
use crate::worker::EngineWorker;

/// Faults kept so that a job's end can be told in the words of the call that failed.
const N_FAULTS_KEPT: usize = 64;

/// The pool's body.
pub(crate) struct Tab {
    shell: Weak<Shell>,
    machine: Pool,
    worker_url: String,
    /// Pages of the connections that are iframes.
    frames: FlatMap<ConnectionId, String>,
    max_batch: u32,
    memory_limit_bytes: Option<u64>,
    origin: Origin,
    reporter: Option<Rc<Reporter>>,
    connections: FlatMap<ConnectionId, Connection>,
    models: FlatMap<ModelId, LoadedModel>,
    jobs: FlatMap<JobId, Owner>,
    calls: FlatMap<CallId, Call>,
    faults: VecDeque<(CallId, Fault)>,
    timer: Option<(Timestamp, Timer)>,
    events: Vec<(&'static str, JsValue)>,
    is_closed: bool,
    knowledge: Knowledge,
    /// Which of the pool's records become events.
    sampler: Sampler,
    /// Set until the first worker is ready or every first start has failed.
    starting: Option<Starting>,
}

/// One connection: a worker, or the pause until the next.
#[derive(Default)]
struct Connection {
    worker: Option<EngineWorker>,
    /// Tells this worker's messages from those of the one before.
    incarnation: u32,
    /// The call that `Ready` answers.
    opening: Option<CallId>,
    /// Requests without an answer.
    requests: FlatMap<u32, CallId>,
    next_request: u32,
    capabilities: Option<Capabilities>,
    memory_bytes: u64,
    /// What its loads took, until a run uses the model.
    cold: FlatMap<Loaded, Phases>,
    /// What runs each model in particular.
    details: FlatMap<Loaded, String>,
    /// The run under way and when it started.
    running: Option<(CallId, ModelId, u64)>,
    n_runs: u32,
    n_faults: u32,
}

/// A model that callers hold handles on.
struct LoadedModel {
    id: String,
    /// Id, backend and hashes: equal for models that can be shared.
    key: String,
    source: Rc<Source>,
    files: Rc<ModelFiles>,
    inputs: Vec<TensorHeader>,
    outputs: Vec<TensorHeader>,
    n_handles: u32,
    /// What fetching took, until a load uses the bytes.
    fetched: Option<Phases>,
    /// Of the last successful runs, milliseconds.
    latencies: VecDeque<f64>,
    n_runs: u32,
    n_faults: u32,
    /// Whether its jobs may share calls: known once it was loaded, unless a worker finds that its rows are not independent.
    is_batchable: Option<bool>,
    /// Whether pieces of its jobs gave what a whole one gave: not known before one was split.
    is_splittable: Option<bool>,
    golden: Option<Golden>,
    /// Whether its first run that goes well becomes the golden one.
    learns_golden: bool,
}

/// A model on a backend.
type Loaded = (ModelId, wire::Backend);

/// A call to a worker that the pool waits for.
struct Call {
    connection: ConnectionId,
    subject: Option<Loaded>,
    /// In the order in which the call has their inputs and its answer their outputs.
    jobs: Vec<JobId>,
    is_probe: bool,
}

impl Call {
    /// A call without a model.
    const fn of(connection: ConnectionId) -> Self {
        Self { connection, subject: None, jobs: Vec::new(), is_probe: false }
    }
}

/// Who waits for a job.
enum Owner {
    /// `pool.load`.
    Load { deferred: Deferred, _on_abort: Option<Listener> },
    /// `model.run`.
    Run(Box<Run>),
}

/// A run from `run()` to its promise.
struct Run {
    model: ModelId,
    inputs: Inputs,
    subject: Subject,
    submitted_micros: u64,
    /// Calls for it that have no row yet: more than one while a second one is to overtake a slow first.
    tries: Vec<Try>,
    signal: Option<AbortSignal>,
    deferred: Deferred,
    _on_abort: Option<Listener>,
}

/// One call for a run.
struct Try {
    call: CallId,
    attempt: Attempt,
    fault: Option<Fault>,
    output: Option<JsValue>,
}

/// A first worker, or why there is none.
struct Starting {
    deferred: Deferred,
    /// First starts that have neither succeeded nor failed.
    n_left: u32,
}

/// What a tab starts with.
pub(crate) struct Parts {
    pub(crate) machine: Pool,
    pub(crate) worker_url: String,
    /// Jobs in one call at most.
    pub(crate) max_batch: u32,
    /// What all workers may use together, if that is known.
    pub(crate) memory_limit_bytes: Option<u64>,
    pub(crate) origin: Origin,
    pub(crate) reporter: Option<Rc<Reporter>>,
    /// Connections that are opened first.
    pub(crate) n_first: u32,
    /// Told when a first worker is ready, or that none can be.
    pub(crate) started: Deferred,
}

impl Tab {
    pub(crate) fn new(shell: Weak<Shell>, parts: Parts) -> Self {
        Self {
            shell,
            machine: parts.machine,
            worker_url: parts.worker_url,
            frames: FlatMap::default(),
            max_batch: parts.max_batch,
            memory_limit_bytes: parts.memory_limit_bytes,
            origin: parts.origin,
            reporter: parts.reporter,
            connections: FlatMap::default(),
            models: FlatMap::default(),
            jobs: FlatMap::default(),
            calls: FlatMap::default(),
            faults: VecDeque::new(),
            timer: None,
            events: Vec::new(),
            is_closed: false,
            knowledge: Knowledge::default(),
            sampler: Sampler::default(),
            starting: Some(Starting { deferred: parts.started, n_left: parts.n_first }),
        }
    }

    /// Does what the pool wants done, until it wants no more.
    pub(crate) fn drain(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            self.perform(action);
        }
    }

    /// Arms the one timer.
    pub(crate) fn arm(&mut self) {
        let due = self.machine.poll_timeout().filter(|_| !self.is_closed);
        if self.timer.as_ref().map(|(armed, _)| *armed) == due {
            return;
        }
        self.timer = due.map(|due| {
            let shell = self.shell.clone();
            let wait = millis(due.as_micros().saturating_sub(now_micros())).ceil();
            let timer = Timer::new(wait.min(f64::from(i32::MAX)), move || {
                if let Some(shell) = shell.upgrade() {
                    shell.feed(|tab| {
                        tab.timer = None;
                        tab.machine.handle_timeout(now());
                    });
                }
            });
            (due, timer)
        });
    }

    /// The way of records to the agent, if there is one.
    pub(crate) fn reporter(&self) -> Option<Rc<Reporter>> {
        self.reporter.clone()
    }

    /// What the page is to be told.
    pub(crate) fn take_events(&mut self) -> Vec<(&'static str, JsValue)> {
        core::mem::take(&mut self.events)
    }

    /// Adds an event for the page.
    pub(crate) fn tell(&mut self, event: &'static str, payload: JsValue) {
        self.events.push((event, payload));
    }

    /// A call failed: the pool gets the category, the page may see the rest.
    fn fail(&mut self, call: CallId, fault: Fault) {
        let category = to_pool_category(fault.category);
        self.note_fault(call, fault);
        self.machine.on_failed(now(), call, category);
    }

    /// A connection is gone, whatever it was doing.
    fn lose(&mut self, connection: ConnectionId, fault: &Fault) {
        let calls: Vec<CallId> =
            self.calls.iter().filter(|(_, call)| call.connection == connection).map(|(id, _)| id).collect();
        for call in calls {
            self.calls.remove(call);
            self.note_fault(call, fault.clone());
        }
        if let Some(connection) = self.connections.get_mut(connection) {
            connection.stop();
        }
        self.machine.on_connection_lost(now(), connection, to_pool_category(fault.category));
    }

    fn note_fault(&mut self, call: CallId, fault: Fault) {
        if self.faults.len() == N_FAULTS_KEPT {
            self.faults.pop_front();
        }
        self.faults.push_back((call, fault));
    }

    fn fault_of(&self, call: CallId) -> Option<Fault> {
        self.faults.iter().rev().find(|(noted, _)| *noted == call).map(|(_, fault)| fault.clone())
    }
}

impl Connection {
    /// Terminates the worker and forgets what it held.
    fn stop(&mut self) {
        self.worker = None;
        self.opening = None;
        self.requests.clear();
        self.cold.clear();
        self.details.clear();
        self.running = None;
    }
}

/// For a caller whose model is gone.
pub(crate) fn unloaded() -> Fault {
    invalid("model-unloaded", "the model was unloaded").with_hint("load it again")
}

/// The pool's clock.
fn now() -> Timestamp {
    Timestamp::from_micros(now_micros())
}
