//! Records: every decision and every outcome, for the history and for whoever watches.

use core::time::Duration;

use crate::breaker::{BreakerMode, Transition};
use crate::named::named_enum;
use crate::root_cause::RootCause;
use crate::{
    Backend, CallId, Component, ConnectionId, ConnectionState, FaultCategory, JobEnd, JobId, ModelId,
    Refusal, Strategy, Timestamp,
};

/// Something that happened in the pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

named_enum! {
    /// What a call was for.
    pub enum CallKind {
        /// Opening a connection, first or again.
        Open = "open",
        /// Loading a model.
        Load = "load",
        /// Running a model for jobs.
        Run = "run",
        /// Running a golden input.
        Probe = "probe",
        /// A sign of life.
        Ping = "ping",
        /// A new GPU device or WebNN context.
        RecreateDevice = "recreate_device",
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A job found its place, or a model gets one more.
    Placed {
        /// Jobs that run in the call; 0 for a load that no job is waiting to run after.
        n_jobs: u32,
        /// The model.
        model: ModelId,
        /// Where.
        connection: ConnectionId,
        /// On what.
        backend: Backend,
        /// Expected time until its result.
        expected: Duration,
        /// Share of that for loading the model; zero where it is loaded.
        load: Duration,
        /// Whether the place was chosen to learn, not because it is the best known.
        is_exploration: bool,
        /// Whether the call also tests a half-open breaker.
        is_probe: bool,
        /// Whether it is a second call beside one that takes long.
        is_hedge: bool,
    },
    /// A call ended.
    Called(Called),
    /// A job ended: comes just before its [`Action::Finish`](crate::Action::Finish).
    Ended {
        /// Which job.
        job: JobId,
        /// Its model.
        model: ModelId,
        /// How.
        end: JobEnd,
        /// From its submission on.
        took: Duration,
    },
    /// A job was not accepted.
    Refused {
        /// Its model.
        model: ModelId,
        /// Why.
        refusal: Refusal,
    },
    /// A breaker changed its state.
    Breaker {
        /// Whose.
        connection: ConnectionId,
        /// Of what.
        component: Component,
        /// From, to and why.
        transition: Transition,
        /// Health after it, 0–100.
        health: f64,
    },
    /// The breaker on a model's loads, wherever they are made, changed its state.
    ModelBreaker {
        /// Whose.
        model: ModelId,
        /// From, to and why.
        transition: Transition,
        /// Health after it, 0–100.
        health: f64,
    },
    /// An operator put a breaker under their hand, or back to work.
    BreakerMode {
        /// Whose.
        connection: ConnectionId,
        /// Of what.
        component: Component,
        /// What it does from now on.
        mode: BreakerMode,
    },
    /// A connection changed its state.
    Connection {
        /// Which one.
        connection: ConnectionId,
        /// State after.
        to: ConnectionState,
        /// The fault that caused it, if one did.
        cause: Option<FaultCategory>,
    },
    /// A strategy was chosen for a fault.
    Recovering {
        /// The job that is retried; `None` when the connection is repaired.
        job: Option<JobId>,
        /// Where the fault was.
        connection: ConnectionId,
        /// Of what.
        component: Component,
        /// The fault.
        category: FaultCategory,
        /// What is done about it.
        strategy: Strategy,
        /// How long is waited first.
        after: Duration,
    },
    /// A strategy showed what it is good for.
    Recovered {
        /// The fault it was chosen for.
        category: FaultCategory,
        /// Of what.
        component: Component,
        /// The strategy.
        strategy: Strategy,
        /// Whether it helped.
        is_success: bool,
        /// Time from the fault to the outcome.
        took: Duration,
        /// What it cost others, 0–1, as [`StrategyRecord::impact`](crate::StrategyRecord::impact).
        impact: f64,
    },
    /// Faults of several connections were found to have one cause, or that cause was dealt with.
    Incident {
        /// The failure domain.
        domain: u32,
        /// Of what.
        component: Component,
        /// The shared fault.
        category: FaultCategory,
        /// Connections it holds.
        n_members: u32,
        /// What became of it.
        phase: IncidentPhase,
    },
    /// A burst of faults was explained.
    RootCause(RootCause),
    /// Inputs were quarantined.
    Quarantined {
        /// The job that showed it.
        job: JobId,
        /// Its model.
        model: ModelId,
        /// What its inputs do.
        cause: FaultCategory,
        /// Distinct connections that failed on it.
        n_connections: u32,
    },
    /// A connection forgets a model.
    Unloaded {
        /// Which connection.
        connection: ConnectionId,
        /// The model.
        model: ModelId,
        /// On what it was loaded.
        backend: Backend,
        /// Why.
        reason: UnloadReason,
    },
    /// The number of connections was changed.
    Scaled {
        /// Connections before.
        from: u32,
        /// Connections after.
        to: u32,
        /// Why.
        reason: ScaleReason,
        /// Share of slots in use, 0–1.
        utilization: f64,
        /// Jobs waiting.
        n_queued: usize,
        /// Time that they should wait with the connections before.
        queue_delay: Duration,
        /// Memory in use by its limit, 0–1; 0 when no limit is known.
        memory_ratio: f64,
    },
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// Which call.
    pub call: CallId,
    /// What it was for.
    pub kind: CallKind,
    /// Where.
    pub connection: ConnectionId,
    /// The component that served it.
    pub component: Component,
    /// The model, for loads, runs and probes.
    pub model: Option<ModelId>,
    /// The jobs of a run.
    pub jobs: Vec<JobId>,
    /// 1 for a job's first try; 0 for calls without a job.
    pub attempt: u32,
    /// Whether it tested a half-open breaker.
    pub is_probe: bool,
    /// Longest time that one of its jobs had waited in the queue.
    pub queued: Duration,
    /// From the action to the answer.
    pub latency: Duration,
    /// The fault, when it failed.
    pub fault: Option<FaultCategory>,
}

named_enum! {
    /// What became of an incident.
    pub enum IncidentPhase {
        /// It was recognised; its members are held back.
        Opened = "opened",
        /// Its first member works again; the others return one after the other.
        Returning = "returning",
        /// Its first member failed again; another try follows.
        Failed = "failed",
    }
}

named_enum! {
    /// Why a model was unloaded.
    pub enum UnloadReason {
        /// Another one needs its memory.
        Room = "room",
        /// More memory is in use than should be.
        Pressure = "pressure",
        /// A call ran out of memory beside it.
        OutOfMemory = "out_of_memory",
        /// It failed, and is loaded anew when it is needed next.
        Fault = "fault",
        /// Nobody wants it any more, or not on this backend.
        Unwanted = "unwanted",
    }
}

named_enum! {
    /// Why the number of connections was changed.
    pub enum ScaleReason {
        /// Fewer than the minimum.
        Minimum = "minimum",
        /// More than the maximum.
        Maximum = "maximum",
        /// High utilization.
        Utilization = "utilization",
        /// Jobs would wait too long.
        QueueDelay = "queue_delay",
        /// Low utilization.
        Idle = "idle",
        /// Memory above the ceiling.
        Memory = "memory",
    }
}
