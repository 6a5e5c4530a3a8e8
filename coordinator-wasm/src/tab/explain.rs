//! `pool.explain()`.

use core::time::Duration;

use js_sys::Array;
use pool::{Candidate, Exclusion, Job, ModelId};
use wasm_bindgen::prelude::*;

use super::{Tab, now};
use crate::object::object;

impl Tab {
    /// The array of `Candidate` of the JavaScript interface.
    pub(crate) fn explain(&mut self, model: ModelId) -> JsValue {
        let candidates = self.machine.explain(now(), &Job::new(model));
        candidates.iter().map(candidate).collect::<Array>().into()
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
