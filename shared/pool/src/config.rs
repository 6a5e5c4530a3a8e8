//! Parameters of the pool. Each default names its source; "parity" is the system that inspired tabpool.

use core::time::Duration;

use crate::{BreakerConfig, ConnectionSpec};

/// Parameters of a [`Pool`](crate::Pool).
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Jobs that may wait; one more is refused.
    pub queue_capacity: usize,
    /// Deadline of a job that names none, from submission on. Parity's batch limit.
    pub job_timeout: Duration,
    /// Longest time for opening a connection. Parity's launch limit.
    pub open_timeout: Duration,
    /// Longest time for loading a model. Parity's model limit.
    pub load_timeout: Duration,
    /// Longest time for one run. Parity's inference limit; measured latencies make it shorter.
    pub run_timeout: Duration,
    /// Longest time for one run of several jobs. Parity's batch limit.
    pub batch_timeout: Duration,
    /// Shortest time-out that measured latencies may lead to: a background tab's timers fire once a second.
    pub minimum_timeout: Duration,
    /// How long an aborted call may go on before its connection counts as hung.
    pub abort_grace: Duration,
    /// Heartbeats of idle connections.
    pub heartbeat: HeartbeatConfig,
    /// Breakers' parameters, the same for every browser; `None`: parity's defaults per browser.
    pub breaker: Option<BreakerConfig>,
    /// Retries and their budget.
    pub retry: RetryConfig,
    /// Placement.
    pub routing: RoutingConfig,
    /// How long the first job of a micro-batch waits for company; zero takes what waits when a slot is free.
    pub batch_delay: Duration,
    /// Largest share of all slots for one job family while another one is about, 0–1.
    pub bulkhead_ratio: f64,
    /// The same for a family whose calls fail: a model that hangs or crashes must not take every worker with it.
    pub failing_bulkhead_ratio: f64,
    /// Second calls against the tail.
    pub hedging: HedgingConfig,
    /// Number of connections.
    pub scaling: ScalingConfig,
    /// Members judged against each other.
    pub outlier: OutlierConfig,
    /// Correlated faults.
    pub incident: IncidentConfig,
    /// Inputs that break connections.
    pub quarantine: QuarantineConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_capacity: 10_000,
            job_timeout: Duration::from_secs(120),
            open_timeout: Duration::from_secs(30),
            load_timeout: Duration::from_secs(120),
            run_timeout: Duration::from_secs(60),
            batch_timeout: Duration::from_secs(120),
            minimum_timeout: Duration::from_secs(2),
            abort_grace: Duration::from_secs(1),
            heartbeat: HeartbeatConfig::default(),
            breaker: None,
            retry: RetryConfig::default(),
            routing: RoutingConfig::default(),
            batch_delay: Duration::ZERO,
            bulkhead_ratio: 0.9,
            failing_bulkhead_ratio: 0.5,
            hedging: HedgingConfig::default(),
            scaling: ScalingConfig::default(),
            outlier: OutlierConfig::default(),
            incident: IncidentConfig::default(),
            quarantine: QuarantineConfig::default(),
        }
    }
}

impl Config {
    /// Breaker parameters for connections of `browser`.
    pub(crate) fn breaker_for(&self, browser: &str) -> BreakerConfig {
        self.breaker.clone().unwrap_or_else(|| BreakerConfig::for_browser(browser))
    }
}

/// Heartbeats. Only they tell a hung or silently dead connection from an idle one: no browser reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeartbeatConfig {
    /// Time between an answer and the next ping.
    pub interval: Duration,
    /// Time for the answer. Above the second that background tabs delay timers by, several times over.
    pub timeout: Duration,
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), timeout: Duration::from_secs(5) }
    }
}

/// Retries.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryConfig {
    /// Tries after the first. Parity.
    pub max_retries: u32,
    /// Shortest back-off.
    pub backoff: Duration,
    /// Longest back-off.
    pub max_backoff: Duration,
    /// Retries that may be spent at once.
    pub budget_reserve: f64,
    /// Retries earned by one success; Finagle and Envoy allow 0.2.
    pub budget_per_success: f64,
    /// Retries earned by one second.
    pub budget_per_second: f64,
    /// How long a retry insists on going elsewhere before it takes any place.
    pub patience: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_retries: 3,
            backoff: Duration::from_millis(20),
            max_backoff: Duration::from_secs(5),
            budget_reserve: 20.0,
            budget_per_success: 0.1,
            budget_per_second: 0.5,
            patience: Duration::from_secs(5),
        }
    }
}

/// Placement of jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct RoutingConfig {
    /// Share of the expected time of all calls that may go into trying what is not the best known, 0–1.
    pub exploration_ratio: f64,
    /// Time that may go into trying before there is a share to speak of.
    pub exploration_start: Duration,
    /// Latency assumed where nothing was measured.
    pub prior_latency: Duration,
    /// Load time assumed where nothing was measured.
    pub prior_load: Duration,
    /// Observations after which older ones start to be forgotten.
    pub memory_calls: f64,
    /// Time in which the weight of what was observed halves.
    pub half_life: Duration,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self {
            exploration_ratio: 0.05,
            exploration_start: Duration::from_secs(5),
            prior_latency: Duration::from_millis(100),
            prior_load: Duration::from_secs(2),
            memory_calls: 32.0,
            half_life: Duration::from_secs(300),
        }
    }
}

/// Second calls for a job whose first takes unusually long. Off by default: they cost work. They take only slots that are
/// free where the model is loaded, so a saturated fleet rarely hedges: more calls would lengthen the tail there.
#[derive(Debug, Clone, PartialEq)]
pub struct HedgingConfig {
    /// Whether to hedge at all.
    pub is_enabled: bool,
    /// Quantile of the expected latency after which a second call starts, as standard normal score: 1.645 is p95, which
    /// "The Tail at Scale" (Dean, Barroso 2013) found to cost about 5 % more calls.
    pub after_score: f64,
    /// Share of calls that may be second calls, 0–1.
    pub budget_ratio: f64,
}

impl Default for HedgingConfig {
    fn default() -> Self {
        Self { is_enabled: false, after_score: 1.645, budget_ratio: 0.05 }
    }
}

/// Number of connections. Defaults are parity's.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingConfig {
    /// Fewest connections.
    pub min_connections: u32,
    /// Most connections.
    pub max_connections: u32,
    /// What new connections are, in turn. Empty: the driver alone adds and removes.
    pub templates: Vec<ConnectionSpec>,
    /// Utilization, both instant and smoothed, above which one is added, 0–1.
    pub up_above: f64,
    /// Utilization, both instant and smoothed, below which one is removed, 0–1.
    pub down_below: f64,
    /// Weight of the newest sample in the smoothed utilization, 0–1.
    pub smoothing: f64,
    /// Expected wait in the queue that also calls for one more.
    pub max_queue_delay: Duration,
    /// Time between two steps.
    pub cooldown: Duration,
    /// Time between two looks.
    pub interval: Duration,
    /// Memory that all connections may use together, as they report it, bytes; 0 when unknown. No second copy of a model is
    /// loaded that would exceed it.
    pub memory_limit_bytes: u64,
    /// Share of the memory limit above which the pool shrinks at once, without regard to the cooldown, 0–1: it closes a
    /// connection, or unloads models when there are as few as there may be or the driver alone adds and removes them.
    pub memory_ceiling: f64,
}

impl Default for ScalingConfig {
    fn default() -> Self {
        Self {
            min_connections: 1,
            max_connections: 8,
            templates: Vec::new(),
            up_above: 0.70,
            down_below: 0.30,
            smoothing: 0.2,
            max_queue_delay: Duration::from_secs(2),
            cooldown: Duration::from_secs(30),
            interval: Duration::from_secs(1),
            memory_limit_bytes: 0,
            memory_ceiling: 0.80,
        }
    }
}

/// Members judged against each other. Envoy's outlier detection where not said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlierConfig {
    /// Whether to judge at all.
    pub is_enabled: bool,
    /// Time between two looks. Envoy `interval`.
    pub interval: Duration,
    /// Members with enough calls that a comparison needs. Envoy `success_rate_minimum_hosts`.
    pub minimum_members: u32,
    /// Calls that a member needs in its window to be compared; Envoy wants 100, a worker makes fewer.
    pub minimum_calls: u32,
    /// Standard deviations below the mean success ratio that eject. Envoy `success_rate_stdev_factor` 1900 / 1000.
    pub deviations: f64,
    /// Times its peers' latency that ejects, when the difference is certain.
    pub latency_factor: f64,
    /// Largest share of members ejected at once, 0–1. Envoy allows 0.1 of a large cluster; pools are small.
    pub max_ejected_ratio: f64,
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            is_enabled: true,
            interval: Duration::from_secs(10),
            minimum_members: 3,
            minimum_calls: 20,
            deviations: 1.9,
            latency_factor: 5.0,
            max_ejected_ratio: 0.34,
        }
    }
}

/// Correlated faults.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentConfig {
    /// Faults of one kind in one domain within this time have one cause.
    pub window: Duration,
    /// Distinct connections that make it an incident.
    pub minimum_members: u32,
    /// Time between two members' return, so that what has just recovered is not stormed.
    pub stagger: Duration,
}

impl Default for IncidentConfig {
    fn default() -> Self {
        Self { window: Duration::from_secs(2), minimum_members: 2, stagger: Duration::from_millis(200) }
    }
}

/// Inputs that break connections.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantineConfig {
    /// Distinct healthy connections that a job must fail on: all when there are fewer, and never less than two.
    pub n_connections: u32,
    /// How long its fingerprint is refused.
    pub duration: Duration,
    /// Fingerprints remembered at most.
    pub capacity: usize,
}

impl Default for QuarantineConfig {
    fn default() -> Self {
        Self { n_connections: 3, duration: Duration::from_secs(600), capacity: 1024 }
    }
}
