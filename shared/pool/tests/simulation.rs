//! Simulated fleets: what must hold under any faults, and how the pool compares with other policies.

mod reason;
mod sim;

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::Range;
use std::time::Duration;

use pool::{Backend, BreakerConfig, Pool, Priority};
use sim::check::Checker;
use sim::compare::{Contestant, Metric, compare, even, faulty, pick, saturated};
use sim::rng::Rng;
use sim::scenario::{Arrivals, Member, Model, Outage, OutageKind, Scenario};
use sim::world::{Outcome, World};

/// Runs a scenario under the checker's eyes; gives what it came to and what happened in it.
fn watch(scenario: &Scenario) -> (Outcome, BTreeSet<&'static str>) {
    let pool = Pool::new(scenario.config.clone(), scenario.seed);
    let mut world = World::new(scenario, pool);
    let mut checker = Checker::new(scenario);
    world.run(|pool, _, action| checker.watch(pool, action));
    checker.finish(&world.brain, world.now);
    (world.outcome, checker.happened)
}

fn check(scenario: &Scenario) -> Outcome {
    watch(scenario).0
}

/// Says which seed it was, however the run ends.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            let line = format!(
                "seed {seed} broke; again: TABPOOL_SIM_SEED={seed} cargo test -p tabpool-pool --test simulation chaos\n"
            );
            // A test without standard error fails all the same.
            std::io::stderr().write_all(line.as_bytes()).ok();
        }
    }
}

/// The seeds to run: the one in `TABPOOL_SIM_SEED`, else `n` from 0.
fn seeds(n: u64) -> Range<u64> {
    variable("TABPOOL_SIM_SEED").map_or(0..n, |seed| seed..seed + 1)
}

#[expect(clippy::disallowed_methods, reason = "a person says what to run")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Factor on the number of simulated jobs: 1 in the ordinary run, 100 in the nightly one, which is
/// `TABPOOL_SIM_EFFORT=100 cargo test --release -p tabpool-pool --test simulation`.
fn effort() -> u64 {
    variable("TABPOOL_SIM_EFFORT").unwrap_or(1)
}

#[test]
fn a_calm_fleet_completes_everything() {
    let outcome = check(&Scenario::calm(1, 5000));
    assert_eq!(outcome.n_completed, 5000);
    assert_eq!(outcome.n_calls - 5000, 4, "one load per worker");
}

#[test]
fn a_run_replays_exactly() {
    let trace = |seed| {
        let scenario = Scenario::chaos(seed, 500);
        let mut world = World::new(&scenario, Pool::new(scenario.config.clone(), seed));
        let mut trace = String::new();
        world.run(|_, now, action| trace.push_str(&format!("{now:?} {action:?}\n")));
        trace
    };
    assert_eq!(trace(3), trace(3));
}

/// At least a million jobs over fleets of every kind. A seed that fails is printed, and replays with `TABPOOL_SIM_SEED`.
#[test]
fn nothing_breaks_in_chaos() {
    let mut n_jobs = 0;
    let mut happened = BTreeSet::new();
    let seeds = seeds(400 * effort());
    let n_expected = (seeds.end - seeds.start) * 2500;
    for seed in seeds.clone() {
        let _named = SeedOnPanic(seed);
        let (outcome, seen) = watch(&Scenario::chaos(seed, 2500));
        n_jobs += outcome.n_submitted;
        happened.extend(seen);
    }
    assert_eq!(n_jobs, n_expected);
    if seeds.end - seeds.start == 1 {
        return;
    }
    // What never happens is not tested either.
    for expected in [
        "hedge",
        "exploration",
        "probing job",
        "golden inference",
        "batch",
        "streak",
        "failure ratio",
        "interval passed",
        "probes passed",
        "probes failed",
        "outlier",
        "repaired",
        "retry_in_place",
        "retry_elsewhere",
        "other_backend",
        "other_browser",
        "smaller_batch",
        "recreate_device",
        "respawn_worker",
        "restart_browser",
        "incident",
        "incident over",
        "incident handed over",
        "root cause",
        "quarantine",
        "refused input",
        "back-pressure",
        "minimum",
        "utilization",
        "queue_delay",
        "memory",
        "load only",
        "loads held back",
        "loads tried",
        "loads trusted",
        "forced_open",
        "disabled",
        "metrics_only",
        "automatic",
        "operator",
        "room",
        "pressure",
        "out of memory",
        "reload",
    ] {
        assert!(happened.contains(expected), "no {expected} in {happened:?}");
    }
}

/// Every run fails. The breakers alone keep calls from being sent; without them, the budget bounds the retries.
#[test]
fn a_total_outage_is_not_amplified() {
    for with_breakers in [true, false] {
        let mut scenario = Scenario::calm(1, 3000);
        scenario.faults.internal = 1.0;
        if !with_breakers {
            let never = BreakerConfig {
                consecutive_failures: u32::MAX,
                failure_ratio: 2.0,
                ..BreakerConfig::default()
            };
            scenario.config.breaker = Some(never);
        }
        let outcome = check(&scenario);
        assert_eq!(outcome.n_completed, 0);
        let amplification = outcome.n_calls as f64 / outcome.n_submitted as f64;
        assert!(amplification <= 1.2, "{amplification:.2} calls per job, breakers: {with_breakers}");
    }
}

/// Three times the load that the fleet can serve, almost all of it urgent: the others are served all the same.
#[test]
fn no_priority_starves() {
    let mut scenario = Scenario::calm(1, 20_000);
    scenario.arrivals = Arrivals::Open(3.0 * scenario.jobs_per_second());
    scenario.priorities = [0.02, 0.03, 0.95];
    scenario.deadline = (Duration::from_secs(3600), Duration::from_secs(3600));
    scenario.config.queue_capacity = 20_000;
    let outcome = check(&scenario);
    assert_eq!(outcome.n_completed, 20_000);
    let [low, normal, high] = outcome.worst_wait_micros.map(|micros| micros as f64 / 1e6);
    // Each priority has more than its share, so the small ones are served while the large one still waits.
    assert!(
        low < high && normal < high,
        "worst waits: low {low:.1} s, normal {normal:.1} s, high {high:.1} s"
    );
}

/// Overload with any mix of priorities. A priority gets at least its share by weight; so it waits no longer than its own
/// jobs beyond that share take, whatever the others submit. That is the guarantee of weighted fair queueing.
#[test]
fn no_mix_of_priorities_starves_one() {
    let mut rng = Rng::new(3);
    for seed in seeds(40) {
        let _named = SeedOnPanic(seed);
        let mut scenario = Scenario::calm(seed, 3000);
        scenario.models = (0..1 + rng.below(3))
            .map(|model| Model::new(&format!("model-{model}"), "text_embedding", rng.between(10.0, 40.0)))
            .collect();
        let shares = [0, 1, 2].map(|_| rng.unit().powi(1 + rng.below(6) as i32));
        scenario.priorities = shares.map(|share| share / shares.iter().sum::<f64>());
        let load = rng.between(1.5, 4.0);
        let jobs_per_second = scenario.jobs_per_second();
        scenario.arrivals = Arrivals::Open(load * jobs_per_second);
        scenario.deadline = (Duration::from_secs(3600), Duration::from_secs(3600));
        scenario.config.queue_capacity = 3000;
        let outcome = check(&scenario);
        assert_eq!(outcome.n_completed, 3000, "{:?}", scenario.priorities);
        let arriving_seconds = 3000.0 / (load * jobs_per_second);
        let all: u64 = Priority::ALL.iter().map(|priority| priority.weight()).sum();
        for &priority in Priority::ALL {
            let share = priority.weight() as f64 / all as f64;
            let asked = load * scenario.priorities[priority as usize];
            let own_seconds = (asked / share - 1.0).max(0.0) * arriving_seconds;
            let waited = outcome.worst_wait_micros[priority as usize] as f64 / 1e6;
            // Starting takes a second or two: workers open, models are loaded, places are tried.
            let bound = 1.25 * own_seconds + 4.0;
            assert!(
                waited <= bound,
                "{priority} waited {waited:.1} s of {bound:.1}, load {load:.1} of {:?}",
                scenario.priorities
            );
        }
    }
}

/// A device that computes wrong numbers gets golden inputs before it gets jobs again, and stays out while it is wrong.
#[test]
fn a_device_that_answers_wrongly_stays_out() {
    let mut n_opened = 0;
    for seed in seeds(20) {
        let _named = SeedOnPanic(seed);
        let mut scenario = Scenario::calm(seed, 12_000);
        // So many jobs that the others alone would have a queue.
        scenario.arrivals = Arrivals::Open(300.0);
        scenario.members =
            (0..4).map(|_| Member::worker("chromium", &[Backend::Webgpu, Backend::Wasm], 1.0)).collect();
        for (domain, member) in (0..).zip(&mut scenario.members) {
            member.slowness[Backend::Webgpu as usize] = 0.5;
            member.spec.domain = domain;
        }
        scenario.models[0].spec.has_golden = true;
        let kind = OutageKind::Wrong { domain: 0, backend: Backend::Webgpu };
        scenario.outages = vec![Outage { from_millis: 3000, to_millis: 3_600_000, kind }];
        let (outcome, happened) = watch(&scenario);
        assert_eq!((outcome.n_wrongly_trusted, outcome.n_failed), (0, 0));
        n_opened += u64::from(happened.contains("probes failed"));
    }
    assert!(n_opened > 0, "no golden inference was ever wrong");
}

/// The goals of the comparison, over 30 seeds. All figures are simulated; `cargo run --release -p tabpool-pool --example
/// compare` prints them.
#[test]
fn fewer_errors_and_faster_recovery_than_other_policies() {
    let rows = compare(even, 30);
    for other in [Contestant::RoundRobin, Contestant::Original] {
        for (metric, goal) in
            [(Metric::Unhandled, 0.05), (Metric::ComponentRecovery, 0.4), (Metric::JobRecovery, 0.4)]
        {
            let ratio = pick(&rows, Contestant::Pool, metric).mean / pick(&rows, other, metric).mean;
            assert!(ratio <= goal, "{}: {ratio:.3} of that with {}", metric.title(), other.title());
        }
    }
}

/// A fleet with software adapters and outages: the others drown, the pool must not.
#[test]
fn no_job_is_lost_in_a_mixed_fleet() {
    let unhandled = pick(&compare(faulty, 30), Contestant::Pool, Metric::Unhandled);
    assert!(unhandled.mean + unhandled.margin < 0.1, "{unhandled:?} % of the jobs");
}

#[test]
fn more_throughput_than_other_policies_on_a_mixed_fleet() {
    let rows = compare(saturated, 30);
    for other in [Contestant::RoundRobin, Contestant::Original] {
        let throughput = |who| pick(&rows, who, Metric::Throughput).mean;
        let gain = throughput(Contestant::Pool) / throughput(other);
        assert!(gain >= 1.25, "{gain:.2} times the throughput of {}", other.title());
    }
}
