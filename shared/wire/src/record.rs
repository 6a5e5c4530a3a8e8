//! Records of runs: what the page posts to the agent and the agent stores, one row per run.

use serde::{Deserialize, Serialize};

use crate::{Adapter, Backend, Browser, EventRecord, Fault, Precision, TuningRecord};

/// Body of `POST /v1/metrics`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsBatch {
    /// [`crate::SCHEMA`] of the sender.
    pub schema: u32,
    /// Records in the order they happened.
    pub records: Vec<RunRecord>,
    /// Events of the page's pool in the order they happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventRecord>,
    /// Kernel variants that the page's workers measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tunings: Vec<TuningRecord>,
}

/// One run of one model, with everything needed to compare it fairly later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Unique id chosen by the page; posting it twice stores it once.
    pub id: String,
    /// `bench` or `run` session the run belongs to; `None` for a person's own page.
    #[serde(default)]
    pub session: Option<String>,
    /// Id of the session's [`crate::BenchCase`] that the run belongs to; shapes alone do not tell cases apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// Start, microseconds since the Unix epoch (UTC).
    pub started_unix_micros: i64,
    /// Browser that ran it.
    pub browser: Browser,
    /// Engine that ran it: `tabpool`, or a peer such as `ort-web`.
    pub engine: String,
    /// Engine version.
    pub engine_version: String,
    /// Backend that ran it.
    pub backend: Backend,
    /// Finer description of the backend, e.g. `relaxed-simd`.
    #[serde(default)]
    pub backend_detail: String,
    /// Adapter, when the backend has one.
    #[serde(default)]
    pub adapter: Option<Adapter>,
    /// Precision of the weights.
    pub precision: Precision,
    /// Model or pipeline id, e.g. `minilm-l3`.
    pub model: String,
    /// Lower-case hex SHA-256 of the model file; empty for a pipeline of several files.
    #[serde(default)]
    pub model_sha256: String,
    /// Input shapes, e.g. `input_ids:1x16,attention_mask:1x16`.
    pub shapes: String,
    /// True for the first run after a load.
    pub cold: bool,
    /// Pool connection that ran it.
    pub connection: u32,
    /// 1 for the first try of a job.
    pub attempt: u32,
    /// Time spent.
    pub phases: Phases,
    /// Size of the worker's wasm memory after the run, bytes; 0 when unknown.
    #[serde(default)]
    pub memory_bytes: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The backend computed an output.
    Ok,
    /// It did not.
    Failed {
        /// Why.
        fault: Fault,
    },
}

/// Time spent in each phase, microseconds; `None` where the phase did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Phases {
    /// Waiting in the pool's queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_micros: Option<u64>,
    /// Fetching the model's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_micros: Option<u64>,
    /// Checking the bytes against their hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_micros: Option<u64>,
    /// Decoding and preparing the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_micros: Option<u64>,
    /// Computing, measured in the worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_micros: Option<u64>,
    /// From `run()` to its promise, measured in the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_micros: Option<u64>,
}
