//! Fleets in which anything can happen, in a mix that the seed chooses.

use std::time::Duration;

use pool::{Backend, BackendSet, ConnectionSpec, Timestamp};

use crate::sim::rng::Rng;
use crate::sim::scenario::{Arrivals, FaultRates, Member, Model, Outage, OutageKind, Scenario};

impl Scenario {
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
            integrity: scale * rng.between(0.0, 0.02),
            slow: scale * rng.between(0.0, 0.02),
        };
        let n_outages = rng.below(4);
        scenario.outages = (0..n_outages).flat_map(|_| random_outage(&mut rng)).collect();
        scenario.message_loss = if rng.chance(0.3) { rng.between(0.0, 0.01) } else { 0.0 };
        scenario.message_duplication = if rng.chance(0.3) { rng.between(0.0, 0.1) } else { 0.0 };
        scenario.cancel_ratio = if rng.chance(0.5) { rng.between(0.0, 0.1) } else { 0.0 };
        scenario.batchable_ratio = if rng.chance(0.4) { rng.unit() } else { 0.0 };
        scenario.poison_ratio = if rng.chance(0.2) { rng.between(0.0, 0.01) } else { 0.0 };
        scenario.pinned_ratio = if rng.chance(0.3) { rng.between(0.0, 0.2) } else { 0.0 };
        scenario.load_only_ratio = if rng.chance(0.3) { rng.between(0.0, 0.1) } else { 0.0 };
        scenario.operator_ratio = if rng.chance(0.2) { rng.between(0.0, 0.02) } else { 0.0 };
        scenario.report_every = rng.chance(0.3).then_some(Duration::from_millis(500));
        let shares = [rng.unit(), rng.unit(), rng.unit()];
        scenario.priorities = shares.map(|share| share / shares.iter().sum::<f64>());
        scenario.arrivals = if rng.chance(0.3) {
            Arrivals::Closed(1 + rng.below(64))
        } else {
            // From nearly idle to overload.
            Arrivals::Open(rng.between(0.1, 1.3) * scenario.jobs_per_second())
        };
        scenario.deadline = (Duration::from_secs(1), Duration::from_secs(60));
        scenario.config.queue_capacity = [10, 100, 10_000][rng.below(3)];
        scenario.config.hedging.is_enabled = rng.chance(0.3);
        scenario.config.batch_delay = Duration::from_millis([0, 0, 5][rng.below(3)]);
        if rng.chance(0.3) {
            scenario.is_fixed_fleet = false;
            scenario.config.scaling.templates =
                scenario.members.iter().map(|member| member.spec.clone()).collect();
            scenario.config.scaling.min_connections = 1 + rng.below(2) as u32;
            scenario.config.scaling.max_connections = 2 + rng.below(8) as u32;
            scenario.config.scaling.cooldown = Duration::from_secs(2);
            scenario.config.scaling.memory_limit_bytes = if rng.chance(0.3) { 600_000_000 } else { 0 };
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
    member.slowness[Backend::Webgpu as usize] *= [0.3, 10.0][rng.below(2)];
    member.capabilities.is_fallback_adapter = member.slowness[Backend::Webgpu as usize] > 3.0;
    member.capabilities.adapter =
        if member.slowness[Backend::Webgpu as usize] > 3.0 { "swiftshader" } else { "hardware" }.to_owned();
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
    model.large = core::array::from_fn(|_| rng.between(1.0, 8.0));
    model.spec.max_batch = [1, 1, 8][rng.below(3)];
    model.spec.has_golden = rng.chance(0.5);
    if rng.chance(0.1) {
        model.broken_until = [Timestamp::from_millis(40_000), Timestamp::MAX][rng.below(2)];
    }
    model.unsupported = match rng.below(4) {
        0 => BackendSet::of(&[Backend::Webnn]),
        1 => BackendSet::of(&[Backend::Webgpu, Backend::Webnn]),
        _ => BackendSet::NONE,
    };
    model
}

/// One outage, or a row of short ones: what flaps is back before anybody is sure that it was gone.
fn random_outage(rng: &mut Rng) -> Vec<Outage> {
    let domain = rng.below(3) as u32;
    let from_millis = rng.below(120_000) as u64;
    let backend = [Backend::Webgpu, Backend::Webnn][rng.below(2)];
    let kind = match rng.below(5) {
        0 => OutageKind::Link { domain },
        1 => OutageKind::Device { domain, backend },
        2 => OutageKind::Slow { domain, factor: rng.between(3.0, 30.0) },
        3 => OutageKind::Wrong { domain, backend },
        _ => OutageKind::Memory { domain, bytes: rng.below(400_000_000) as u64 },
    };
    if rng.chance(0.3) {
        let (on, off) = (50 + rng.below(2000) as u64, 50 + rng.below(5000) as u64);
        let flap = |turn: u64| {
            let from_millis = from_millis + turn * (on + off);
            Outage { from_millis, to_millis: from_millis + on, kind }
        };
        return (0..5 + rng.below(15) as u64).map(flap).collect();
    }
    vec![Outage { from_millis, to_millis: from_millis + 1000 + rng.below(60_000) as u64, kind }]
}
