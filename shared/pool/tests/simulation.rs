//! Simulated fleets: what must hold under any faults, and how the pool compares with other policies.

mod sim;

use pool::{Config, Pool};
use sim::check::Checker;
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

/// Factor on the number of simulated jobs: 1 in the ordinary run, 100 in the nightly one.
fn effort() -> u64 {
    std::env::var("TABPOOL_SIM_EFFORT").ok().and_then(|effort| effort.parse().ok()).unwrap_or(1)
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

#[test]
fn defaults_are_documented_values() {
    assert_eq!(Config::default().retry.max_retries, 3);
}
