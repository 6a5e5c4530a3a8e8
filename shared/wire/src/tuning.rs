//! Measurements of kernel variants: which one is the fastest on an adapter.

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
