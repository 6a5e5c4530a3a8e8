//! Duels with a known difference, on a machine that gets slower.

use super::*;
use crate::analysis::gate::Decision;
use crate::testing::{series, synthetic_micros};

/// Launches of 20 turns whose second build takes `ratio` times as long; every launch is 2 % slower than the one before,
/// and its builds differ by up to `luck` for no reason.
fn duel(n_launches: u64, ratio: f64, luck: f64) -> Duel {
    let launch = |index: u64| {
        let level = 1e4 * (1.0 + 0.02 * index as f64);
        let lucky = synthetic_micros(index + 100, 1, ratio, luck)[0];
        let times =
            |seed, level: f64| synthetic_micros(seed, 20, level, 0.01).into_iter().map(Some).collect();
        Launch { old_micros: times(2 * index, level), new_micros: times(2 * index + 1, level * lucky) }
    };
    Duel { series: series("tiny"), launches: (0..n_launches).map(launch).collect(), n_failed: 0 }
}

#[track_caller]
fn check(duel: Duel, outcome: Outcome, decision: Decision) -> Compared {
    let verdict = decide(vec![duel], Severity::Moderate).unwrap();
    assert_eq!((verdict.compared[0].outcome, verdict.decision), (outcome, decision), "{verdict:#?}");
    verdict.compared[0].clone()
}

#[test]
fn differences_are_found_while_the_machine_drifts() {
    check(duel(5, 1.0, 0.002), Outcome::Unchanged, Decision::Pass);
    check(duel(5, 1.03, 0.002), Outcome::Slower, Decision::Pass);
    let slower = check(duel(5, 1.2, 0.002), Outcome::Slower, Decision::Fail);
    assert_eq!((slower.graded.unwrap().severity, slower.n_baseline), ("severe", 100));
    check(duel(5, 0.8, 0.002), Outcome::Faster, Decision::Pass);
}

#[test]
fn launches_that_differ_too_much_say_little() {
    let unknown = check(duel(3, 1.0, 0.05), Outcome::NotEnoughData, Decision::NotEnoughData);
    assert!(unknown.n_missing >= 5 && unknown.detectable.unwrap() > 0.05, "{unknown:?}");
    let few = check(duel(2, 1.5, 0.002), Outcome::NotEnoughData, Decision::NotEnoughData);
    assert_eq!((few.n_missing, few.missing, few.ratio), (1, Unit::Launch, None));
}

#[test]
fn a_build_that_fails_is_broken() {
    let mut duel = duel(5, 1.0, 0.002);
    duel.launches.iter_mut().for_each(|launch| launch.new_micros.clear());
    duel.n_failed = 5;
    check(duel, Outcome::Broken, Decision::Fail);
}
