//! Simulated fleets: what must hold under any faults, and how the pool compares with other policies.

mod sim;

use pool::Pool;
use sim::check::Checker;
use sim::compare::{Contestant, Metric, compare, even, faulty, pick, saturated};
use sim::scenario::Scenario;
use sim::world::{Outcome, World};

/// Runs a scenario under the checker's eyes.
fn check(scenario: &Scenario) -> Outcome {
    let pool = Pool::new(scenario.config.clone(), scenario.seed);
    let mut world = World::new(scenario, pool);
    let mut checker = Checker::new(scenario);
    world.run(|pool, now, action| checker.watch(pool, now, action));
    checker.finish(&world.brain, world.now);
    world.outcome
}

/// Factor on the number of simulated jobs: 1 in the ordinary run, 100 in the nightly one, which is
/// `TABPOOL_SIM_EFFORT=100 cargo test --release -p tabpool-pool --test simulation`.
fn effort() -> u64 {
    option_env!("TABPOOL_SIM_EFFORT").and_then(|effort| effort.parse().ok()).unwrap_or(1)
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

/// At least a million jobs over fleets of every kind. A failing seed is in the message; `Scenario::chaos(seed, n)` replays it.
#[test]
fn nothing_breaks_in_chaos() {
    let n_seeds = 400 * effort();
    let n_jobs: u64 = (0..n_seeds).map(|seed| check(&Scenario::chaos(seed, 2500)).n_submitted).sum();
    assert!(n_jobs >= 1_000_000 * effort(), "{n_jobs} jobs");
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
