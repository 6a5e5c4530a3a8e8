//! Page ↔ worker: one JSON header per message, binary parts beside it as transferred `ArrayBuffer`s.
//!
//! A message is the JavaScript object `{ header: string, buffers: ArrayBuffer[] }`. The worker answers every request
//! exactly once, with the request's `id`; `Ready` and unsolicited `Trapped` carry id 0.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Adapter, Backend, Capabilities, Fault, Phases, PipelineKind, Profile, TensorHeader, Trial};

/// What the page asks of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineRequest {
    /// Unique among this worker's requests; starts at 1.
    pub id: u32,
    /// The request itself.
    pub request: Request,
}

/// The kinds of request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Load a model or pipeline; one buffer per part, in order.
    Load {
        /// Name that later requests use.
        key: String,
        /// Backend to load it on.
        backend: Backend,
        /// Set when the parts form a pipeline; a plain model has one part.
        pipeline: Option<PipelineKind>,
        /// Role and expected hash of each buffer.
        parts: Vec<Part>,
    },
    /// Run a loaded model; one buffer per input tensor, in order.
    Run {
        /// The key given to `Load`.
        key: String,
        /// Pipeline parameters that are not tensors, e.g. `{"texts": [...]}`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        params: Option<Value>,
        /// Headers of the buffers.
        inputs: Vec<TensorHeader>,
    },
    /// Run a loaded model once for several jobs of equal shapes: one buffer per input tensor of the first job, then those of
    /// the second, and so on. The answer is `Ran` with the outputs in the same order, or a fault with code `batch` when the
    /// model cannot be run so.
    RunBatch {
        /// The key given to `Load`.
        key: String,
        /// Jobs; at most a few, a list of buffers for each is needed.
        n_jobs: u32,
        /// Headers of one job's buffers.
        inputs: Vec<TensorHeader>,
    },
    /// Forget a loaded model.
    Unload {
        /// The key given to `Load`.
        key: String,
    },
    /// Heartbeat.
    Ping,
    /// Run a loaded model and note what every kernel takes; one buffer per input tensor.
    Profile {
        /// The key given to `Load`.
        key: String,
        /// Headers of the buffers.
        inputs: Vec<TensorHeader>,
    },
    /// Measure the variants of a loaded model's kernels for inputs of these shapes, and run the fastest from then on; one
    /// buffer per input tensor.
    Tune {
        /// The key given to `Load`.
        key: String,
        /// Headers of the buffers.
        inputs: Vec<TensorHeader>,
        /// Time after which no further variant is tried, milliseconds.
        budget_millis: u32,
    },
}

/// One binary part of a model or pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Role inside the pipeline, e.g. `model`, `detector`, `tokenizer`.
    pub role: String,
    /// Lower-case hex SHA-256 that the bytes must have; `None` for a caller's own bytes.
    pub sha256: Option<String>,
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineReply {
    /// The request's id, or 0 for a message nobody asked for.
    pub id: u32,
    /// The answer itself.
    pub reply: Reply,
}

/// The kinds of answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reply {
    /// The worker is up.
    Ready {
        /// What it can do.
        capabilities: Capabilities,
    },
    /// The model is loaded.
    Loaded {
        /// Graph inputs; a symbolic dimension is 0.
        inputs: Vec<TensorHeader>,
        /// Graph outputs; a symbolic dimension is 0.
        outputs: Vec<TensorHeader>,
        /// What runs it in particular, e.g. `relaxed-simd`: [`crate::RunRecord::backend_detail`] of its runs.
        backend_detail: String,
        /// Time spent; `verify` and `load` are set.
        phases: Phases,
    },
    /// The model ran; one buffer per output tensor, in order.
    Ran {
        /// Headers of the buffers.
        outputs: Vec<TensorHeader>,
        /// A pipeline's result that is not a tensor, e.g. recognised lines of text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        /// Time spent; `run` is set.
        phases: Phases,
        /// Size of the worker's wasm memory, bytes.
        memory_bytes: u64,
    },
    /// The model is gone.
    Unloaded,
    /// Heartbeat.
    Pong {
        /// Size of the worker's wasm memory, bytes.
        memory_bytes: u64,
    },
    /// Where the time of one run went.
    Profiled {
        /// What every kernel took.
        profile: Profile,
    },
    /// Variants were measured.
    Tuned {
        /// On what.
        adapter: Adapter,
        /// What came of each.
        trials: Vec<Trial>,
        /// The browser keeps the choices for the next visit.
        is_kept: bool,
    },
    /// The request failed; the worker goes on.
    Failed {
        /// Why.
        fault: Fault,
    },
    /// The wasm instance trapped; the worker must be replaced.
    Trapped {
        /// Why, with the panic message when there was one.
        fault: Fault,
    },
}
