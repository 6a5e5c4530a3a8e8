//! Models as the pool sees them.

use crate::named::named_enum;
use crate::{BackendSet, ModelId};

named_enum! {
    /// Numeric precision of a model's weights. Names equal those of the wire, where it has them.
    pub enum Precision {
        /// 32-bit float.
        F32 = "f32",
        /// 16-bit float.
        F16 = "f16",
        /// 8-bit integer.
        Int8 = "int8",
        /// 4-bit groups.
        Int4 = "int4",
        /// 3-bit groups.
        Int3 = "int3",
        /// 2-bit groups.
        Int2 = "int2",
    }
}

/// What a driver registers a model with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    /// Stable name: estimates that outlive the pool are kept under it.
    pub name: String,
    /// Job family, e.g. `text_embedding`: families are kept from starving each other.
    pub family: String,
    /// Precision of the weights.
    pub precision: Precision,
    /// Memory that a connection needs to hold it, bytes; 0 when unknown.
    pub memory_bytes: u64,
    /// Backends that can run it.
    pub backends: BackendSet,
    /// The same model with smaller weights, registered before: what recovery may fall back to.
    pub lower_precision: Option<ModelId>,
    /// Most jobs in one call; 1 when the model does not batch.
    pub max_batch: u32,
    /// Whether the driver can answer [`Action::Probe`](crate::Action::Probe) for it: a known input with a known output.
    pub has_golden: bool,
}

impl ModelSpec {
    /// A model that runs on every backend, one job at a time.
    #[must_use]
    pub fn new(name: &str, family: &str, precision: Precision) -> Self {
        Self {
            name: name.to_owned(),
            family: family.to_owned(),
            precision,
            memory_bytes: 0,
            backends: BackendSet::ALL,
            lower_precision: None,
            max_batch: 1,
            has_golden: false,
        }
    }
}
