//! Doing what the pool wants done.

use js_sys::ArrayBuffer;
use pool::{Action, CallId, ConnectionId, JobId, ModelId};
use wire::engine::Part;
use wire::{Fault, FaultCategory};

use super::{Call, Connection, Owner, Tab};
use crate::clock::now_micros;
use crate::files::ModelFiles;
use crate::protocol::Request;
use crate::run_record::Attempt;
use crate::translate::to_wire_backend;
use crate::worker::EngineWorker;

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
                self.run(connection, call, model, to_wire_backend(backend), &jobs, attempt);
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
            Action::Record(record) => self.on_event(record.event),
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
        let started = EngineWorker::start(&self.worker_url, move |event| {
            if let Some(shell) = shell.upgrade() {
                shell.feed(move |tab| tab.on_worker_event(id, incarnation, event));
            }
        });
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
                Ok(files) => files.buffers().await.map(|buffers| (files, buffers)),
                Err(fault) => Err(fault),
            };
            let Some(shell) = shell.upgrade() else { return };
            shell.feed(move |tab| match read {
                Ok((files, buffers)) => {
                    let parts = files.parts();
                    if let Some(model) = tab.models.get_mut(id) {
                        model.files = files;
                    }
                    tab.load(call, id, backend, parts, &buffers);
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
        parts: Vec<Part>,
        buffers: &[ArrayBuffer],
    ) {
        let Some(connection) = self.calls.get(call).map(|call| call.connection) else { return };
        let pipeline = self.models.get(id).and_then(|model| model.source.pipeline);
        let request = Request::Load { key: &key(id, backend), backend, pipeline, parts: &parts };
        self.send(connection, call, &request, buffers);
    }

    fn run(
        &mut self,
        id: ConnectionId,
        call: CallId,
        model: ModelId,
        backend: wire::Backend,
        jobs: &[JobId],
        number: u32,
    ) {
        let subject = Some((model, backend));
        self.calls.insert(call, Call { subject, job: jobs.first().copied(), ..Call::of(id) });
        // Models are registered with batches of one.
        let &[job] = jobs else { return self.fail(call, lacking("batches")) };
        self.report_failed_attempt(job);
        let Some(Owner::Run(run)) = self.jobs.get_mut(job) else { return self.fail(call, forgotten()) };
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.running = Some((call, model, now_micros()));
        let capabilities = connection.capabilities.clone().unwrap_or_default();
        run.subject.backend = backend;
        run.attempt = Some(Attempt {
            number,
            connection: id.0,
            backend_detail: connection.details.get((model, backend)).cloned().unwrap_or_default(),
            adapter: capabilities.adapter.filter(|_| backend == wire::Backend::Webgpu),
            cold: connection.cold.remove((model, backend)),
            ..Attempt::default()
        });
        let sent = run.inputs.buffers().and_then(|buffers| {
            let inputs = &run.inputs;
            let request = Request::Run {
                key: &key(model, backend),
                params: inputs.params.as_ref(),
                inputs: &inputs.headers,
            };
            connection.post(Some(call), &request, &buffers)
        });
        if let Err(fault) = sent {
            self.fail(call, fault);
        }
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

fn lacking(what: &str) -> Fault {
    Fault::new(FaultCategory::UnsupportedOperator, "unsupported-action", format!("this pool has no {what}"))
}
