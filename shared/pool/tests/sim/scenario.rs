//! What is true in a simulated fleet: speeds, faults, outages and the jobs that arrive.

use std::time::Duration;

use pool::{Backend, BackendSet, Capabilities, Config, ConnectionSpec, ModelSpec, Precision};

use crate::sim::rng::Rng;

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
    pub(crate) slowness: [f64; 3],
    /// Times the scenario's fault rates.
    pub(crate) fault_factor: f64,
    pub(crate) open_millis: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) spec: ModelSpec,
    pub(crate) run_millis: f64,
    pub(crate) deviation: f64,
    pub(crate) load_millis: f64,
    /// Never loads anywhere.
    pub(crate) is_broken: bool,
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
}

impl Member {
    pub(crate) fn worker(browser: &str, backends: &[Backend], slowness: f64) -> Self {
        Self {
            spec: ConnectionSpec::worker(browser),
            capabilities: Capabilities::new(BackendSet::of(backends)),
            slowness: [slowness; 3],
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
            load_millis: 400.0,
            is_broken: false,
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
            config: Config::default(),
            is_fixed_fleet: true,
        }
    }

    /// Anything that can happen, in a mix that the seed chooses.
    pub(crate) fn chaos(seed: u64, n_jobs: usize) -> Self {
        let mut rng = Rng::new(seed);
        let mut scenario = Self::calm(seed, n_jobs);
        let n_members = 1 + rng.below(12);
        scenario.members = (0..n_members).map(|_| random_member(&mut rng)).collect();
        let n_models = 1 + rng.below(5);
        scenario.models = (0..n_models).map(|model_index| random_model(&mut rng, model_index)).collect();
        let scale = [0.0, 0.1, 1.0, 1.0, 5.0][rng.below(5)];
        scenario.faults = FaultRates {
            crash: scale * rng.between(0.0, 0.01),
            silent_death: scale * rng.between(0.0, 0.003),
            hang: scale * rng.between(0.0, 0.003),
            device_lost: scale * rng.between(0.0, 0.01),
            out_of_memory: scale * rng.between(0.0, 0.01),
            internal: scale * rng.between(0.0, 0.02),
            slow: scale * rng.between(0.0, 0.02),
        };
        let n_outages = rng.below(4);
        scenario.outages = (0..n_outages).map(|_| random_outage(&mut rng)).collect();
        scenario.message_loss = if rng.chance(0.3) { rng.between(0.0, 0.01) } else { 0.0 };
        scenario.message_duplication = if rng.chance(0.3) { rng.between(0.0, 0.1) } else { 0.0 };
        scenario.cancel_ratio = if rng.chance(0.5) { rng.between(0.0, 0.1) } else { 0.0 };
        scenario.batchable_ratio = if rng.chance(0.4) { rng.unit() } else { 0.0 };
        scenario.poison_ratio = if rng.chance(0.2) { rng.between(0.0, 0.01) } else { 0.0 };
        scenario.arrivals = if rng.chance(0.3) {
            Arrivals::Closed(1 + rng.below(64))
        } else {
            Arrivals::Open(rng.between(5.0, 60.0) * n_members as f64)
        };
        scenario.deadline = (Duration::from_millis(200), Duration::from_secs(30));
        scenario.config.queue_capacity = [10, 100, 10_000][rng.below(3)];
        scenario.config.hedging.is_enabled = rng.chance(0.3);
        scenario.config.batch_delay = Duration::from_millis([0, 0, 5][rng.below(3)]);
        if rng.chance(0.25) {
            scenario.is_fixed_fleet = false;
            scenario.config.scaling.templates =
                scenario.members.iter().map(|member| member.spec.clone()).collect();
            scenario.config.scaling.min_connections = 1 + rng.below(2) as u32;
            scenario.config.scaling.max_connections = 2 + rng.below(8) as u32;
        }
        scenario
    }
}

fn random_member(rng: &mut Rng) -> Member {
    let browser = ["chromium", "firefox", "webkit", "edge"][rng.below(4)];
    let backends = [
        &[Backend::Wasm][..],
        &[Backend::Webgpu, Backend::Wasm],
        &[Backend::Webnn, Backend::Wasm],
        &[Backend::Webgpu, Backend::Webnn, Backend::Wasm],
    ][rng.below(4)];
    let mut member = Member::worker(browser, backends, rng.between(0.5, 3.0));
    member.slowness[0] *= [0.3, 10.0][rng.below(2)];
    member.capabilities.is_fallback_adapter = member.slowness[0] > 3.0;
    member.capabilities.adapter =
        if member.slowness[0] > 3.0 { "swiftshader" } else { "hardware" }.to_owned();
    member.capabilities.capacity = 1 + rng.below(3) as u32;
    member.capabilities.memory_limit_bytes = if rng.chance(0.3) { 300_000_000 } else { 0 };
    member.fault_factor = [0.0, 1.0, 1.0, 5.0][rng.below(4)];
    member.spec.domain = rng.below(3) as u32;
    if rng.chance(0.3) {
        member.spec = ConnectionSpec::browser(browser, member.spec.domain);
        member.open_millis = 2000.0;
    }
    member
}

fn random_model(rng: &mut Rng, model_index: usize) -> Model {
    let family = ["text_embedding", "vision", "audio"][rng.below(3)];
    let run_millis = rng.log_normal(30.0, 1.0);
    let mut model = Model::new(&format!("model-{model_index}"), family, run_millis);
    model.load_millis = rng.log_normal(300.0, 0.8);
    model.spec.memory_bytes = 40_000_000 + rng.below(100_000_000) as u64;
    model.spec.max_batch = [1, 1, 8][rng.below(3)];
    model.spec.has_golden = rng.chance(0.5);
    model.is_broken = rng.chance(0.05);
    model.unsupported = match rng.below(4) {
        0 => BackendSet::of(&[Backend::Webnn]),
        1 => BackendSet::of(&[Backend::Webgpu, Backend::Webnn]),
        _ => BackendSet::NONE,
    };
    model
}

fn random_outage(rng: &mut Rng) -> Outage {
    let domain = rng.below(3) as u32;
    let from_millis = rng.below(120_000) as u64;
    let kind = match rng.below(3) {
        0 => OutageKind::Link { domain },
        1 => OutageKind::Device { domain, backend: [Backend::Webgpu, Backend::Wasm][rng.below(2)] },
        _ => OutageKind::Slow { domain, factor: rng.between(3.0, 30.0) },
    };
    Outage { from_millis, to_millis: from_millis + 1000 + rng.below(60_000) as u64, kind }
}
