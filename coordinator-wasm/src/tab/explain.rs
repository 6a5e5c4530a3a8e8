//! `pool.explain()`.

use core::time::Duration;

use pool::{Candidate, Exclusion, Job, ModelId};
use wasm_bindgen::prelude::*;
use wire::Fault;

use super::requests::shape_class;
use super::{Tab, now};
use crate::object::{array, object};

impl Tab {
    /// The array of `Candidate` of the JavaScript interface, for a run with `inputs` if they are given.
    ///
    /// # Errors
    /// Those of the inputs.
    pub(crate) fn explain(&mut self, model: ModelId, inputs: &JsValue) -> Result<JsValue, Fault> {
        let mut job = Job::new(model);
        if inputs.is_object() {
            let inputs = self.read_inputs(model, inputs, false)?;
            job.is_batchable = self.is_batchable(model, &inputs);
            job.shape = shape_class(&inputs, job.is_batchable);
        }
        let candidates = self.machine.explain(now(), &job);
        Ok(array(candidates.iter().map(candidate)))
    }
}

fn candidate(candidate: &Candidate) -> JsValue {
    let millis = |duration: Duration| JsValue::from(duration.as_secs_f64() * 1e3);
    object(&[
        ("connection", candidate.connection.0.into()),
        ("backend", candidate.backend.as_str().into()),
        ("totalMs", millis(candidate.total)),
        ("waitMs", millis(candidate.wait)),
        ("loadMs", millis(candidate.load)),
        ("runMs", millis(candidate.run)),
        ("health", candidate.health.into()),
        ("memberFactor", candidate.member_factor.into()),
        ("uncertainty", candidate.uncertainty_ln.into()),
        (
            "exclusion",
            candidate.exclusion.map_or(JsValue::NULL, |exclusion: Exclusion| exclusion.as_str().into()),
        ),
        ("text", candidate.to_string().into()),
    ])
}
