//! What went wrong with a call: the taxonomy that breakers, retries and root-cause analysis act on.

use crate::named::named_enum;

named_enum! {
    /// Category of a fault, given by its source and never parsed from text. Names equal those of the wire.
    pub enum FaultCategory {
        /// A tab, iframe, browser or socket stopped answering.
        ConnectionLost = "connection_lost",
        /// The worker trapped or died.
        WorkerCrash = "worker_crash",
        /// The GPU device or WebNN context was lost.
        DeviceLost = "device_lost",
        /// Memory could not be allocated.
        OutOfMemory = "out_of_memory",
        /// The call took longer than its time-out or deadline.
        Timeout = "timeout",
        /// The backend lacks an operator, data type or rank that the model needs.
        UnsupportedOperator = "unsupported_operator",
        /// The caller's input does not fit the model.
        Validation = "validation",
        /// The output failed a numeric check.
        Numeric = "numeric",
        /// The model could not be fetched or decoded.
        ModelLoad = "model_load",
        /// Bytes do not match the hash that names them.
        Integrity = "integrity",
        /// The queue is full.
        Overload = "overload",
        /// The caller cancelled.
        Cancelled = "cancelled",
        /// A bug in tabpool.
        Internal = "internal",
    }
}

/// Whom a fault speaks against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The component that served the call.
    Component,
    /// The whole connection: its process or link is gone.
    Connection,
    /// Nobody's breaker: the caller, or a fact about the model that routing learns instead.
    Nobody,
}

impl FaultCategory {
    /// Whom the fault counts against. A call counts once, whatever it took down with it.
    pub(crate) fn blame(self) -> Blame {
        match self {
            Self::ConnectionLost => Blame::Connection,
            Self::WorkerCrash
            | Self::DeviceLost
            | Self::OutOfMemory
            | Self::Timeout
            | Self::Numeric
            | Self::ModelLoad
            | Self::Integrity
            | Self::Internal => Blame::Component,
            Self::UnsupportedOperator | Self::Validation | Self::Overload | Self::Cancelled => Blame::Nobody,
        }
    }

    /// Whether the same call could succeed another way. The caller's own mistakes cannot.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        !matches!(self, Self::Validation | Self::Cancelled)
    }

    /// Whether the fault ends the connection's process, so that everything in it is gone.
    pub(crate) fn ends_connection(self) -> bool {
        matches!(self, Self::ConnectionLost | Self::WorkerCrash)
    }
}
