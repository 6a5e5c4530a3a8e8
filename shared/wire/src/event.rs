//! Events of a pool: what its breakers, recoveries and connections did, one record each, beside the records of runs.

use serde::{Deserialize, Serialize};

use crate::{Backend, Browser, FaultCategory};

/// Something that a pool decided or found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Unique id chosen by the sender; posting it twice stores it once.
    pub id: String,
    /// `bench` session it belongs to; `None` for a person's own page and for fleets.
    #[serde(default)]
    pub session: Option<String>,
    /// When, microseconds since the Unix epoch (UTC).
    pub at_unix_micros: i64,
    /// Whose pool it was.
    pub source: EventSource,
    /// Browser that the event concerns; an empty name when it concerns several.
    #[serde(default)]
    pub browser: Browser,
    /// Pool connection that it concerns, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<u32>,
    /// What happened.
    pub event: PoolEvent,
}

/// Whose pool an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventSource {
    /// The coordinator of a page: connections are workers and iframes.
    Page,
    /// The agent's fleet: connections are browsers.
    Fleet,
}

impl EventSource {
    /// Stable name: the one in JSON and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Fleet => "fleet",
        }
    }
}

/// What happened. Components, states, strategies and reasons carry the stable names of `pool`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PoolEvent {
    /// A breaker changed its state.
    Breaker {
        /// Of what, e.g. `webgpu`.
        component: String,
        /// State before: `closed`, `open` or `half_open`.
        from: String,
        /// State after.
        to: String,
        /// Why, as a sentence with its figures.
        reason: String,
        /// Health after it, 0–100.
        health: f64,
    },
    /// A connection changed its state.
    Connection {
        /// State after, e.g. `ready`.
        to: String,
        /// The fault that caused it, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<FaultCategory>,
    },
    /// A strategy was chosen for a fault.
    Recovering {
        /// The fault.
        category: FaultCategory,
        /// Of what.
        component: String,
        /// What is done about it, e.g. `other_backend`.
        strategy: String,
        /// How long is waited first.
        after_micros: u64,
    },
    /// A strategy showed what it is good for.
    Recovered {
        /// The fault it was chosen for.
        category: FaultCategory,
        /// Of what.
        component: String,
        /// The strategy.
        strategy: String,
        /// Whether it helped.
        is_success: bool,
        /// Time from the fault to the outcome.
        took_micros: u64,
        /// What it cost other jobs, 0–1; `None` in what was kept before it was measured.
        #[serde(default)]
        impact: Option<f64>,
    },
    /// Faults of several connections were found to have one cause, or that cause was dealt with.
    Incident {
        /// Number of the failure domain.
        domain: u32,
        /// The shared fault.
        category: FaultCategory,
        /// Of what.
        component: String,
        /// Connections it holds.
        n_members: u32,
        /// What became of it: `opened`, `returning` or `failed`.
        phase: String,
    },
    /// A burst of faults was explained.
    RootCause {
        /// Most frequent category among the faults.
        category: FaultCategory,
        /// Faults of that category in the window.
        n_faults: u32,
        /// The finding as a sentence.
        sentence: String,
        /// What the faults share, strongest first; empty when nothing separates them from the successes.
        #[serde(default)]
        factors: Vec<SharedFactor>,
    },
    /// Inputs were quarantined.
    Quarantined {
        /// Their model.
        model: String,
        /// What they do to a connection.
        cause: FaultCategory,
        /// Distinct connections that failed on them.
        n_connections: u32,
    },
    /// Backends were compared for a model, or could not be.
    BackendChosen {
        /// The model.
        model: String,
        /// The fastest of those whose outputs agree.
        backend: Backend,
        /// The finding as a sentence, with every backend's figures.
        sentence: String,
    },
    /// The number of connections was changed.
    Scaled {
        /// Connections before.
        from: u32,
        /// Connections after.
        to: u32,
        /// Why, e.g. `queue_delay`.
        reason: String,
        /// Share of slots in use, 0–1.
        #[serde(default)]
        utilization: f64,
        /// Jobs waiting.
        #[serde(default)]
        n_queued: u32,
        /// How long those should take with what there was.
        #[serde(default)]
        queue_delay_micros: u64,
        /// Memory in use by its limit, 0–1; 0 when no limit is known.
        #[serde(default)]
        memory_ratio: f64,
    },
    /// A job found its place. The rows of runs tell where jobs ran; this tells what was expected. Kept when the place was
    /// not the ordinary choice, and else now and then.
    Placed {
        /// The model.
        model: String,
        /// On what.
        backend: Backend,
        /// Jobs that run together.
        n_jobs: u32,
        /// Expected time until the result.
        expected_micros: u64,
        /// Part of that for loading the model.
        load_micros: u64,
        /// Whether the place was chosen to learn, not because it is the best known.
        is_exploration: bool,
        /// Whether the call also tests a half-open breaker.
        is_probe: bool,
        /// Whether it is a second call beside one that takes long.
        is_hedge: bool,
    },
    /// A call that ran no job ended; those that did have rows of their own.
    Called {
        /// What it was for: `open`, `load`, `probe` or `recreate_device`.
        call: String,
        /// The component that served it.
        component: String,
        /// The model, of loads and probes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// From the request to the answer.
        latency_micros: u64,
        /// Whether it tested a half-open breaker.
        is_probe: bool,
        /// The fault, when it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<FaultCategory>,
    },
    /// A job was not accepted. The first of a second stands for those that were refused for the same reason in it.
    Refused {
        /// Its model; empty when nobody knows it.
        model: String,
        /// Why, as a sentence.
        reason: String,
    },
    /// A job ended that never ran.
    Ended {
        /// Its model.
        model: String,
        /// Why, e.g. `no_candidate`; `cancelled` when its caller took it back.
        verdict: String,
        /// The fault.
        cause: FaultCategory,
        /// From its submission to its end.
        took_micros: u64,
    },
    /// A model was taken off a connection.
    Unloaded {
        /// The model.
        model: String,
        /// Off what.
        backend: Backend,
        /// Why, e.g. `pressure`.
        reason: String,
    },
    /// An operator took a breaker into his hands, or let go of it.
    BreakerMode {
        /// Of what.
        component: String,
        /// What became of it: `automatic`, `forced_open`, `disabled` or `metrics_only`.
        mode: String,
    },
}

impl PoolEvent {
    /// The name of every kind, in declaration order.
    pub const KINDS: [&str; 15] = [
        "breaker",
        "connection",
        "recovering",
        "recovered",
        "incident",
        "root_cause",
        "quarantined",
        "backend_chosen",
        "scaled",
        "placed",
        "called",
        "refused",
        "ended",
        "unloaded",
        "breaker_mode",
    ];

    /// Stable name of the kind: the one in JSON and in the database.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Breaker { .. } => "breaker",
            Self::Connection { .. } => "connection",
            Self::Recovering { .. } => "recovering",
            Self::Recovered { .. } => "recovered",
            Self::Incident { .. } => "incident",
            Self::RootCause { .. } => "root_cause",
            Self::Quarantined { .. } => "quarantined",
            Self::BackendChosen { .. } => "backend_chosen",
            Self::Scaled { .. } => "scaled",
            Self::Placed { .. } => "placed",
            Self::Called { .. } => "called",
            Self::Refused { .. } => "refused",
            Self::Ended { .. } => "ended",
            Self::Unloaded { .. } => "unloaded",
            Self::BreakerMode { .. } => "breaker_mode",
        }
    }
}

/// One value of one factor, and how the calls of a burst divide by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedFactor {
    /// The factor, e.g. `browser`.
    pub factor: String,
    /// Its value, e.g. `firefox`.
    pub value: String,
    /// Failed calls with this value.
    pub n_failed_with: u32,
    /// Failed calls without it.
    pub n_failed_without: u32,
    /// Successful calls with this value.
    pub n_ok_with: u32,
    /// Successful calls without it.
    pub n_ok_without: u32,
    /// Probability of a division at least as uneven by chance, corrected for the values that were tried.
    pub p_value: f64,
}
