//! Jobs: what is asked of the pool, how it may be refused, and the one way each ends.

use core::fmt;
use core::time::Duration;

use crate::named::named_enum;
use crate::{
    Backend, BackendSet, CallId, ConnectionId, FaultCategory, ModelId, ShapeClass, Timestamp, micros,
};

named_enum! {
    /// Share of the pool that a job gets when there is not enough for all. No priority starves another.
    #[derive(Default)]
    pub enum Priority {
        /// Weight 1: prefetching, background indexing.
        Low = "low",
        /// Weight 4.
        #[default]
        Normal = "normal",
        /// Weight 16: somebody is waiting for it.
        High = "high",
    }
}

impl Priority {
    /// Share of the pool relative to the other priorities that wait.
    #[must_use]
    pub const fn weight(self) -> u64 {
        match self {
            Self::Low => 1,
            Self::Normal => 4,
            Self::High => 16,
        }
    }
}

/// One inference to be done. Family, precision and backends of the model come with its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The model to run.
    pub model: ModelId,
    /// Class of the inputs' shapes.
    pub shape: ShapeClass,
    /// Share of the pool.
    pub priority: Priority,
    /// When the result is of no more use. `None`: the pool's default from submission on.
    pub deadline: Option<Timestamp>,
    /// Backends that may run it.
    pub backends: BackendSet,
    /// The only connection that may run it.
    pub pinned: Option<ConnectionId>,
    /// Whether it may run in one call with others of the same model and shape class.
    pub is_batchable: bool,
    /// Only have the model loaded: ends with [`JobEnd::Loaded`] once a connection holds it, and runs nothing.
    pub is_load_only: bool,
    /// Same value for same inputs, 0 for unknown: lets the pool refuse a job that is known to break connections. Costly ones
    /// can wait: see [`Pool::has_quarantined`](crate::Pool::has_quarantined).
    pub fingerprint: u64,
}

impl Job {
    /// A job with normal priority on any backend of any connection.
    #[must_use]
    pub const fn new(model: ModelId) -> Self {
        Self {
            model,
            shape: ShapeClass(0),
            priority: Priority::Normal,
            deadline: None,
            backends: BackendSet::ALL,
            pinned: None,
            is_batchable: false,
            is_load_only: false,
            fingerprint: 0,
        }
    }
}

/// Why a job was not accepted. A refused job has no id and never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is full: back-pressure.
    QueueFull {
        /// Jobs queued.
        n_queued: usize,
        /// How long the pool expects to need for a place to become free.
        retry_after: Duration,
    },
    /// The deadline has passed already.
    DeadlinePassed,
    /// The model was never registered.
    UnknownModel,
    /// The pinned connection does not exist.
    UnknownConnection,
    /// None of the job's backends is one of the model's.
    NoBackend,
    /// The same inputs broke several connections a short while ago.
    Quarantined {
        /// How.
        cause: FaultCategory,
        /// When the quarantine ends.
        until: Timestamp,
    },
    /// The pool is closing.
    Closing,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull { n_queued, retry_after } => {
                write!(
                    f,
                    "queue is full with {n_queued} jobs, try again in {} ms",
                    micros(*retry_after) / 1000
                )
            }
            Self::DeadlinePassed => f.write_str("deadline has passed already"),
            Self::UnknownModel => f.write_str("model is not registered"),
            Self::UnknownConnection => f.write_str("pinned connection does not exist"),
            Self::NoBackend => f.write_str("model runs on none of the allowed backends"),
            Self::Quarantined { cause, .. } => write!(f, "same inputs broke several connections: {cause}"),
            Self::Closing => f.write_str("pool is closing"),
        }
    }
}

impl core::error::Error for Refusal {}

/// How a job ended. Every accepted job ends exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// A backend computed the output.
    Completed {
        /// The call that computed it.
        call: CallId,
        /// Where.
        connection: ConnectionId,
        /// On what.
        backend: Backend,
        /// The model that ran: the job's own, or its lower-precision variant when recovery chose that.
        model: ModelId,
        /// 1 for the first try.
        attempt: u32,
    },
    /// A connection holds the model of a job that asked for nothing else.
    Loaded {
        /// Where.
        connection: ConnectionId,
        /// On what.
        backend: Backend,
    },
    /// No backend computed the output.
    Failed {
        /// The fault of the last try, or `Timeout` when the deadline passed first.
        cause: FaultCategory,
        /// The last call that failed, whose details the driver has seen; `None` when none did.
        call: Option<CallId>,
        /// Tries that were started.
        n_attempts: u32,
        /// Why there is no further try.
        verdict: Verdict,
    },
    /// The caller cancelled.
    Cancelled,
}

named_enum! {
    /// Why the pool gave a job up.
    pub enum Verdict {
        /// The deadline passed.
        Deadline = "deadline",
        /// No other try could succeed: the fault is the caller's.
        NotRetryable = "not_retryable",
        /// All tries were used.
        RetriesExhausted = "retries_exhausted",
        /// It failed on several healthy connections: its inputs are quarantined.
        Poison = "poison",
        /// No connection and backend is left that could run it.
        NoCandidate = "no_candidate",
        /// The pool was closed.
        Closed = "closed",
    }
}
