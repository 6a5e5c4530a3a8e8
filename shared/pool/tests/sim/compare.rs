//! The pool beside other policies on the same fleets, jobs and seeds. Simulated.

use std::time::Duration;

use pool::{Backend, BackendSet, Pool};

use crate::sim::baselines::{Baseline, Policy};
use crate::sim::scenario::{Arrivals, FaultRates, Member, Model, Outage, OutageKind, Scenario};
use crate::sim::world::{Outcome, World};

/// One figure of one policy: mean over seeds, and half the width of its 95 % confidence interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) mean: f64,
    pub(crate) margin: f64,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Share of jobs that were refused or failed, percent.
    Unhandled,
    /// Mean time from a job's first fault to its result, milliseconds; 60 s for a job that got none.
    JobRecovery,
    /// Mean time from a member's death, hang or lost device until it can work again, milliseconds.
    ComponentRecovery,
    /// Completed jobs per second.
    Throughput,
    /// Slot time that went into results, percent.
    Utilization,
    /// 99th percentile of the time to a result, milliseconds.
    Tail,
    /// Calls sent per job started.
    CallsPerJob,
}

impl Metric {
    pub(crate) const ALL: [Self; 7] = [
        Self::Unhandled,
        Self::JobRecovery,
        Self::ComponentRecovery,
        Self::Throughput,
        Self::Utilization,
        Self::Tail,
        Self::CallsPerJob,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Unhandled => "unhandled errors, %",
            Self::JobRecovery => "fault to the job's result, ms (60 s if none)",
            Self::ComponentRecovery => "fault to a working member, ms",
            Self::Throughput => "throughput, jobs/s",
            Self::Utilization => "useful slot time, %",
            Self::Tail => "p99 latency, ms",
            Self::CallsPerJob => "calls per job",
        }
    }

    fn of(self, outcome: &Outcome) -> f64 {
        let n_wanted = (outcome.n_submitted - outcome.n_cancelled).max(1) as f64;
        let seconds = outcome.ended_at.as_micros() as f64 / 1e6;
        match self {
            Self::Unhandled => 100.0 * (outcome.n_refused + outcome.n_failed) as f64 / n_wanted,
            Self::JobRecovery => mean_millis(&outcome.job_recovery_micros),
            Self::ComponentRecovery => mean_millis(&outcome.component_recovery_micros),
            Self::Throughput => outcome.n_completed as f64 / seconds.max(1e-9),
            Self::Utilization => 100.0 * outcome.useful_micros as f64 / outcome.slot_micros.max(1) as f64,
            Self::Tail => {
                let mut latencies = outcome.latencies_micros.clone();
                latencies.sort_unstable();
                latencies.get(latencies.len() * 99 / 100).map_or(0.0, |&micros| micros as f64 / 1000.0)
            }
            Self::CallsPerJob => outcome.n_calls as f64 / outcome.n_started.max(1) as f64,
        }
    }
}

fn mean_millis(micros: &[u64]) -> f64 {
    micros.iter().sum::<u64>() as f64 / micros.len().max(1) as f64 / 1000.0
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Pool,
    RoundRobin,
    Original,
}

impl Contestant {
    pub(crate) const ALL: [Self; 3] = [Self::Pool, Self::RoundRobin, Self::Original];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Pool => "tabpool",
            Self::RoundRobin => "round-robin + 3 retries",
            Self::Original => "original's policy",
        }
    }

    fn run(self, scenario: &Scenario) -> Outcome {
        match self {
            Self::Pool => run(scenario, Pool::new(scenario.config.clone(), scenario.seed)),
            Self::RoundRobin => run(scenario, Baseline::new(Policy::RoundRobin)),
            Self::Original => run(scenario, Baseline::new(Policy::Original)),
        }
    }
}

fn run<B: crate::sim::brain::Brain>(scenario: &Scenario, brain: B) -> Outcome {
    let mut world = World::new(scenario, brain);
    world.run(|_, _, _| {});
    world.outcome
}

/// Every figure of every contestant over `n_seeds` runs of a scenario.
pub(crate) fn compare(
    make: impl Fn(u64) -> Scenario,
    n_seeds: u64,
) -> Vec<(Contestant, Vec<(Metric, Figure)>)> {
    let scenarios: Vec<Scenario> = (1..=n_seeds).map(make).collect();
    let contestants = Contestant::ALL.into_iter();
    let rows = contestants.map(|contestant| {
        let outcomes: Vec<Outcome> = scenarios.iter().map(|scenario| contestant.run(scenario)).collect();
        let figures = Metric::ALL.into_iter().map(|metric| {
            let samples: Vec<f64> = outcomes.iter().map(|outcome| metric.of(outcome)).collect();
            (metric, figure(&samples))
        });
        (contestant, figures.collect())
    });
    rows.collect()
}

/// One contestant's figure for one metric.
pub(crate) fn pick(
    rows: &[(Contestant, Vec<(Metric, Figure)>)],
    contestant: Contestant,
    metric: Metric,
) -> Figure {
    let row = rows.iter().find(|(other, _)| *other == contestant);
    let found = row.and_then(|(_, figures)| figures.iter().find(|(other, _)| *other == metric));
    found.map_or(Figure { mean: f64::NAN, margin: f64::NAN }, |(_, figure)| *figure)
}

fn figure(samples: &[f64]) -> Figure {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let variance = samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    // Student's t for 29 degrees of freedom, the fewest that are used.
    Figure { mean, margin: 2.045 * (variance / n).sqrt() }
}

/// Twelve equal workers, of which each policy has enough, with faults and a lost browser: what is lost to faults alone.
pub(crate) fn even(seed: u64) -> Scenario {
    let mut scenario = faulty(seed);
    scenario.members.iter_mut().for_each(|member| {
        member.capabilities.backends = BackendSet::of(&[Backend::Wasm]);
        member.slowness = [1.0; Backend::ALL.len()];
    });
    scenario.arrivals = Arrivals::Open(0.15 * scenario.jobs_per_second());
    scenario.outages.retain(|outage| matches!(outage.kind, OutageKind::Link { .. }));
    scenario
}

/// Twelve workers in three browsers under everything that happens: crashes, silent deaths, hangs, lost devices, a GPU
/// outage, a lost browser, one that is throttled for a while.
pub(crate) fn faulty(seed: u64) -> Scenario {
    let mut scenario = Scenario::calm(seed, 6000);
    scenario.members = mixed_fleet();
    scenario.models = models();
    scenario.arrivals = Arrivals::Open(0.35 * scenario.jobs_per_second());
    scenario.faults = FaultRates {
        crash: 0.003,
        silent_death: 0.0005,
        hang: 0.0005,
        device_lost: 0.004,
        out_of_memory: 0.002,
        internal: 0.002,
        integrity: 0.0,
        slow: 0.01,
    };
    scenario.outages = vec![
        Outage {
            from_millis: 5000,
            to_millis: 15_000,
            kind: OutageKind::Device { domain: 0, backend: Backend::Webgpu },
        },
        Outage { from_millis: 20_000, to_millis: 26_000, kind: OutageKind::Link { domain: 1 } },
        Outage { from_millis: 30_000, to_millis: 34_000, kind: OutageKind::Slow { domain: 2, factor: 5.0 } },
    ];
    scenario.message_loss = 0.0005;
    scenario.message_duplication = 0.01;
    scenario
}

/// The same fleet without faults, with one caller per worker: how much of it is put to use.
pub(crate) fn saturated(seed: u64) -> Scenario {
    let mut scenario = Scenario::calm(seed, 6000);
    scenario.members = mixed_fleet();
    scenario.models = models();
    scenario.arrivals = Arrivals::Closed(scenario.members.len());
    scenario.deadline = (Duration::from_secs(120), Duration::from_secs(120));
    scenario
}

/// Hardware WebGPU in one browser, software WebGPU in two, WebNN in one; wasm everywhere, at different speeds.
fn mixed_fleet() -> Vec<Member> {
    let mut members = Vec::new();
    for (domain, browser) in ["chromium", "firefox", "edge"].into_iter().enumerate() {
        for worker in 0..4 {
            let backends: &[Backend] = match (browser, worker) {
                ("edge", _) => &[Backend::Webnn, Backend::Wasm],
                (_, 0 | 1) => &[Backend::Webgpu, Backend::Wasm],
                _ => &[Backend::Wasm],
            };
            let slowness = if worker == 3 { 2.0 } else { 1.0 };
            let mut member = Member::worker(browser, backends, slowness);
            // FACTS: software WebGPU takes tens of times as long as wasm, WebNN about half.
            member.slowness[Backend::Webgpu as usize] = if browser == "chromium" { 0.4 } else { 20.0 };
            member.slowness[Backend::Webnn as usize] = 0.5 * slowness;
            member.capabilities.is_fallback_adapter = browser == "firefox";
            member.capabilities.adapter =
                if browser == "firefox" { "llvmpipe" } else { "hardware" }.to_owned();
            member.spec.domain = domain as u32;
            member.spec.answers_while_busy = false;
            members.push(member);
        }
    }
    members
}

fn models() -> Vec<Model> {
    vec![
        Model::new("minilm", "text_embedding", 20.0),
        Model::new("ocr-det", "vision", 80.0),
        Model::new("silero-vad", "audio", 10.0),
    ]
}
