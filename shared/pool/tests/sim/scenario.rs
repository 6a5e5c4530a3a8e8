//! What is true in a simulated fleet: speeds, faults, outages and the jobs that arrive.

use std::time::Duration;

use pool::{Backend, BackendSet, Capabilities, Config, ConnectionSpec, ModelSpec, Precision, Timestamp};

/// Everything that a run depends on; the same scenario and policy give the same run.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) members: Vec<Member>,
    pub(crate) models: Vec<Model>,
    pub(crate) n_jobs: usize,
    pub(crate) arrivals: Arrivals,
    pub(crate) faults: FaultRates,
    pub(crate) outages: Vec<Outage>,
    /// Chance that an answer is lost, and that it comes twice.
    pub(crate) message_loss: f64,
    pub(crate) message_duplication: f64,
    /// Chance that the caller cancels a job some time after submitting it.
    pub(crate) cancel_ratio: f64,
    /// Time to the deadline of a job, chosen between the two.
    pub(crate) deadline: (Duration, Duration),
    pub(crate) priorities: [f64; 3],
    pub(crate) batchable_ratio: f64,
    /// Chance that a job's inputs crash every worker.
    pub(crate) poison_ratio: f64,
    /// Chance that a job may run on one connection only, and that it only wants its model loaded.
    pub(crate) pinned_ratio: f64,
    pub(crate) load_only_ratio: f64,
    /// Chance for each job that an operator sets the mode of some breaker when it comes.
    pub(crate) operator_ratio: f64,
    /// Time between two reports of every member's memory.
    pub(crate) report_every: Option<Duration>,
    pub(crate) config: Config,
    /// The driver adds the members; otherwise the pool scales.
    pub(crate) is_fixed_fleet: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrivals {
    /// Poisson, jobs per second.
    Open(f64),
    /// So many callers, each of which submits again when its job ended.
    Closed(usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) spec: ConnectionSpec,
    pub(crate) capabilities: Capabilities,
    /// Times a model's base latency that a run takes on each backend.
    pub(crate) slowness: [f64; Backend::ALL.len()],
    /// Times the scenario's fault rates.
    pub(crate) fault_factor: f64,
    pub(crate) open_millis: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) spec: ModelSpec,
    pub(crate) run_millis: f64,
    pub(crate) deviation: f64,
    /// Times that a run takes longer on each backend with inputs of the second shape class.
    pub(crate) large: [f64; Backend::ALL.len()],
    pub(crate) load_millis: f64,
    /// Loads nowhere before.
    pub(crate) broken_until: Timestamp,
    pub(crate) unsupported: BackendSet,
}

/// Chances per call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FaultRates {
    pub(crate) crash: f64,
    /// Dies without a word.
    pub(crate) silent_death: f64,
    pub(crate) hang: f64,
    pub(crate) device_lost: f64,
    pub(crate) out_of_memory: f64,
    pub(crate) internal: f64,
    /// Per load: the bytes are damaged.
    pub(crate) integrity: f64,
    /// Takes ten times as long.
    pub(crate) slow: f64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) from_millis: u64,
    pub(crate) to_millis: u64,
    pub(crate) kind: OutageKind,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum OutageKind {
    /// Every connection of the domain is lost and cannot be opened.
    Link { domain: u32 },
    /// Every device of the backend in the domain is lost and cannot be had again.
    Device { domain: u32, backend: Backend },
    /// Every run of the domain takes so many times as long.
    Slow { domain: u32, factor: f64 },
    /// Every output of the backend in the domain is wrong, which a golden inference shows, and a job's own check now and then.
    Wrong { domain: u32, backend: Backend },
    /// Every member of the domain uses so many bytes more.
    Memory { domain: u32, bytes: u64 },
}

impl Member {
    pub(crate) fn worker(browser: &str, backends: &[Backend], slowness: f64) -> Self {
        Self {
            spec: ConnectionSpec::worker(browser),
            capabilities: Capabilities::new(BackendSet::of(backends)),
            slowness: [slowness; Backend::ALL.len()],
            fault_factor: 1.0,
            open_millis: 200.0,
        }
    }
}

impl Model {
    pub(crate) fn new(name: &str, family: &str, run_millis: f64) -> Self {
        Self {
            spec: ModelSpec::new(name, family, Precision::F32),
            run_millis,
            deviation: 0.2,
            large: [1.0; Backend::ALL.len()],
            load_millis: 400.0,
            broken_until: Timestamp::ZERO,
            unsupported: BackendSet::NONE,
        }
    }
}

impl Scenario {
    /// Four equal workers, one model, no faults.
    pub(crate) fn calm(seed: u64, n_jobs: usize) -> Self {
        Self {
            seed,
            members: (0..4).map(|_| Member::worker("chromium", &[Backend::Wasm], 1.0)).collect(),
            models: vec![Model::new("minilm", "text_embedding", 20.0)],
            n_jobs,
            arrivals: Arrivals::Open(100.0),
            faults: FaultRates::default(),
            outages: Vec::new(),
            message_loss: 0.0,
            message_duplication: 0.0,
            cancel_ratio: 0.0,
            deadline: (Duration::from_secs(30), Duration::from_secs(60)),
            priorities: [0.2, 0.6, 0.2],
            batchable_ratio: 0.0,
            poison_ratio: 0.0,
            pinned_ratio: 0.0,
            load_only_ratio: 0.0,
            operator_ratio: 0.0,
            report_every: None,
            config: Config::default(),
            is_fixed_fleet: true,
        }
    }

    /// Jobs per second that the fleet can do when nothing fails, each member on its best backend.
    pub(crate) fn jobs_per_second(&self) -> f64 {
        let mean_millis =
            self.models.iter().map(|model| model.run_millis).sum::<f64>() / self.models.len() as f64;
        let per_member = self.members.iter().map(|member| {
            let backends = member.capabilities.backends.iter();
            let best =
                backends.map(|backend| member.slowness[backend as usize]).fold(f64::INFINITY, f64::min);
            f64::from(member.capabilities.capacity) * 1000.0 / (mean_millis * best)
        });
        per_member.sum()
    }
}
