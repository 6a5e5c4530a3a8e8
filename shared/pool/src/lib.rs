//! Decides what each connection does next.
//!
//! A [`Pool`] is a state machine without clock, randomness or I/O: the driver feeds it inputs with the time, and does what
//! its [`Action`]s say. Three drivers exist: the coordinator in a tab, whose connections are workers; the
//! agent, whose connections are browsers of a fleet; and the simulator of the tests. Nothing in it is about tabs.
//!
//! ```
//! use pool::{Action, Backend, BackendSet, Capabilities, Config, ConnectionSpec, Job, Measured, ModelSpec, Pool};
//! use pool::{Precision, Timestamp};
//!
//! let mut pool = Pool::new(Config::default(), 42);
//! let mut now = Timestamp::ZERO; // From the driver's monotonic clock.
//! let model = pool.register_model(ModelSpec::new("minilm-l3", "text_embedding", Precision::F32));
//! pool.add_connection(now, ConnectionSpec::worker("chromium"));
//! let job = pool.submit(now, Job::new(model))?;
//!
//! // The loop: feed one input, drain the actions, arm one timer.
//! let end = 'driver: loop {
//!     while let Some(action) = pool.poll_action() {
//!         now = Timestamp::from_micros(now.as_micros() + 1000);
//!         match action {
//!             // Here the driver would start a worker; its first message answers.
//!             Action::Open { call, .. } | Action::Respawn { call, .. } => {
//!                 pool.on_ready(now, call, Capabilities::new(BackendSet::of(&[Backend::Wasm])));
//!             }
//!             // Here it would post a message; the worker's reply answers, or `on_failed` with its category.
//!             Action::Load { call, .. }
//!             | Action::Run { call, .. }
//!             | Action::Probe { call, .. }
//!             | Action::Ping { call, .. }
//!             | Action::RecreateDevice { call, .. } => pool.on_finished(now, call, Measured::default()),
//!             Action::Unload { .. } | Action::Close { .. } | Action::Abort { .. } | Action::Record(_) => {}
//!             // The output is that of the call named in `end`; this job's is the one at its place in `Run`'s `jobs`.
//!             Action::Finish { job: finished, end } if finished == job => break 'driver end,
//!             Action::Finish { .. } => {}
//!         }
//!     }
//!     // Here it would sleep until the timer or the next message.
//!     if let Some(due) = pool.poll_timeout() {
//!         now = due;
//!         pool.handle_timeout(now);
//!     }
//! };
//! assert!(matches!(end, pool::JobEnd::Completed { attempt: 1, .. }));
//! # Ok::<(), pool::Refusal>(())
//! ```
//!
//! | what happened | the driver calls |
//! | --- | --- |
//! | somebody wants a job done, or no longer | [`Pool::submit`], [`Pool::cancel`] |
//! | a worker or browser is up and said what it can do | [`Pool::on_ready`] |
//! | a call succeeded | [`Pool::on_finished`] |
//! | a call failed | [`Pool::on_failed`] with the category from its source |
//! | the worker, iframe or browser is gone | [`Pool::on_connection_lost`] |
//! | somebody measured how much memory one uses | [`Pool::on_memory`], unless an answer says so |
//! | an operator takes a breaker in hand | [`Pool::set_breaker_mode`] |
//! | time passed | [`Pool::handle_timeout`] |
//!
//! Every accepted job ends with exactly one [`Action::Finish`]. Answers to calls that the pool has given up are harmless:
//! ids are never reused. Connections keep their id, and what was learnt about them, when their worker is replaced.

mod action;
mod backend;
mod backoff;
mod block_set;
mod breaker;
mod config;
mod connection;
mod fault;
mod health;
mod ids;
mod incident;
mod job;
mod latency;
mod model;
mod named;
mod outlier;
mod pool;
mod quarantine;
mod queue;
mod record;
mod recovery;
mod retry_budget;
mod rng;
mod root_cause;
mod roster;
mod router;
mod scaling;
mod slab;
mod sort;
mod sorted_map;
mod time;
mod timers;

pub use action::{Action, Scope};
pub use backend::{Backend, BackendSet, Component};
pub use breaker::{
    Admission, Breaker, BreakerConfig, BreakerMode, BreakerState, Permit, Transition, TransitionReason,
    WindowStats,
};
pub use config::{
    Config, HeartbeatConfig, HedgingConfig, IncidentConfig, OutlierConfig, QuarantineConfig, RetryConfig,
    RoutingConfig, ScalingConfig,
};
pub use connection::{Capabilities, Connection, ConnectionKind, ConnectionSpec, ConnectionState};
pub use fault::FaultCategory;
pub use ids::{CallId, ConnectionId, GroupId, JobId, ModelId, ShapeClass};
pub use job::{Job, JobEnd, Priority, Refusal, Verdict};
pub use latency::Estimate;
pub use model::{ModelSpec, Precision};
pub use named::UnknownName;
pub use pool::evidence::{BreakerEvidence, LatencyEvidence, StrategyEvidence};
pub use pool::explain::{Candidate, Exclusion};
pub use pool::{Measured, Pool, PoolStats};
pub use record::{CallKind, Called, Event, IncidentPhase, Record, ScaleReason, UnloadReason};
pub use recovery::{Strategy, StrategyRecord, job_ladder, repair_ladder};
pub use root_cause::{Factor, RootCause, SharedFactor};
pub use time::{Timestamp, micros};
