//! The engine behind a worker's messages: loads, runs and forgets models.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;
use wire::engine::Part;
use wire::{Capabilities, Fault, Phases, PipelineKind, Reply};

use crate::backend::{self, Backend, File, Session, Tuned};
use crate::batch;
use crate::fault;
use crate::pipeline::{self, Parts, Pipeline};
use crate::tensor::Tensor;
use crate::webnn::device::Device;

/// Bytes that are hashed at once.
const BLOCK_BYTES: usize = 65_536;

/// What the engine asks of the place it runs in.
#[derive(Debug, Clone, Copy)]
pub struct Platform {
    /// A monotonic clock, microseconds.
    pub now_micros: fn() -> u64,
    /// Size of the memory that models live in, bytes.
    pub memory_bytes: fn() -> u64,
}

/// Holds the models of one worker. Requests may overlap; each runs to its end on its own.
pub struct Engine {
    platform: Platform,
    backends: Vec<Box<dyn Backend>>,
    models: RefCell<BTreeMap<String, Loaded>>,
    /// Models whose batches were seen to give what their jobs give alone.
    batching: RefCell<BTreeSet<String>>,
}

/// Something that can run.
#[derive(Clone)]
enum Loaded {
    Model(Rc<dyn Session>),
    Pipeline(Rc<dyn Pipeline>),
}

impl Engine {
    /// An engine without models.
    #[must_use]
    pub fn new(platform: Platform, backends: Vec<Box<dyn Backend>>) -> Self {
        Self { platform, backends, models: RefCell::default(), batching: RefCell::default() }
    }

    /// Puts the engine's own part into what the worker found out about its browser.
    #[must_use]
    pub fn ready(&self, found: Capabilities) -> Reply {
        let offered = |kind: &wire::Backend| match kind {
            wire::Backend::Wasm => true,
            wire::Backend::Webgpu => found.adapter.is_some(),
            wire::Backend::Webnn | wire::Backend::WebnnGpu | wire::Backend::WebnnNpu => {
                let device = Device::of(*kind).map(Device::as_str);
                found.webnn_devices.iter().any(|found| Some(found.as_str()) == device)
            }
        };
        let backends = self.backends.iter().map(|backend| backend.kind()).filter(offered).collect();
        Reply::Ready { capabilities: Capabilities { backends, ..found } }
    }

    /// Loads a model, or a pipeline of models, under `key`; what was there is replaced.
    ///
    /// `parts` hands over the files; the time it takes is part of the load.
    pub async fn load(
        &self,
        key: String,
        backend: wire::Backend,
        pipeline: Option<PipelineKind>,
        parts: impl FnOnce() -> Result<Vec<(Part, File)>, Fault>,
    ) -> Reply {
        let loaded = self.try_load(key, backend, pipeline, parts).await;
        loaded.unwrap_or_else(|fault| Reply::Failed { fault })
    }

    /// Runs what is loaded under `key`; gives the answer and the output tensors that go with it.
    pub async fn run(&self, key: &str, params: Option<Value>, inputs: Vec<Tensor>) -> (Reply, Vec<Tensor>) {
        match self.try_run(key, params, inputs).await {
            Ok(answer) => answer,
            Err(fault) => (Reply::Failed { fault }, Vec::new()),
        }
    }

    /// Where the time of one run of the model under `key` goes.
    pub async fn profile(&self, key: &str, inputs: Vec<Tensor>) -> Reply {
        let profile = async {
            let session = self.session(key)?;
            session.profile(backend::checked(session.as_ref(), inputs)?).await
        };
        match profile.await {
            Ok(profile) => Reply::Profiled { profile },
            Err(fault) => Reply::Failed { fault },
        }
    }

    /// Measures the variants of kernels that the model under `key` can run with.
    pub async fn tune(&self, key: &str, inputs: Vec<Tensor>, budget_millis: u32) -> Reply {
        let tune = async {
            let session = self.session(key)?;
            session.tune(backend::checked(session.as_ref(), inputs)?, budget_millis).await
        };
        match tune.await {
            Ok(Tuned { adapter, trials, is_kept }) => Reply::Tuned { adapter, trials, is_kept },
            Err(fault) => Reply::Failed { fault },
        }
    }

    /// The model under `key`, which must be no pipeline.
    fn session(&self, key: &str) -> Result<Rc<dyn Session>, Fault> {
        match self.models.borrow().get(key) {
            Some(Loaded::Model(session)) => Ok(Rc::clone(session)),
            Some(Loaded::Pipeline(_)) | None => Err(fault::not_loaded(key)),
        }
    }

    /// Runs the model under `key` once for `n_jobs` jobs of equal shapes; inputs and outputs come one job's after the other's.
    ///
    /// The first batch of a model also runs one of its jobs alone, so that a model which computes rows from each other is
    /// found out and refused.
    pub async fn run_batch(&self, key: &str, n_jobs: usize, inputs: Vec<Tensor>) -> (Reply, Vec<Tensor>) {
        match self.try_run_batch(key, n_jobs, inputs).await {
            Ok(answer) => answer,
            Err(fault) => (Reply::Failed { fault }, Vec::new()),
        }
    }

    /// Forgets what is loaded under `key`.
    pub fn unload(&self, key: &str) -> Reply {
        match self.models.borrow_mut().remove(key) {
            Some(_) => Reply::Unloaded,
            None => Reply::Failed { fault: fault::not_loaded(key) },
        }
    }

    /// Answers a heartbeat.
    #[must_use]
    pub fn ping(&self) -> Reply {
        Reply::Pong { memory_bytes: (self.platform.memory_bytes)() }
    }

    async fn try_load(
        &self,
        key: String,
        backend: wire::Backend,
        pipeline: Option<PipelineKind>,
        parts: impl FnOnce() -> Result<Vec<(Part, File)>, Fault>,
    ) -> Result<Reply, Fault> {
        let found = self.backends.iter().find(|candidate| candidate.kind() == backend);
        let backend = found.ok_or_else(|| fault::backend_unavailable(backend))?.as_ref();
        let started = (self.platform.now_micros)();
        let parts = parts()?;
        let received = (self.platform.now_micros)();
        let verified = verify(&parts)?;
        let verify_micros = (self.platform.now_micros)() - received;
        let (loaded, inputs, outputs) = match pipeline {
            Some(kind) => {
                let parts = Parts::new(parts.into_iter().map(|(part, file)| (part.role, file)).collect());
                (Loaded::Pipeline(pipeline::open(kind, backend, parts).await?.into()), Vec::new(), Vec::new())
            }
            None => {
                let [(_, file)] =
                    <[_; 1]>::try_from(parts).map_err(|parts| fault::n_parts(1, parts.len()))?;
                let session = backend.load(file).await?;
                let (inputs, outputs) =
                    (backend::headers(session.inputs()), backend::headers(session.outputs()));
                (Loaded::Model(session.into()), inputs, outputs)
            }
        };
        self.batching.borrow_mut().remove(&key);
        self.models.borrow_mut().insert(key, loaded);
        let phases = Phases {
            verify_micros: verified.then_some(verify_micros),
            load_micros: Some((self.platform.now_micros)() - started - verify_micros),
            ..Phases::default()
        };
        Ok(Reply::Loaded { inputs, outputs, backend_detail: backend.detail(), phases })
    }

    async fn try_run(
        &self,
        key: &str,
        params: Option<Value>,
        inputs: Vec<Tensor>,
    ) -> Result<(Reply, Vec<Tensor>), Fault> {
        let loaded = self.models.borrow().get(key).cloned().ok_or_else(|| fault::not_loaded(key))?;
        let started = (self.platform.now_micros)();
        let (outputs, result) = match loaded {
            Loaded::Model(session) => (backend::run_all(session.as_ref(), inputs).await?, None),
            Loaded::Pipeline(pipeline) => {
                let done = pipeline.run(params.unwrap_or_default(), inputs).await?;
                (done.outputs, Some(done.result))
            }
        };
        let run_micros = self.run_micros(started);
        Ok(self.ran(outputs, result, run_micros))
    }

    async fn try_run_batch(
        &self,
        key: &str,
        n_jobs: usize,
        inputs: Vec<Tensor>,
    ) -> Result<(Reply, Vec<Tensor>), Fault> {
        let session = self.session(key)?;
        let jobs = batch::jobs(inputs, n_jobs)?;
        let started = (self.platform.now_micros)();
        let outputs = backend::run_all(session.as_ref(), batch::stack(&jobs)).await?;
        let run_micros = self.run_micros(started);
        let outputs = batch::split(&outputs, n_jobs)?;
        if !self.batching.borrow().contains(key)
            && let (Some(job), Some(stacked)) = (jobs.last(), outputs.last())
        {
            let alone = backend::run_all(session.as_ref(), job.clone()).await?;
            batch::compare(stacked, &alone)?;
            if batch::is_telling(&jobs) {
                self.batching.borrow_mut().insert(key.to_owned());
            }
        }
        Ok(self.ran(outputs.into_iter().flatten().collect(), None, run_micros))
    }

    /// Time that a run took which began at `started`, microseconds.
    fn run_micros(&self, started: u64) -> u64 {
        #[cfg(feature = "slow-for-tests")]
        slow_down(self.platform.now_micros, started);
        (self.platform.now_micros)() - started
    }

    fn ran(&self, outputs: Vec<Tensor>, result: Option<Value>, run_micros: u64) -> (Reply, Vec<Tensor>) {
        let reply = Reply::Ran {
            outputs: outputs.iter().map(Tensor::header).collect(),
            result,
            phases: Phases { run_micros: Some(run_micros), ..Phases::default() },
            memory_bytes: (self.platform.memory_bytes)(),
        };
        (reply, outputs)
    }
}

/// Makes a run that began at `started` take a fifth longer than it did.
#[cfg(feature = "slow-for-tests")]
fn slow_down(now_micros: fn() -> u64, started: u64) {
    let ended = now_micros();
    while now_micros() - ended < (ended - started) / 5 {}
}

/// Compares each part with the hash that names it; false when no part has one.
fn verify(parts: &[(Part, File)]) -> Result<bool, Fault> {
    let mut verified = false;
    for (part, file) in parts {
        let Some(expected) = &part.sha256 else { continue };
        let mut hasher = content::Hasher::default();
        let mut block = vec![0; BLOCK_BYTES.min(file.n_bytes())];
        for start in (0..file.n_bytes()).step_by(BLOCK_BYTES) {
            let block = &mut block[..BLOCK_BYTES.min(file.n_bytes() - start)];
            file.read(start, block);
            hasher.update(block);
        }
        hasher.verify(expected).map_err(|mismatch| fault::integrity(&part.role, &mismatch))?;
        verified = true;
    }
    Ok(verified)
}

#[cfg(test)]
mod tests;
