//! What workers say, told to the pool.

use js_sys::ArrayBuffer;
use pool::{CallId, ConnectionId, Measured};
use wasm_bindgen::prelude::*;
use wire::{Capabilities, Fault, FaultCategory, Phases, TensorHeader};

use super::{Owner, Tab, now};
use crate::object::object;
use crate::outputs;
use crate::protocol::Reply;
use crate::translate::to_pool_capabilities;
use crate::worker::WorkerEvent;

/// What the memory of a wasm module grows to in every browser.
const WASM_BYTES: u64 = 4032 << 20;

impl Tab {
    /// Takes a message or an error from a worker; one that was replaced has nothing to say any more.
    pub(super) fn on_worker_event(&mut self, id: ConnectionId, incarnation: u32, event: WorkerEvent) {
        if self.connections.get(id).is_none_or(|connection| connection.incarnation != incarnation) {
            return;
        }
        match event {
            WorkerEvent::Reply { request, reply, buffers } => self.on_reply(id, request, reply, &buffers),
            WorkerEvent::Lost(fault) => self.lose(id, &fault),
        }
    }

    /// Terminates a worker as a crash would.
    pub(crate) fn kill_worker(&mut self, id: ConnectionId) {
        self.lose(
            id,
            &Fault::new(FaultCategory::WorkerCrash, "worker-killed", "the worker was terminated by the page"),
        );
    }

    fn on_reply(&mut self, id: ConnectionId, request: u32, reply: Reply, buffers: &[ArrayBuffer]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let call = connection.requests.remove(request);
        if connection.running.is_some_and(|(running, _, _)| Some(running) == call) {
            connection.running = None;
        }
        match (reply, call) {
            (Reply::Ready { capabilities }, None) => self.on_ready(id, capabilities),
            (Reply::Trapped { fault }, _) => self.on_trapped(id, fault),
            (Reply::Loaded { inputs, outputs, backend_detail, phases }, Some(call)) => {
                self.on_loaded(id, call, [inputs, outputs], backend_detail, phases);
            }
            (Reply::Ran { outputs, result, phases, memory_bytes }, Some(call)) => {
                let output = RunOutput { headers: outputs, result, phases, memory_bytes };
                self.on_ran(id, call, &output, buffers);
            }
            (Reply::Pong { memory_bytes }, Some(call)) => self.succeed(id, call, Some(memory_bytes)),
            (Reply::Failed { fault }, Some(call)) => self.fail(call, fault),
            // Nobody waits for these: an unload, or an answer to an unload that failed because the model was not there.
            (Reply::Unloaded | Reply::Failed { .. }, _) => {}
            (Reply::Ready { .. }, Some(_))
            | (Reply::Loaded { .. } | Reply::Ran { .. } | Reply::Pong { .. }, None) => {
                let message = "a worker answered a question that was not asked";
                self.lose(id, &Fault::new(FaultCategory::ConnectionLost, "worker-protocol", message));
            }
        }
        // Calls that the pool has given up end here; of the others it gives word itself.
        if let Some(call) = call {
            self.calls.remove(call);
        }
    }

    fn on_ready(&mut self, id: ConnectionId, capabilities: Capabilities) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(call) = connection.opening.take() else { return };
        let memory_limit_bytes = self.memory_limit_bytes.unwrap_or(u64::MAX).min(WASM_BYTES);
        let for_pool = pool::Capabilities { memory_limit_bytes, ..to_pool_capabilities(&capabilities, 1) };
        connection.capabilities = Some(capabilities);
        self.machine.on_ready(now(), call, for_pool);
    }

    /// The worker is of no more use. A trap for lack of memory speaks against the call that needed it; the loss of the
    /// worker is the same either way.
    fn on_trapped(&mut self, id: ConnectionId, fault: Fault) {
        let lost = Fault { category: FaultCategory::WorkerCrash, ..fault.clone() };
        let running = self
            .connections
            .get(id)
            .and_then(|connection| connection.requests.iter().next().map(|(_, call)| *call));
        if let Some(call) = running.filter(|_| fault.category != FaultCategory::WorkerCrash) {
            self.fail(call, fault);
        }
        self.lose(id, &lost);
    }

    fn on_loaded(
        &mut self,
        id: ConnectionId,
        call: CallId,
        [inputs, outputs]: [Vec<TensorHeader>; 2],
        backend_detail: String,
        phases: Phases,
    ) {
        let subject = self.calls.get(call).and_then(|call| call.subject);
        if let Some(subject) = subject
            && let Some(model) = self.models.get_mut(subject.0)
            && let Some(connection) = self.connections.get_mut(id)
        {
            let fetched = model.fetched.take().unwrap_or_default();
            let verify_micros = fetched.verify_micros.or(phases.verify_micros);
            connection
                .cold
                .insert(subject, Phases { verify_micros, load_micros: phases.load_micros, ..fetched });
            connection.details.insert(subject, backend_detail);
            let has_rows = |tensor: &TensorHeader| tensor.dims.first() == Some(&0);
            let is_batchable = !inputs.is_empty() && inputs.iter().chain(&outputs).all(has_rows);
            model.is_batchable.get_or_insert(is_batchable);
            model.inputs = inputs;
            model.outputs = outputs;
        }
        self.succeed(id, call, None);
    }

    fn on_ran(&mut self, id: ConnectionId, call: CallId, output: &RunOutput, buffers: &[ArrayBuffer]) {
        let (is_probe, jobs) =
            self.calls.get(call).map(|call| (call.is_probe, call.jobs.clone())).unwrap_or_default();
        if is_probe {
            return match outputs::to_object(&output.headers, buffers) {
                Ok(tensors) => self.on_probed(id, call, &tensors),
                Err(fault) => self.fail(call, fault),
            };
        }
        // Every job has as many of them, one job's after the other's.
        let n_outputs = output.headers.len() / jobs.len().max(1);
        for (place, &job) in jobs.iter().enumerate() {
            let own = place * n_outputs..(place + 1) * n_outputs;
            let headers = output.headers.get(own.clone()).unwrap_or_default();
            let tensors = match outputs::to_object(headers, buffers.get(own).unwrap_or_default()) {
                Ok(tensors) => tensors,
                Err(fault) => return self.fail(call, fault),
            };
            let result = output.result.clone().unwrap_or(JsValue::UNDEFINED);
            let value = object(&[("outputs", tensors), ("result", result)]);
            // Who took his job back meanwhile has left its place.
            if let Some(Owner::Run(run)) = self.jobs.get_mut(job)
                && let Some(try_) = run.tries.iter_mut().find(|try_| try_.call == call)
            {
                try_.output = Some(value);
                try_.attempt.run_micros = output.phases.run_micros;
                try_.attempt.memory_bytes = output.memory_bytes;
            }
        }
        self.succeed(id, call, Some(output.memory_bytes));
    }

    pub(super) fn succeed(&mut self, id: ConnectionId, call: CallId, memory_bytes: Option<u64>) {
        if let (Some(connection), Some(memory_bytes)) = (self.connections.get_mut(id), memory_bytes) {
            connection.memory_bytes = memory_bytes;
        }
        self.machine.on_finished(now(), call, Measured { memory_bytes });
    }
}

/// The data of [`Reply::Ran`].
struct RunOutput {
    headers: Vec<TensorHeader>,
    result: Option<JsValue>,
    phases: Phases,
    memory_bytes: u64,
}
