//! `tabpool bench`: what the agent asks a page to measure, and what the page reports while it does.

use serde::{Deserialize, Serialize};

use crate::{Adapter, Backend, Fault, Profile, TensorHeader, Trial};

/// Body of `GET /v1/bench/{session}/plan`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchPlan {
    /// [`crate::SCHEMA`] of the agent.
    pub schema: u32,
    /// Name of the browser the agent launched, e.g. `chromium`.
    pub browser_name: String,
    /// Its version as the launcher read it.
    pub browser_version: String,
    /// Workers in the page's pool.
    pub n_workers: u32,
    /// What to run, in order.
    pub cases: Vec<BenchCase>,
    /// Other engines to interleave with ours, run by run.
    pub peers: Vec<PeerEngine>,
    /// Builds of our own engine to run in turns instead of the page's own one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builds: Vec<BenchBuild>,
    /// Set for cold starts: each engine is closed before the next one starts.
    #[serde(default)]
    pub is_cold: bool,
    /// Number of this launch; which engine goes first changes from launch to launch.
    #[serde(default)]
    pub turn: u32,
    /// Parameters of the workers' address, e.g. `webgpu-variant=lines`; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub worker_query: String,
    /// Set when every case is profiled after it was measured.
    #[serde(default)]
    pub is_profiled: bool,
    /// Set when kernel variants are measured instead of runs: for how long in each case, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune_millis: Option<u32>,
}

/// One of two builds that are compared with each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchBuild {
    /// What the page's reports call it.
    pub engine: String,
    /// Address of its `tabpool.js`.
    pub module: String,
    /// Session that its records belong to.
    pub session: String,
}

/// One model with one set of inputs on one backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchCase {
    /// Unique in the plan, e.g. `minilm-l3/1x16/wasm`.
    pub id: String,
    /// Id in the catalogue.
    pub model: String,
    /// Backend to use.
    pub backend: Backend,
    /// Inputs; `GET /v1/bench/{session}/input/{index of the case}` gives them as a tensor bundle.
    pub inputs: Vec<TensorHeader>,
    /// Runs after the cold one whose time is recorded but not part of the summary.
    pub n_warmup: u32,
    /// Measured runs.
    pub n_runs: u32,
}

/// Another engine, for comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerEngine {
    /// onnxruntime-web.
    OrtWeb,
    /// TensorFlow.js, on WebGPU.
    Tfjs,
}

impl PeerEngine {
    /// Every peer.
    pub const ALL: [Self; 2] = [Self::OrtWeb, Self::Tfjs];

    /// The name of the peer in messages and paths.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrtWeb => "ort-web",
            Self::Tfjs => "tfjs",
        }
    }
}

/// Body of `POST /v1/bench/{session}/event`: progress, and the last word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BenchEvent {
    /// The page is up.
    Started,
    /// One run of a case is done.
    Progress {
        /// Index of the case in the plan.
        case: u32,
        /// Runs done, warm-up included.
        n_done: u32,
    },
    /// An engine is about to load a model and run it for the first time, or has done so.
    ColdStart {
        /// Index of the case in the plan.
        case: u32,
        /// `tabpool` or a peer.
        engine: String,
        /// True at the end.
        is_over: bool,
    },
    /// A case was profiled.
    Profiled {
        /// Index of the case in the plan.
        case: u32,
        /// Where the time of one run went.
        profile: Profile,
    },
    /// The variants of a case's kernels were measured.
    Tuned {
        /// Index of the case in the plan.
        case: u32,
        /// On what.
        adapter: Adapter,
        /// What came of each.
        trials: Vec<Trial>,
    },
    /// A case cannot go on; the page continues with the next.
    CaseFailed {
        /// Index of the case in the plan.
        case: u32,
        /// Engine that failed: `tabpool` or a peer.
        engine: String,
        /// Why.
        fault: Fault,
    },
    /// Everything was tried and every record was posted.
    Finished,
    /// The page cannot go on at all.
    Aborted {
        /// Why.
        fault: Fault,
    },
}
