//! One row of history per run.

use wire::{Adapter, Backend, Browser, Fault, Outcome, Phases, Precision, RunRecord};

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
    /// SIMD build or the like.
    pub(crate) backend_detail: String,
    /// When the backend has one.
    pub(crate) adapter: Option<Adapter>,
    /// Set for the first run after a load: what the load took.
    pub(crate) cold: Option<Phases>,
    /// Longest wait in the queue.
    pub(crate) queue_micros: Option<u64>,
    /// Computing, as the worker measured it.
    pub(crate) run_micros: Option<u64>,
    /// The worker's wasm memory after it, bytes.
    pub(crate) memory_bytes: u64,
}

/// Puts the row together. `total_micros` counts from `run()`; `fault` is set when the try failed.
pub(crate) fn run_record(
    id: String,
    origin: &Origin,
    subject: &Subject,
    attempt: &Attempt,
    total_micros: u64,
    fault: Option<Fault>,
) -> RunRecord {
    RunRecord {
        id,
        session: origin.session.clone(),
        case: subject.case.clone(),
        started_unix_micros: subject.started_unix_micros,
        browser: origin.browser.clone(),
        engine: "tabpool".to_owned(),
        engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        backend: subject.backend,
        backend_detail: attempt.backend_detail.clone(),
        adapter: attempt.adapter.clone(),
        precision: subject.precision,
        model: subject.model.clone(),
        model_sha256: subject.sha256.clone(),
        shapes: subject.shapes.clone(),
        cold: attempt.cold.is_some(),
        connection: attempt.connection,
        attempt: attempt.number,
        phases: Phases {
            queue_micros: attempt.queue_micros,
            run_micros: attempt.run_micros,
            total_micros: Some(total_micros),
            ..attempt.cold.unwrap_or_default()
        },
        memory_bytes: attempt.memory_bytes,
        outcome: fault.map_or(Outcome::Ok, |fault| Outcome::Failed { fault }),
    }
}
