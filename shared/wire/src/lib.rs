//! Defines every message that crosses a boundary.
//!
//! Four boundaries exist: page ↔ worker ([`engine`]), page ↔ agent ([`record`], [`event`], [`tuning`], [`bench`], [`fleet`],
//! [`catalogue`]), agent ↔ store, and page ↔ its next visit ([`evidence`]). Headers are JSON; tensor data travels beside them
//! as raw little-endian bytes ([`tensor`]). With the feature `pool`, `translate` puts the pool's words into messages.

pub mod bench;
pub mod catalogue;
pub mod engine;
pub mod environment;
pub mod event;
pub mod evidence;
pub mod fault;
pub mod fleet;
pub mod record;
pub mod tensor;
#[cfg(feature = "pool")]
pub mod translate;
pub mod tuning;

pub use bench::{BenchBuild, BenchCase, BenchEvent, BenchPlan, PeerEngine};
pub use catalogue::{Catalogue, ModelCard, PipelineCard, PipelineKind};
pub use engine::{EngineReply, EngineRequest, Reply, Request};
pub use environment::{Adapter, Backend, Browser, Capabilities, Precision};
pub use event::{EventRecord, EventSource, PoolEvent, SharedFactor};
pub use evidence::{EVIDENCE_VERSION, Evidence};
pub use fault::{Fault, FaultCategory};
pub use fleet::{FleetCommand, FleetReport, Media};
pub use record::{MetricsBatch, Outcome, Phases, RunRecord};
pub use tensor::{BundleError, DType, TensorHeader};
pub use tuning::{Profile, Span, Trial, TuningRecord};

/// Version of every message in this crate. A change that an older peer cannot read raises it.
pub const SCHEMA: u32 = 1;
