//! Verdicts about made-up pairs.

use super::*;
use crate::testing::{series, synthetic_micros};

fn pair(n: usize, factor: f64, spread: f64) -> Pair {
    Pair {
        series: series("tiny"),
        baseline_micros: synthetic_micros(1, n, 1e4, spread),
        candidate_micros: synthetic_micros(2, n, 1e4 * factor, spread),
        n_failed: 0,
        noise_floor: 0.02,
    }
}

#[track_caller]
fn check(pairs: Vec<Pair>, fail_on: Severity, decision: Decision, outcomes: &[Outcome]) {
    let verdict = decide(pairs, fail_on).unwrap();
    let found: Vec<Outcome> = verdict.compared.iter().map(|one| one.outcome).collect();
    assert_eq!((verdict.decision, found.as_slice()), (decision, outcomes), "{verdict:#?}");
}

#[test]
fn severity_decides() {
    use Outcome::{Faster, Slower, Unchanged};
    use Severity::{Minor, Moderate, Severe};
    check(vec![pair(30, 1.2, 0.01)], Severe, Decision::Fail, &[Slower]);
    check(vec![pair(30, 1.1, 0.01)], Severe, Decision::Pass, &[Slower]);
    check(vec![pair(30, 1.1, 0.01)], Moderate, Decision::Fail, &[Slower]);
    check(vec![pair(30, 1.03, 0.01)], Moderate, Decision::Pass, &[Slower]);
    check(vec![pair(30, 1.03, 0.01)], Minor, Decision::Fail, &[Slower]);
    check(vec![pair(30, 0.8, 0.01)], Minor, Decision::Pass, &[Faster]);
    check(vec![pair(30, 1.0, 0.01), pair(30, 1.3, 0.01)], Moderate, Decision::Fail, &[Unchanged, Slower]);
}

#[test]
fn noise_between_campaigns_is_no_regression_and_no_pass_either() {
    use Outcome::{NotEnoughData, Unchanged};
    let noisy = |ratio| Pair { noise_floor: 0.12, ..pair(30, ratio, 0.01) };
    check(vec![noisy(1.1)], Severity::Moderate, Decision::NotEnoughData, &[NotEnoughData]);
    check(vec![noisy(1.1)], Severity::Severe, Decision::Pass, &[Unchanged]);
    check(vec![noisy(1.02)], Severity::Moderate, Decision::Pass, &[Unchanged]);
}

#[test]
fn what_could_have_been_missed_is_no_pass() {
    use Outcome::{NotEnoughData, Unchanged};
    check(vec![pair(4, 1.0, 0.01)], Severity::Moderate, Decision::NotEnoughData, &[NotEnoughData]);
    check(vec![pair(10, 1.0, 0.2)], Severity::Moderate, Decision::NotEnoughData, &[NotEnoughData]);
    check(vec![pair(60, 1.0, 0.2)], Severity::Critical, Decision::Pass, &[Unchanged]);
    let verdict = decide(vec![pair(10, 1.0, 0.2)], Severity::Moderate).unwrap();
    assert!((100..1000).contains(&verdict.compared[0].n_missing), "{verdict:#?}");
}

#[test]
fn failures_and_new_cases() {
    let broken = Pair { candidate_micros: Vec::new(), n_failed: 1, ..pair(20, 1.0, 0.01) };
    check(vec![broken], Severity::Critical, Decision::Fail, &[Outcome::Broken]);
    let new = || Pair { baseline_micros: Vec::new(), ..pair(20, 1.0, 0.01) };
    check(vec![new()], Severity::Moderate, Decision::NotEnoughData, &[Outcome::New]);
    let expected = [Outcome::New, Outcome::Unchanged];
    check(vec![new(), pair(20, 1.0, 0.01)], Severity::Moderate, Decision::Pass, &expected);
    check(Vec::new(), Severity::Moderate, Decision::NotEnoughData, &[]);
}

#[test]
fn a_family_of_equal_campaigns_gives_no_alarm() {
    let pairs: Vec<Pair> = (0..200)
        .map(|index| Pair {
            candidate_micros: synthetic_micros(2 * index + 1, 20, 1e4, 0.05),
            baseline_micros: synthetic_micros(2 * index, 20, 1e4, 0.05),
            ..pair(20, 1.0, 0.05)
        })
        .collect();
    let verdict = decide(pairs, Severity::Minor).unwrap();
    assert!(verdict.compared.iter().all(|one| one.graded.is_none()));
}
