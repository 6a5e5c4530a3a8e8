//! What the page asks: load, run, unload, close.

use std::rc::Rc;

use pool::{
    BackendSet, BreakerMode, Component, ConnectionId, ConnectionKind, ConnectionSpec, Job, JobId, ModelId,
    ModelSpec, ShapeClass,
};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;
use wire::{Backend, Fault, Phases, TensorHeader};

use super::{LoadedModel, Owner, Run, Tab, now, unloaded};
use crate::clock::{now_micros, unix_micros};
use crate::deferred::Deferred;
use crate::fault::{cancelled, invalid};
use crate::files::ModelFiles;
use crate::guard::Listener;
use crate::inputs::Inputs;
use crate::inputs::fingerprint::mix;
use crate::options::{Choice, RunOptions};
use crate::run_record::Subject;
use crate::source::Source;
use crate::translate::{refused, to_pool_backend, to_pool_precision, to_wire_backend};

/// Most elements of all inputs of a job that shares calls: MiniLM's two inputs of 64 tokens. Four of them together gain a
/// factor of 1.23 at 16 tokens, 1.12 at 32 and 1.09 at 64.
const MOST_BATCHED_ELEMENTS: u64 = 128;

impl Tab {
    /// A handle on a model that is registered already.
    pub(crate) fn share_model(&mut self, key: &str) -> Option<ModelId> {
        let (id, model) =
            self.models.iter_mut().find(|(_, model)| model.key == key && model.n_handles > 0)?;
        model.n_handles += 1;
        Some(id)
    }

    /// Makes a model known to the pool; its first handle.
    pub(crate) fn add_model(
        &mut self,
        key: String,
        source: Rc<Source>,
        files: Rc<ModelFiles>,
        choice: Choice,
        fetched: Phases,
    ) -> ModelId {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are below 2^53")]
        let memory_bytes = files.n_bytes() as u64;
        let backends = match choice {
            Choice::One(backend) => BackendSet::of(&[to_pool_backend(backend)]),
            Choice::Auto => self.available_backends(),
        };
        // What nobody stated counts as full precision: the pool then never takes it for a smaller variant.
        let precision = to_pool_precision(source.precision).unwrap_or(pool::Precision::F32);
        let id = self.machine.register_model(ModelSpec {
            memory_bytes,
            backends,
            max_batch: self.max_batch,
            ..ModelSpec::new(&key, &source.family, precision)
        });
        let name = key.clone();
        let model = LoadedModel {
            id: source.id.clone(),
            key,
            source,
            files,
            inputs: Vec::new(),
            outputs: Vec::new(),
            n_handles: 1,
            fetched: Some(fetched),
            latencies: std::collections::VecDeque::new(),
            n_runs: 0,
            n_faults: 0,
            is_batchable: None,
            is_splittable: None,
            golden: None,
            learns_golden: false,
        };
        self.models.insert(id, model);
        self.recall_model(id, &name);
        id
    }

    /// Backends that some worker has.
    fn available_backends(&self) -> BackendSet {
        let all = self.machine.connections().flat_map(|connection| connection.capabilities().backends.iter());
        all.fold(BackendSet::NONE, BackendSet::with)
    }

    /// Backends that may run a model, in the order of preference.
    pub(crate) fn backends(&self, id: ModelId) -> Vec<Backend> {
        let backends = self.machine.model(id).map_or(BackendSet::NONE, |model| model.backends);
        backends.iter().map(to_wire_backend).collect()
    }

    /// Leaves a model these backends; it is taken off the others.
    pub(crate) fn restrict_model(&mut self, id: ModelId, backends: &[Backend]) {
        let backends: Vec<pool::Backend> = backends.iter().copied().map(to_pool_backend).collect();
        self.machine.restrict_model(now(), id, BackendSet::of(&backends));
    }

    /// Loads a registered model into a first worker, on `backend` if one is given.
    pub(crate) fn load_model(
        &mut self,
        id: ModelId,
        backend: Option<Backend>,
        signal: Option<&AbortSignal>,
        deferred: Deferred,
    ) {
        let backends = only(backend);
        match self.machine.submit(now(), Job { is_load_only: true, backends, ..Job::new(id) }) {
            Ok(job) => {
                let _on_abort = signal.map(|signal| self.cancel_on_abort(signal, job));
                self.jobs.insert(job, Owner::Load { deferred, _on_abort });
            }
            Err(refusal) => deferred.reject(&refused(&refusal), None),
        }
    }

    /// Gives a handle back; the last one takes the model out of the workers.
    pub(crate) fn unload_model(&mut self, id: ModelId) {
        let Some(model) = self.models.get_mut(id) else { return };
        model.n_handles = model.n_handles.saturating_sub(1);
        if model.n_handles == 0 {
            self.machine.retire_model(now(), id);
            self.drop_unused_model(id);
        }
    }

    /// Lets go of a model's bytes when neither a handle nor a job needs them any more.
    pub(super) fn drop_unused_model(&mut self, id: ModelId) {
        let has_handle = self.models.get(id).is_some_and(|model| model.n_handles > 0);
        let is_needed = |owner: &Owner| matches!(owner, Owner::Run(run) if run.model == id);
        if !has_handle && !self.jobs.iter().any(|(_, owner)| is_needed(owner)) {
            self.models.remove(id);
        }
    }

    /// Graph inputs and outputs of a loaded model.
    pub(crate) fn contract(&self, id: ModelId) -> (Vec<TensorHeader>, Vec<TensorHeader>) {
        self.models.get(id).map(|model| (model.inputs.clone(), model.outputs.clone())).unwrap_or_default()
    }

    /// Runs a model; `deferred` is settled when the job ends.
    pub(crate) fn run_model(
        &mut self,
        id: ModelId,
        inputs: &JsValue,
        options: RunOptions,
        deferred: Deferred,
    ) {
        let inputs = self.read_inputs(id, inputs, options.transfer);
        self.run_inputs(id, inputs, options, deferred);
    }

    /// Runs a model on inputs that were read before.
    pub(super) fn run_inputs(
        &mut self,
        id: ModelId,
        inputs: Result<Inputs, Fault>,
        options: RunOptions,
        deferred: Deferred,
    ) {
        match self.accept(id, inputs, &options) {
            Err(fault) => {
                let reason = options.signal.filter(AbortSignal::aborted).map(|signal| signal.reason());
                deferred.reject(&fault, reason.as_ref());
            }
            Ok((job, inputs, subject)) => {
                let _on_abort = options.signal.as_ref().map(|signal| self.cancel_on_abort(signal, job));
                let run = Run {
                    model: id,
                    inputs,
                    subject,
                    submitted_micros: now_micros(),
                    tries: Vec::new(),
                    signal: options.signal,
                    deferred,
                    _on_abort,
                };
                self.jobs.insert(job, Owner::Run(Box::new(run)));
            }
        }
    }

    fn accept(
        &mut self,
        id: ModelId,
        inputs: Result<Inputs, Fault>,
        options: &RunOptions,
    ) -> Result<(JobId, Inputs, Subject), Fault> {
        if options.signal.as_ref().is_some_and(AbortSignal::aborted) {
            return Err(cancelled("the job"));
        }
        let inputs = inputs?;
        let model = self.models.get(id).ok_or_else(unloaded)?;
        let subject = Subject {
            model: model.id.clone(),
            sha256: model.files.sha256().to_owned(),
            precision: model.source.precision,
            // Of the try that ends the job; this one, should none begin.
            backend: options.backend.or_else(|| self.backends(id).first().copied()).unwrap_or(Backend::Wasm),
            case: options.case.clone(),
            shapes: inputs.shapes.clone(),
            started_unix_micros: unix_micros(),
        };
        let now = now();
        let is_batchable = self.is_batchable(id, &inputs);
        let job = Job {
            shape: shape_class(&inputs, is_batchable),
            is_batchable,
            priority: options.priority,
            deadline: options.deadline.map(|deadline| now + deadline),
            backends: only(options.backend),
            // Hashing is left out until something is wrong: [`Tab::identify_inputs`].
            fingerprint: if self.machine.has_quarantined(now, id) { inputs.fingerprint() } else { 0 },
            ..Job::new(id)
        };
        let job = self.machine.submit(now, job).map_err(|refusal| refused(&refusal))?;
        Ok((job, inputs, subject))
    }

    /// Whether a job may share a call with others of its shapes. What is handed over cannot be sent twice, as the jobs of a
    /// batch that fails are; and larger inputs gain nothing.
    pub(super) fn is_batchable(&self, id: ModelId, inputs: &Inputs) -> bool {
        let is_model = self.models.get(id).is_some_and(|model| model.is_batchable == Some(true));
        is_model && !inputs.transfer && inputs.n_elements <= MOST_BATCHED_ELEMENTS
    }

    /// Reads inputs as the model's contract says.
    pub(super) fn read_inputs(&self, id: ModelId, inputs: &JsValue, transfer: bool) -> Result<Inputs, Fault> {
        let model = self.models.get(id).filter(|model| model.n_handles > 0).ok_or_else(unloaded)?;
        match model.source.pipeline {
            Some(kind) => Inputs::of_pipeline(inputs, kind, transfer),
            None => Inputs::of_model(inputs, &model.inputs, transfer),
        }
    }

    /// Opens the first connections: an iframe for each of `frames`, and workers.
    pub(crate) fn start(&mut self, browser: &str, frames: Vec<String>) {
        for frame in frames {
            let spec = ConnectionSpec { kind: ConnectionKind::Iframe, ..ConnectionSpec::worker(browser) };
            let id = self.machine.add_connection(now(), spec);
            self.frames.insert(id, frame);
        }
        self.machine.start(now());
    }

    /// Lets a model's jobs run on a loaded smaller variant of it when memory is short.
    ///
    /// # Errors
    /// `option` when there is no such model, or its inputs and outputs are others.
    pub(crate) fn set_lower_precision(&mut self, id: ModelId, variant: &str) -> Result<(), Fault> {
        let unfit = |reason| invalid("option", format!("option 'lowerPrecision' does not fit: {reason}"));
        let contract = self.contract(id);
        let variants = self.models.iter().filter(|(other, model)| *other != id && model.id == variant);
        let (other, _) = variants
            .max_by_key(|(_, model)| model.n_handles)
            .ok_or_else(|| unfit("no such model is loaded"))?;
        if self.contract(other) != contract {
            return Err(unfit("its inputs or outputs are others"));
        }
        if let Some(spec) = self.machine.model(id) {
            let spec = ModelSpec { lower_precision: Some(other), ..spec.clone() };
            self.machine.register_model(spec);
        }
        Ok(())
    }

    /// Puts one breaker under the page's hand, or back to work.
    pub(crate) fn set_breaker_mode(&mut self, id: ConnectionId, component: Component, mode: BreakerMode) {
        self.machine.set_breaker_mode(now(), id, component, mode);
    }

    /// Ends every job and every worker.
    pub(crate) fn close(&mut self) {
        self.save();
        self.is_closed = true;
        self.machine.close(now());
    }

    fn cancel_on_abort(&self, signal: &AbortSignal, job: JobId) -> Listener {
        let shell = self.shell.clone();
        Listener::new(signal, "abort", move |_| {
            if let Some(shell) = shell.upgrade() {
                shell.feed(move |tab| tab.machine.cancel(now(), job));
            }
        })
    }
}

/// The class of inputs' shapes. Jobs of one class that may share calls have equal shapes; others need about the same time.
pub(super) fn shape_class(inputs: &Inputs, is_batchable: bool) -> ShapeClass {
    if is_batchable {
        // The upper bit keeps it apart from the classes of the others.
        #[expect(clippy::cast_possible_truncation, reason = "a hash may lose bits")]
        ShapeClass(mix(0, inputs.shapes.as_bytes()) as u32 | 1 << 31)
    } else {
        ShapeClass::from_elements(inputs.n_elements)
    }
}

/// The set of one backend, or of all.
fn only(backend: Option<Backend>) -> BackendSet {
    backend.map_or(BackendSet::ALL, |backend| BackendSet::of(&[to_pool_backend(backend)]))
}
