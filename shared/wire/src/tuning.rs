//! Measurements of kernels: which variant is the fastest on an adapter, and where a run's time goes.

use serde::{Deserialize, Serialize};

use crate::{Adapter, Backend, Browser};

/// One variant of one kernel, measured on one adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuningRecord {
    /// Unique id chosen by the page; posting it twice stores it once.
    pub id: String,
    /// When, microseconds since the Unix epoch (UTC).
    pub at_unix_micros: i64,
    /// Browser that ran it.
    pub browser: Browser,
    /// Backend that ran it.
    pub backend: Backend,
    /// Adapter, when the backend has one.
    #[serde(default)]
    pub adapter: Option<Adapter>,
    /// The kernel and the class of its shapes, e.g. `matmul f32 512x512x512`.
    pub key: String,
    /// The variant, e.g. `tile 8x8`.
    pub variant: String,
    /// Time of one dispatch, microseconds.
    pub micros: f64,
    /// Whether this variant was the fastest of its key and runs from then on.
    pub is_chosen: bool,
}

/// One variant of one kernel as `tune` measured it, or could not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// As [`TuningRecord::key`].
    pub key: String,
    /// As [`TuningRecord::variant`].
    pub variant: String,
    /// Calls of the kernel in one run of the model.
    pub n_calls: u32,
    /// Operations of one call: for products multiplications and additions, otherwise elements.
    pub n_operations: u64,
    /// From the shader's text to its first result, microseconds.
    pub compile_micros: f64,
    /// Time of one call, microseconds; `None` when it was not measured.
    pub micros: Option<f64>,
    /// What runs where nothing was measured.
    pub is_default: bool,
    /// The fastest of its key among those whose results agree; another than the default must be clearly faster.
    pub is_chosen: bool,
    /// Why it was not measured, or must not be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Where the time of one run went.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// What told the time: `timestamp-query` or `performance.now`.
    pub clock: String,
    /// Kernels in the order in which they ran.
    pub spans: Vec<Span>,
}

/// One call of one kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Name of the kernel, or of the operator.
    pub kernel: String,
    /// Name of the node in the model file.
    pub node: String,
    /// Start, microseconds after that of the first.
    pub start_micros: f64,
    /// Duration, microseconds.
    pub micros: f64,
    /// Multiplications and additions; 0 when nobody counted them.
    pub n_flops: u64,
}
