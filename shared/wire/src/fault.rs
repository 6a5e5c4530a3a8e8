//! Faults: what went wrong, by category from the source, never parsed from text.

use serde::{Deserialize, Serialize};

/// The taxonomy that retry and routing act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultCategory {
    /// A tab, iframe, browser or socket stopped answering.
    ConnectionLost,
    /// The worker trapped or died.
    WorkerCrash,
    /// The GPU device or WebNN context was lost.
    DeviceLost,
    /// Memory could not be allocated.
    OutOfMemory,
    /// The call took longer than its time-out or deadline.
    Timeout,
    /// The backend lacks an operator, data type or rank that the model needs.
    UnsupportedOperator,
    /// The caller's input does not fit the model.
    Validation,
    /// The output failed a numeric check.
    Numeric,
    /// The model could not be fetched or decoded.
    ModelLoad,
    /// Bytes do not match the hash that names them.
    Integrity,
    /// The queue is full.
    Overload,
    /// The caller cancelled.
    Cancelled,
    /// A bug in tabpool.
    Internal,
}

impl FaultCategory {
    /// Every category, in declaration order.
    pub const ALL: [Self; 13] = [
        Self::ConnectionLost,
        Self::WorkerCrash,
        Self::DeviceLost,
        Self::OutOfMemory,
        Self::Timeout,
        Self::UnsupportedOperator,
        Self::Validation,
        Self::Numeric,
        Self::ModelLoad,
        Self::Integrity,
        Self::Overload,
        Self::Cancelled,
        Self::Internal,
    ];

    /// Stable name: the one in JSON, in the database and in `error.category` of the page's errors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionLost => "connection_lost",
            Self::WorkerCrash => "worker_crash",
            Self::DeviceLost => "device_lost",
            Self::OutOfMemory => "out_of_memory",
            Self::Timeout => "timeout",
            Self::UnsupportedOperator => "unsupported_operator",
            Self::Validation => "validation",
            Self::Numeric => "numeric",
            Self::ModelLoad => "model_load",
            Self::Integrity => "integrity",
            Self::Overload => "overload",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

/// One fault: category for machines, code for documentation, message for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What kind of thing went wrong; decides what may be retried.
    pub category: FaultCategory,
    /// Stable kebab-case code, finer than the category, e.g. `not-onnx` or `input-shape`.
    pub code: String,
    /// What failed, where, and why: lower-case, no final period.
    pub message: String,
    /// The next thing to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Of a job that was refused for lack of room: when there should be some, milliseconds from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(category: FaultCategory, code: &str, message: impl Into<String>) -> Self {
        Self { category, code: code.to_owned(), message: message.into(), hint: None, retry_after_ms: None }
    }

    /// The same fault with the next thing to try.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
