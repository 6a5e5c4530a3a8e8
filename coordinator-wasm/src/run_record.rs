//! One row of history per run.

use wasm_bindgen::prelude::*;
use wire::{Adapter, Backend, Browser, Fault, Phases, Precision};

use crate::object::{number, object};
use crate::plain::{from_adapter, from_browser, from_fault, from_phases, text, time};
use crate::unique_id::unique_id;

/// What all records of a page share.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// `bench` session, if there is one.
    pub(crate) session: Option<String>,
    /// The browser that runs it all.
    pub(crate) browser: Browser,
}

/// What the records of one job share.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Id of the model or pipeline.
    pub(crate) model: String,
    /// Hash of the model's file, or empty.
    pub(crate) sha256: String,
    /// Precision of its weights.
    pub(crate) precision: Precision,
    /// The backend it was loaded for.
    pub(crate) backend: Backend,
    /// Bench case, if it is one.
    pub(crate) case: Option<String>,
    /// E.g. `input_ids:1x16`.
    pub(crate) shapes: String,
    /// Of `run()`, microseconds since the Unix epoch.
    pub(crate) started_unix_micros: i64,
}

/// One try of a job in a worker; the default stands for a job that never reached one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempt {
    /// 1 for the first try.
    pub(crate) number: u32,
    /// Where.
    pub(crate) connection: u32,
    /// On what.
    pub(crate) backend: Option<Backend>,
    /// What runs in place of the job's own model, with its hash and precision: a smaller variant.
    pub(crate) variant: Option<(String, String, Precision)>,
    /// Jobs that the call runs together.
    pub(crate) n_jobs: usize,
    /// SIMD build or the like.
    pub(crate) backend_detail: String,
    /// When the backend has one.
    pub(crate) adapter: Option<Adapter>,
    /// Set for the first run after a load: what the load took.
    pub(crate) cold: Option<Phases>,
    /// Longest wait in the queue.
    pub(crate) queue_micros: Option<u64>,
    /// Computing, as the worker measured it, for all jobs of the call.
    pub(crate) run_micros: Option<u64>,
    /// The worker's wasm memory after it, bytes.
    pub(crate) memory_bytes: u64,
}

/// A [`wire::RunRecord`]. `total_micros` counts from `run()`; `fault` is set when the try failed.
///
/// Runs that shared a call are comparable to their like only: their shapes say how many there were, e.g. `x:1x16@4`.
pub(crate) fn run_record(
    origin: &Origin,
    subject: &Subject,
    attempt: &Attempt,
    total_micros: u64,
    fault: Option<&Fault>,
) -> JsValue {
    let own = || (subject.model.clone(), subject.sha256.clone(), subject.precision);
    let (model, sha256, precision) = attempt.variant.clone().unwrap_or_else(own);
    let shapes = match attempt.n_jobs {
        0 | 1 => subject.shapes.clone(),
        n_jobs => format!("{}@{n_jobs}", subject.shapes),
    };
    let phases = Phases {
        queue_micros: attempt.queue_micros,
        run_micros: attempt.run_micros,
        total_micros: Some(total_micros),
        ..attempt.cold.unwrap_or_default()
    };
    let outcome = object(&[
        ("kind", if fault.is_some() { "failed" } else { "ok" }.into()),
        ("fault", fault.map_or(JsValue::UNDEFINED, from_fault)),
    ]);
    object(&[
        ("id", unique_id().into()),
        ("session", origin.session.as_deref().map_or(JsValue::NULL, JsValue::from)),
        ("case", text(subject.case.as_deref())),
        ("started_unix_micros", time(subject.started_unix_micros)),
        ("browser", from_browser(&origin.browser)),
        ("engine", "tabpool".into()),
        ("engine_version", env!("CARGO_PKG_VERSION").into()),
        ("backend", attempt.backend.unwrap_or(subject.backend).as_str().into()),
        ("backend_detail", attempt.backend_detail.as_str().into()),
        ("adapter", attempt.adapter.as_ref().map_or(JsValue::NULL, from_adapter)),
        ("precision", precision.as_str().into()),
        ("model", model.into()),
        ("model_sha256", sha256.into()),
        ("shapes", shapes.into()),
        ("cold", attempt.cold.is_some().into()),
        ("connection", attempt.connection.into()),
        ("attempt", attempt.number.into()),
        ("phases", from_phases(&phases)),
        ("memory_bytes", number(attempt.memory_bytes)),
        ("outcome", outcome),
    ])
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
