//! Golden inferences: what a component that failed is tried with.

use js_sys::ArrayBuffer;
use pool::{BreakerState, CallId, ConnectionId, JobEnd, ModelId};
use wasm_bindgen::prelude::*;
use wire::{Fault, FaultCategory};

use super::actions::{forgotten, key};
use super::{Call, Run, Tab, now};
use crate::golden::{Golden, Limits, Outputs};
use crate::inputs::Inputs;
use crate::object::property;
use crate::options::Probe;
use crate::protocol::Request;

/// Most elements of inputs that are kept from a run.
const MOST_INPUT_ELEMENTS: u64 = 262_144;

impl Tab {
    /// Takes up what the caller gave to probe a loaded model with.
    ///
    /// # Errors
    /// Those of the inputs, and `probe` for outputs that are no tensors.
    pub(crate) fn set_probe(&mut self, id: ModelId, probe: &Probe) -> Result<(), Fault> {
        match probe {
            Probe::None => {}
            Probe::FirstRun => {
                if let Some(model) = self.models.get_mut(id) {
                    model.learns_golden = true;
                }
            }
            Probe::Given { outputs: None, .. } => {}
            Probe::Given { inputs, outputs: Some(outputs), limits } => {
                let inputs = self.read_inputs(id, inputs, false)?;
                self.set_golden(id, &inputs, Outputs::read(outputs)?, *limits);
            }
        }
        Ok(())
    }

    /// Keeps known inputs and outputs of a model.
    pub(crate) fn set_golden(&mut self, id: ModelId, inputs: &Inputs, outputs: Outputs, limits: Limits) {
        if let Some(model) = self.models.get_mut(id) {
            model.golden = Some(Golden::new(inputs, outputs, limits));
            self.machine.set_golden(now(), id);
        }
    }

    /// A run ended well: it becomes the golden one where the caller asked for that, unless something was failing.
    pub(super) fn learn_golden(&mut self, run: &Run, end: &JobEnd, output: &JsValue) {
        let JobEnd::Completed { connection, backend, attempt: 1, .. } = *end else { return };
        let is_wanted =
            self.models.get(run.model).is_some_and(|model| model.learns_golden && model.golden.is_none());
        let is_healthy = self.machine.connection(connection).is_some_and(|connection| {
            let breaker = connection.breaker(backend.component());
            breaker.state() == BreakerState::Closed && breaker.n_consecutive() == 0
        });
        if !is_wanted || !is_healthy || run.inputs.are_gone() || run.inputs.n_elements > MOST_INPUT_ELEMENTS {
            return;
        }
        let outputs = property(output, "outputs").and_then(|outputs| Outputs::read(&outputs).ok());
        if let Some(outputs) = outputs.filter(Outputs::are_finite) {
            self.set_golden(run.model, &run.inputs, outputs, Limits::default());
        }
    }

    /// Runs a model's golden inputs.
    pub(super) fn probe(&mut self, id: ConnectionId, call: CallId, model: ModelId, backend: wire::Backend) {
        self.calls.insert(call, Call { subject: Some((model, backend)), is_probe: true, ..Call::of(id) });
        let golden = self.models.get_mut(model).and_then(|model| model.golden.as_mut());
        let (Some(golden), Some(connection)) = (golden, self.connections.get_mut(id)) else {
            return self.fail(call, forgotten());
        };
        let sent = golden.inputs.buffers().and_then(|buffers: Vec<ArrayBuffer>| {
            let key = key(model, backend);
            let (params, inputs) = (golden.inputs.params.as_ref(), golden.inputs.headers.as_slice());
            connection.post(Some(call), &Request::Run { key: &key, params, inputs }, &buffers)
        });
        if let Err(fault) = sent {
            self.fail(call, fault);
        }
    }

    /// Golden inputs ran: their outputs decide.
    pub(super) fn on_probed(&mut self, id: ConnectionId, call: CallId, outputs: &JsValue) {
        let subject = self.calls.get(call).and_then(|call| call.subject);
        let model = subject.and_then(|(model, _)| self.models.get(model));
        let checked = model.and_then(|model| model.golden.as_ref()).map(|golden| golden.check(outputs));
        match checked {
            Some(Ok(())) => self.succeed(id, call, None),
            Some(Err(problem)) => {
                let message = format!("a golden inference went wrong: {problem}");
                self.fail(call, Fault::new(FaultCategory::Numeric, "probe-mismatch", message));
            }
            None => self.fail(call, forgotten()),
        }
    }
}
