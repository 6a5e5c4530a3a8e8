//! What a pool has learnt, kept between two visits of a page.

use serde::{Deserialize, Serialize};

use crate::{Backend, FaultCategory};

/// Version of [`Evidence`]; what has another one is ignored.
pub const EVIDENCE_VERSION: u32 = 1;

/// Everything that a pool has learnt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// [`EVIDENCE_VERSION`] of the writer.
    pub version: u32,
    /// When it was written, microseconds since the Unix epoch (UTC).
    pub saved_unix_micros: i64,
    /// Breakers that opened lately.
    pub breakers: Vec<BreakerEvidence>,
    /// How long models take.
    pub latencies: Vec<LatencyEvidence>,
    /// How well recoveries do.
    pub strategies: Vec<StrategyEvidence>,
}

/// Where a breaker stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerEvidence {
    /// Pool connection; they are numbered in the order in which they are made.
    pub connection: u32,
    /// Its browser.
    pub browser: String,
    /// Of what, e.g. `webgpu`.
    pub component: String,
    /// Openings since it last held closed for a while.
    pub n_openings: u32,
    /// Time until it half-opens; `None` when it is closed.
    pub open_micros: Option<u64>,
}

/// How long a model takes somewhere: a log-normal estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyEvidence {
    /// Name of the model in the pool.
    pub model: String,
    /// The backend.
    pub backend: Backend,
    /// Browser and adapter; `None`: over all.
    pub place: Option<(String, String)>,
    /// Class of the inputs' shapes and ⌈log₂⌉ of the batch size; `None`: over all.
    pub shape: Option<(u32, u8)>,
    /// Calls it rests on, those long ago counted less.
    pub weight: f64,
    /// Mean of ln(microseconds).
    pub mean_ln: f64,
    /// Variance of ln(microseconds).
    pub variance_ln: f64,
    /// Time since it was last updated.
    pub age_micros: u64,
}

/// How well a strategy does against a kind of fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrategyEvidence {
    /// The fault.
    pub category: FaultCategory,
    /// Of what, e.g. `webgpu`.
    pub component: String,
    /// The strategy, e.g. `recreate_device`.
    pub strategy: String,
    /// Uses that helped, older ones counted less.
    pub n_helped: f64,
    /// Uses that did not, older ones counted less.
    pub n_failed: f64,
    /// Mean time from the fault to the recovery, seconds.
    pub mean_seconds: f64,
    /// What a use cost other jobs, 0–1; `None` in what was kept before it was measured.
    #[serde(default)]
    pub impact: Option<f64>,
    /// Share of recoveries that held, 0–1.
    pub stability: f64,
}
