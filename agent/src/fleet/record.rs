//! Rows for the history: one for each try of a job.

use std::time::Duration;

use wire::{Adapter, Backend, Browser, Fault, Outcome, Phases, RunRecord};

use crate::fleet::driver::{Ran, Subject};

/// One try of a job.
pub(super) struct Try<'a> {
    /// Unique id of the row.
    pub(super) id: String,
    /// Launch of the browser.
    pub(super) session: &'a str,
    /// The browser.
    pub(super) browser: &'a Browser,
    /// What runs the model in particular, e.g. `relaxed-simd`.
    pub(super) backend_detail: Option<&'a String>,
    /// The browser's WebGPU adapter.
    pub(super) adapter: Option<&'a Adapter>,
    /// The browser's place in the fleet.
    pub(super) connection: u32,
    /// 1 for the first try.
    pub(super) number: u32,
    /// What ran it.
    pub(super) backend: Backend,
    /// Shapes of one job as far as they are known without decoding.
    pub(super) shapes: &'a str,
    /// Jobs that ran together.
    pub(super) n_jobs: usize,
    /// Wait in the pool's queue.
    pub(super) queued: Duration,
    /// From the job's line to the end of the try.
    pub(super) since_submitted: Duration,
    /// What the worker measured.
    pub(super) ran: &'a Ran,
    /// Why it failed.
    pub(super) fault: Option<&'a Fault>,
}

/// The row of a try.
pub(super) fn run_record(subject: &Subject, attempt: Try<'_>, started_unix_micros: i64) -> RunRecord {
    let Ran { phases, memory_bytes, cold, decoded } = attempt.ran;
    RunRecord {
        id: attempt.id,
        session: Some(attempt.session.to_owned()),
        case: None,
        started_unix_micros,
        browser: attempt.browser.clone(),
        engine: "tabpool".to_owned(),
        engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        backend: attempt.backend,
        backend_detail: attempt.backend_detail.cloned().unwrap_or_default(),
        adapter: attempt.adapter.filter(|_| attempt.backend == Backend::Webgpu).cloned(),
        precision: subject.precision,
        model: subject.id.clone(),
        model_sha256: subject.sha256.clone(),
        shapes: match (decoded, attempt.n_jobs) {
            (Some(decoded), _) => decoded.shape_text(),
            (None, 0 | 1) => attempt.shapes.to_owned(),
            // The times are those of the whole call: batches of each size are series of their own.
            (None, n_jobs) => format!("{}@{n_jobs}", attempt.shapes),
        },
        cold: cold.is_some(),
        connection: attempt.connection,
        attempt: attempt.number,
        phases: Phases {
            queue_micros: Some(attempt.queued.as_micros() as u64),
            run_micros: phases.run_micros,
            total_micros: Some(attempt.since_submitted.as_micros() as u64),
            ..cold.unwrap_or_default()
        },
        memory_bytes: *memory_bytes,
        outcome: match attempt.fault {
            None => Outcome::Ok,
            Some(fault) => Outcome::Failed { fault: fault.clone() },
        },
    }
}
