//! What the pool keeps about each model, family, group, job and call.

use core::time::Duration;

use super::regret::Regret;
use crate::backoff::Backoff;
use crate::breaker::{Breaker, Permit};
use crate::record::CallKind;
use crate::recovery::Trial;
use crate::{
    Backend, BackendSet, CallId, Component, ConnectionId, FaultCategory, GroupId, Job, JobId, ModelId,
    ModelSpec, ShapeClass, Strategy, Timestamp,
};

#[derive(Debug)]
pub(super) struct Model {
    pub(super) spec: ModelSpec,
    pub(super) family: usize,
    /// Guards loads of this model everywhere, so that a model which cannot be loaded costs no connection its loader.
    pub(super) breaker: Breaker,
    /// The first connection that failed to load it since one succeeded, and whether another one failed too.
    pub(super) failed_on: Option<(ConnectionId, bool)>,
    pub(super) is_refetch: bool,
    /// Nobody wants it any more: it is unloaded wherever no call uses it.
    pub(super) is_retired: bool,
    /// What waiting for its busy places has cost since it was loaded last.
    pub(super) regret: Regret,
    /// Where it was found to lack an operator.
    pub(super) unsupported: Vec<(GroupId, Backend)>,
}

#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) n_in_flight: u32,
    pub(super) last_submitted: Option<Timestamp>,
    /// Share of its last calls that failed for a reason that is not the caller's, newer ones counted more, 0–1.
    pub(super) failing: f64,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) browser: String,
    /// The first group of the same browser: stands for the browser.
    pub(super) browser_id: GroupId,
    pub(super) adapter: String,
    pub(super) is_fallback_adapter: bool,
    /// Backends that any of its connections had.
    pub(super) backends: BackendSet,
    pub(super) n_ready: u32,
}

#[derive(Debug)]
pub(super) struct JobEntry {
    pub(super) job: Job,
    pub(super) deadline: Timestamp,
    pub(super) submitted: Timestamp,
    pub(super) tag: u64,
    pub(super) state: JobState,
    /// The call in flight, and the one started beside it.
    pub(super) calls: [Option<CallId>; 2],
    pub(super) n_attempts: u32,
    pub(super) retry: Option<Box<Retry>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobState {
    Queued,
    /// Back-off before the next try, or no token for it yet.
    Waiting {
        until: Timestamp,
        needs_token: bool,
    },
    InFlight,
}

/// What a job that failed before carries along.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) fault: FaultCategory,
    pub(super) call: CallId,
    pub(super) backoff: Backoff,
    /// Distinct connections that were healthy and failed on it.
    pub(super) failed_on: Vec<ConnectionId>,
    /// Constraints of the chosen strategy, kept until `insists_until`.
    pub(super) avoid_connection: Option<ConnectionId>,
    /// Those that failed one after another.
    pub(super) avoid_backends: BackendSet,
    /// First group of the browser to avoid.
    pub(super) avoid_browser: Option<GroupId>,
    pub(super) insists_until: Timestamp,
    /// Lower-precision variant to run instead.
    pub(super) model: Option<ModelId>,
    /// Whether this try costs no token.
    pub(super) is_free: bool,
    /// Strategies that did not help; the next one is another, while there is one.
    pub(super) tried: Vec<Strategy>,
    /// The strategy that this try is the test of, and when the fault was.
    pub(super) trial: Option<Trial>,
}

#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) connection: ConnectionId,
    pub(super) component: Component,
    pub(super) kind: CallKind,
    pub(super) backend: Option<Backend>,
    pub(super) permit: Option<Permit>,
    /// Of the breaker on the model's loads.
    pub(super) load_permit: Option<Permit>,
    pub(super) model: Option<ModelId>,
    pub(super) shape: ShapeClass,
    pub(super) jobs: Vec<JobId>,
    pub(super) attempt: u32,
    pub(super) queued: Duration,
    pub(super) started: Timestamp,
    /// When it is looked at next: to find it overdue, or to give it up.
    pub(super) timeout_at: Timestamp,
    /// Nobody waits for it any more.
    pub(super) is_aborting: bool,
    /// It outlived its limit: unless it answers soon, its connection is hung.
    pub(super) is_given_up: bool,
    /// It takes so much longer than expected that its end is no longer counted on.
    pub(super) is_overdue: bool,
}

impl Call {
    /// A call for no job and no model, given up after `timeout`.
    pub(super) fn new(
        connection: ConnectionId,
        component: Component,
        kind: CallKind,
        now: Timestamp,
        timeout: Duration,
    ) -> Self {
        Self {
            connection,
            component,
            kind,
            backend: component.backend(),
            permit: None,
            load_permit: None,
            model: None,
            shape: ShapeClass(0),
            jobs: Vec::new(),
            attempt: 0,
            queued: Duration::ZERO,
            started: now,
            timeout_at: now + timeout,
            is_aborting: false,
            is_given_up: false,
            is_overdue: false,
        }
    }
}
