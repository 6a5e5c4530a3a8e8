//! What the pool wants done. The driver does it and answers; it decides nothing.

use core::time::Duration;

use crate::named::named_enum;
use crate::{Backend, CallId, ConnectionId, JobEnd, JobId, ModelId, Record, ShapeClass};

named_enum! {
    /// How much of a connection is replaced.
    pub enum Scope {
        /// The worker alone.
        Worker = "worker",
        /// The iframe with its workers.
        Iframe = "iframe",
        /// The whole browser.
        Browser = "browser",
    }
}

/// One thing to do. An action that carries a `call` is answered exactly once, by the method its variant names or by
/// [`Pool::on_failed`](crate::Pool::on_failed); the others are not answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start the worker, iframe or browser; answer with [`Pool::on_ready`](crate::Pool::on_ready).
    Open {
        /// Which one.
        connection: ConnectionId,
        /// Answer with this.
        call: CallId,
    },
    /// Destroy what is left of it and start it again; answer with [`Pool::on_ready`](crate::Pool::on_ready).
    /// Calls that were in flight there are forgotten already.
    Respawn {
        /// Which one.
        connection: ConnectionId,
        /// Answer with this.
        call: CallId,
        /// How much of it.
        scope: Scope,
    },
    /// Destroy it for good.
    Close {
        /// Which one.
        connection: ConnectionId,
    },
    /// Load a model; answer with [`Pool::on_finished`](crate::Pool::on_finished).
    Load {
        /// Where.
        connection: ConnectionId,
        /// Answer with this.
        call: CallId,
        /// Which model.
        model: ModelId,
        /// On what.
        backend: Backend,
        /// Whether to fetch the bytes anew rather than from a cache: the last ones may have been damaged.
        is_refetch: bool,
        /// The pool gives up after this.
        timeout: Duration,
    },
    /// Forget a model.
    Unload {
        /// Where.
        connection: ConnectionId,
        /// Which model.
        model: ModelId,
        /// On what.
        backend: Backend,
    },
    /// Run a loaded model; answer with [`Pool::on_finished`](crate::Pool::on_finished).
    Run {
        /// Where.
        connection: ConnectionId,
        /// Answer with this.
        call: CallId,
        /// Which model: the jobs' own, or a lower-precision variant of it.
        model: ModelId,
        /// On what.
        backend: Backend,
        /// Class of the inputs' shapes.
        shape: ShapeClass,
        /// The jobs to run together; one unless they may be batched.
        jobs: Vec<JobId>,
        /// 1 for the first try.
        attempt: u32,
        /// The pool gives up after this.
        timeout: Duration,
    },
    /// Run the model's golden input and compare; answer with [`Pool::on_finished`](crate::Pool::on_finished) when the
    /// output is right and with a `Numeric` fault when it is not.
    Probe {
        /// Where.
        connection: ConnectionId,
        /// Answer with this.
        call: CallId,
        /// Which model.
        model: ModelId,
        /// On what.
        backend: Backend,
    },
    /// Ask for a sign of life; answer with [`Pool::on_finished`](crate::Pool::on_finished).
    Ping {
        /// Where.
        connection: ConnectionId,
        /// Answer with this.
        call: CallId,
    },
    /// Get a new GPU device or WebNN context; answer with [`Pool::on_finished`](crate::Pool::on_finished).
    /// Models loaded on the old one are forgotten already.
    RecreateDevice {
        /// Where.
        connection: ConnectionId,
        /// Answer with this.
        call: CallId,
        /// Which one.
        backend: Backend,
    },
    /// Stop a call if that can be done. Its answer, if one still comes, frees the slot.
    Abort {
        /// Where.
        connection: ConnectionId,
        /// Which call.
        call: CallId,
    },
    /// Tell the job's owner. Comes exactly once per accepted job.
    Finish {
        /// Whose.
        job: JobId,
        /// How.
        end: JobEnd,
    },
    /// Keep or show what happened.
    Record(Record),
}
