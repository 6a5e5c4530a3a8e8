//! Doing what the pool wants done.

use js_sys::ArrayBuffer;
use pool::{Action, CallId, ConnectionId, JobId, ModelId};
use wasm_bindgen::JsValue;
use wire::engine::Part;
use wire::{Fault, FaultCategory};

use super::{Call, Connection, Loaded, Owner, Tab, Try};
use crate::clock::now_micros;
use crate::files::ModelFiles;
use crate::inputs::Inputs;
use crate::protocol::Request;
use crate::run_record::Attempt;
use crate::translate::to_wire_backend;
use crate::worker::EngineWorker;

/// Code of the fault of a batch whose jobs cannot run as one; the engine's, too.
pub(super) const NOT_STACKABLE: &str = "batch";

impl Tab {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Open { connection, call } => {
                self.recall_connection(connection);
                self.open(connection, call);
            }
            Action::Respawn { connection, call, scope: _ } => self.open(connection, call),
            Action::Close { connection } => {
                self.connections.remove(connection);
            }
            Action::Load { connection, call, model, backend, is_refetch, timeout: _ } => {
                let backend = to_wire_backend(backend);
                self.calls.insert(call, Call { subject: Some((model, backend)), ..Call::of(connection) });
                self.read_files(call, model, backend, is_refetch);
            }
            Action::Unload { connection, model, backend } => {
                let key = key(model, to_wire_backend(backend));
                // A worker that cannot be told is about to be replaced anyway.
                drop(self.post(connection, None, &Request::Unload { key: &key }, &[]));
            }
            Action::Run { connection, call, model, backend, jobs, attempt, shape: _, timeout: _ } => {
                self.run(connection, call, (model, to_wire_backend(backend)), jobs, attempt);
            }
            Action::Ping { connection, call } => {
                self.calls.insert(call, Call::of(connection));
                self.send(connection, call, &Request::Ping, &[]);
            }
            Action::Probe { connection, call, model, backend } => {
                self.probe(connection, call, model, to_wire_backend(backend));
            }
            Action::RecreateDevice { connection, call, backend } => {
                self.recreate(connection, call, to_wire_backend(backend));
            }
            // A worker that computes cannot be interrupted; the pool replaces it when it takes too long to come back.
            Action::Abort { .. } => {}
            Action::Finish { job, end } => self.finish(job, &end),
            Action::Record(record) => self.on_record(record),
        }
    }

    /// Starts a worker, in place of the one before if there was one.
    fn open(&mut self, id: ConnectionId, call: CallId) {
        self.calls.insert(call, Call::of(id));
        let connection = self.connections.get_or_default(id);
        connection.stop();
        connection.incarnation += 1;
        connection.opening = Some(call);
        let incarnation = connection.incarnation;
        let shell = self.shell.clone();
        let on_event = move |event| {
            if let Some(shell) = shell.upgrade() {
                shell.feed(move |tab| tab.on_worker_event(id, incarnation, event));
            }
        };
        let started = match self.frames.get(id) {
            Some(url) => EngineWorker::start_in_frame(url, on_event),
            None => EngineWorker::start(&self.worker_url, on_event),
        };
        match started {
            Ok(worker) => connection.worker = Some(worker),
            Err(fault) => self.fail(call, fault),
        }
    }

    /// Lets go of what a lost device held; the engine gets a new one for the next model that is loaded. The worker must still
    /// answer.
    fn recreate(&mut self, id: ConnectionId, call: CallId, backend: wire::Backend) {
        self.calls.insert(call, Call::of(id));
        let Some(connection) = self.connections.get_mut(id) else { return };
        let loaded = connection.details.iter().map(|(loaded, _)| loaded);
        for (model, on) in loaded.filter(|(_, on)| *on == backend).collect::<Vec<_>>() {
            connection.details.remove((model, on));
            // A worker that cannot be told is found out by the question that follows.
            drop(connection.post(None, &Request::Unload { key: &key(model, on) }, &[]));
        }
        self.send(id, call, &Request::Ping, &[]);
    }

    /// Gets a model's bytes ready for a worker; blobs are read asynchronously.
    fn read_files(&mut self, call: CallId, id: ModelId, backend: wire::Backend, is_refetch: bool) {
        let Some(model) = self.models.get(id) else {
            return self.fail(call, forgotten());
        };
        let (files, source, shell) = (model.files.clone(), model.source.clone(), self.shell.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let files = if is_refetch { ModelFiles::fetch_again(&source, &files).await } else { Ok(files) };
            let read = match files {
                Ok(files) => files.contents(backend).await.map(|contents| (files, contents)),
                Err(fault) => Err(fault),
            };
            let Some(shell) = shell.upgrade() else { return };
            shell.feed(move |tab| match read {
                Ok((files, contents)) => {
                    let parts = files.parts();
                    if let Some(model) = tab.models.get_mut(id) {
                        model.files = files;
                    }
                    tab.load(call, id, backend, (&parts, &contents));
                }
                Err(fault) => tab.fail(call, fault),
            });
        });
    }

    /// Sends a model to the worker that waits for it, unless the pool has given that up meanwhile.
    fn load(
        &mut self,
        call: CallId,
        id: ModelId,
        backend: wire::Backend,
        (parts, contents): (&[Part], &[JsValue]),
    ) {
        let Some(connection) = self.calls.get(call).map(|call| call.connection) else { return };
        let pipeline = self.models.get(id).and_then(|model| model.source.pipeline);
        let request = Request::Load { key: &key(id, backend), backend, pipeline, parts, contents };
        self.send(connection, call, &request, &[]);
    }

    fn run(&mut self, id: ConnectionId, call: CallId, subject: Loaded, jobs: Vec<JobId>, number: u32) {
        for &job in &jobs {
            self.report_failed_tries(job);
        }
        let sent = self.send_run(id, call, subject, &jobs, number);
        self.calls.insert(call, Call { subject: Some(subject), jobs, ..Call::of(id) });
        if let Err(fault) = sent {
            self.fail(call, fault);
        }
    }

    fn send_run(
        &mut self,
        id: ConnectionId,
        call: CallId,
        subject: Loaded,
        jobs: &[JobId],
        number: u32,
    ) -> Result<(), Fault> {
        let (model, backend) = subject;
        let loaded = self.models.get(model).ok_or_else(forgotten)?;
        if jobs.len() > 1 && loaded.is_batchable != Some(true) {
            return Err(apart());
        }
        let variant = || (loaded.id.clone(), loaded.files.sha256().to_owned(), loaded.source.precision);
        let connection = self.connections.get_mut(id).ok_or_else(gone)?;
        connection.running = Some((call, model, now_micros()));
        let capabilities = connection.capabilities.as_ref().filter(|_| backend == wire::Backend::Webgpu);
        let mut attempt = Attempt {
            number,
            connection: id.0,
            backend: Some(backend),
            n_jobs: jobs.len(),
            backend_detail: connection.details.get(subject).cloned().unwrap_or_default(),
            adapter: capabilities.and_then(|found| found.adapter.clone()),
            cold: connection.cold.remove(subject),
            ..Attempt::default()
        };
        let mut buffers = Vec::new();
        for &job in jobs {
            let Some(Owner::Run(run)) = self.jobs.get_mut(job) else { return Err(forgotten()) };
            attempt.variant = (run.model != model).then(variant);
            run.tries.push(Try { call, attempt: attempt.clone(), fault: None, output: None });
            buffers.extend(run.inputs.buffers()?);
        }
        // The others have the same shapes.
        let first = jobs.first().and_then(|&job| self.jobs.get(job));
        let Some(Owner::Run(run)) = first else { return Err(forgotten()) };
        let Inputs { params, headers: inputs, .. } = &run.inputs;
        let key = &key(model, backend);
        let request = match jobs.len() {
            1 => Request::Run { key, params: params.as_ref(), inputs },
            n_jobs => Request::RunBatch { key, n_jobs, inputs },
        };
        connection.post(Some(call), &request, &buffers)
    }

    /// Sends a request that the pool waits for.
    fn send(
        &mut self,
        connection: ConnectionId,
        call: CallId,
        request: &Request<'_>,
        buffers: &[ArrayBuffer],
    ) {
        if let Err(fault) = self.post(connection, Some(call), request, buffers) {
            self.fail(call, fault);
        }
    }

    pub(super) fn post(
        &mut self,
        connection: ConnectionId,
        call: Option<CallId>,
        request: &Request<'_>,
        buffers: &[ArrayBuffer],
    ) -> Result<(), Fault> {
        let connection = self.connections.get_mut(connection).ok_or_else(gone)?;
        connection.post(call, request, buffers)
    }
}

impl Connection {
    pub(super) fn post(
        &mut self,
        call: Option<CallId>,
        request: &Request<'_>,
        buffers: &[ArrayBuffer],
    ) -> Result<(), Fault> {
        let worker = self.worker.as_ref().ok_or_else(gone)?;
        self.next_request += 1;
        let id = self.next_request;
        worker.post(id, request, buffers)?;
        if let Some(call) = call {
            self.requests.insert(id, call);
        }
        Ok(())
    }
}

/// The name of a model inside workers.
pub(super) fn key(model: ModelId, backend: wire::Backend) -> String {
    format!("{model}/{}", backend.as_str())
}

fn gone() -> Fault {
    Fault::new(FaultCategory::ConnectionLost, "worker-gone", "the worker is gone")
}

pub(super) fn forgotten() -> Fault {
    Fault::new(FaultCategory::Cancelled, "model-unloaded", "the model was unloaded or its job has ended")
}

/// For a batch of a model that turned out to need one call per job; its jobs are tried again, one by one.
fn apart() -> Fault {
    Fault::new(FaultCategory::Validation, NOT_STACKABLE, "jobs of this model do not share calls")
}
