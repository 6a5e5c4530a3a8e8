//! Verdicts about made-up pairs.

use super::*;
use crate::testing::{series, synthetic_micros};

/// Medians of thirty campaigns of unchanged code.
fn history(noise: f64) -> History {
    History::of(&synthetic_micros(99, 30, 1e4, noise)).unwrap()
}

/// Ten campaigns of `n` runs against one that takes `factor` times as long; campaigns of unchanged code lie `noise` apart.
fn pair(n: usize, factor: f64, noise: f64) -> Pair {
    let levels = synthetic_micros(n as u64, 10, 1e4, noise);
    let campaign = |(seed, level): (u64, f64)| synthetic_micros(seed, n, level, 0.01);
    Pair {
        series: series("tiny"),
        baseline: (10..).zip(levels).map(campaign).collect(),
        candidate: vec![campaign((1, 1e4 * factor))],
        history: history(noise),
        ..Pair::default()
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
    check(vec![pair(30, 1.2, 0.005)], Severe, Decision::Fail, &[Slower]);
    check(vec![pair(30, 1.1, 0.005)], Severe, Decision::Pass, &[Slower]);
    check(vec![pair(30, 1.1, 0.005)], Moderate, Decision::Fail, &[Slower]);
    check(vec![pair(30, 1.03, 0.005)], Moderate, Decision::Pass, &[Slower]);
    check(vec![pair(30, 1.03, 0.005)], Minor, Decision::Fail, &[Slower]);
    check(vec![pair(30, 0.8, 0.005)], Minor, Decision::Pass, &[Faster]);
    check(vec![pair(30, 1.0, 0.005), pair(30, 1.3, 0.005)], Moderate, Decision::Fail, &[Unchanged, Slower]);
}

#[test]
fn noise_between_campaigns_is_no_regression_and_no_pass_either() {
    use Outcome::{NotEnoughData, Unchanged};
    check(vec![pair(30, 1.1, 0.05)], Severity::Moderate, Decision::NotEnoughData, &[NotEnoughData]);
    check(vec![pair(30, 1.0, 0.05)], Severity::Moderate, Decision::NotEnoughData, &[NotEnoughData]);
    check(vec![pair(30, 1.02, 0.05)], Severity::Critical, Decision::Pass, &[Unchanged]);
    let verdict = decide(vec![pair(30, 1.0, 0.05)], Severity::Moderate).unwrap();
    let one = &verdict.compared[0];
    assert!(one.missing == Unit::Campaign && (5..50).contains(&one.n_missing), "{verdict:#?}");
    assert!(one.detectable.unwrap() > 0.1, "{verdict:#?}");
}

#[test]
fn repeating_the_candidate_finds_what_one_campaign_cannot() {
    let several = |n: u64| {
        let levels = synthetic_micros(77, n as usize, 1.1e4, 0.03);
        let candidate =
            (0..).zip(levels).map(|(seed, level)| synthetic_micros(seed, 30, level, 0.01)).collect();
        vec![Pair { candidate, ..pair(30, 1.0, 0.03) }]
    };
    check(several(1), Severity::Moderate, Decision::NotEnoughData, &[Outcome::NotEnoughData]);
    check(several(10), Severity::Moderate, Decision::Fail, &[Outcome::Slower]);
}

#[test]
fn one_campaign_that_is_off_is_no_regression_of_several() {
    let several = |levels: &[f64]| {
        let candidate =
            (0..).zip(levels).map(|(seed, level)| synthetic_micros(seed, 30, *level, 0.01)).collect();
        vec![Pair { candidate, ..pair(30, 1.0, 0.01) }]
    };
    check(several(&[1.3e4, 1.3e4]), Severity::Moderate, Decision::Fail, &[Outcome::Slower]);
    check(several(&[1e4, 1.3e4]), Severity::Moderate, Decision::NotEnoughData, &[Outcome::NotEnoughData]);
}

#[test]
fn unchanged_is_what_cannot_be_slower_by_what_matters() {
    let noisy = || decide(vec![pair(30, 1.0, 0.05)], Severity::Severe).unwrap().compared.remove(0);
    let one = noisy();
    assert!(one.detectable.unwrap() > 0.15 && one.ratio_interval.unwrap()[1] < 1.15, "{one:?}");
    assert_eq!((one.outcome, one.n_missing), (Outcome::Unchanged, 0));
}

#[test]
fn one_campaign_without_a_history_finds_only_large_changes() {
    let alone = |factor| {
        let pair = pair(30, factor, 0.001);
        vec![Pair { baseline: pair.baseline[..1].to_vec(), history: History::default(), ..pair }]
    };
    check(alone(1.1), Severity::Moderate, Decision::NotEnoughData, &[Outcome::NotEnoughData]);
    check(alone(1.5), Severity::Moderate, Decision::Fail, &[Outcome::Slower]);
}

#[test]
fn small_steps_add_up_against_the_first_good_campaigns() {
    let crept = |factor| {
        let pair = pair(30, 1.0, 0.005);
        let first = synthetic_micros(5, 30, 1e4 / factor, 0.01);
        Pair { anchor: vec![first; 10], ..pair }
    };
    check(vec![crept(1.0)], Severity::Moderate, Decision::Pass, &[Outcome::Unchanged]);
    check(vec![crept(1.08)], Severity::Moderate, Decision::Fail, &[Outcome::Unchanged, Outcome::Slower]);
    let slower = Pair { candidate: pair(30, 1.2, 0.005).candidate, ..crept(1.08) };
    check(vec![slower], Severity::Moderate, Decision::Fail, &[Outcome::Slower]);
}

#[test]
fn too_few_runs_are_no_campaign() {
    let verdict = decide(vec![pair(4, 1.0, 0.01)], Severity::Moderate).unwrap();
    let one = &verdict.compared[0];
    assert_eq!((verdict.decision, one.outcome), (Decision::NotEnoughData, Outcome::NotEnoughData));
    assert_eq!((one.n_missing, one.missing, one.ratio), (1, Unit::Run, None));
}

#[test]
fn runs_of_several_campaigns_do_not_add_up_to_one() {
    let runs = |n| synthetic_micros(n as u64, n, 1e4, 0.01);
    let missing = |baseline: Vec<Vec<f64>>, candidate: Vec<Vec<f64>>| {
        let pair = Pair { baseline, candidate, ..pair(30, 1.0, 0.01) };
        let one = decide(vec![pair], Severity::Moderate).unwrap().compared.remove(0);
        (one.n_missing, one.missing, one.ratio)
    };
    assert_eq!(missing(vec![runs(3), runs(4)], vec![runs(20)]), (1, Unit::Run, None));
    assert_eq!(missing(vec![runs(20)], vec![runs(2), runs(3), runs(3)]), (2, Unit::Run, None));
}

#[test]
fn a_doubt_that_campaigns_share_is_told_once() {
    let clusters: Vec<f64> =
        (0..40).map(|run| if run % 2 == 0 { 1e4 } else { 2e4 } + f64::from(run)).collect();
    let pair = Pair { candidate: vec![clusters; 3], ..pair(30, 1.0, 0.01) };
    let verdict = decide(vec![pair], Severity::Moderate).unwrap();
    let warnings = &verdict.compared[0].warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("more than one cluster"), "{warnings:?}");
}

#[test]
fn failures_and_new_cases() {
    let broken = Pair { candidate: Vec::new(), n_failed: 1, ..pair(20, 1.0, 0.005) };
    check(vec![broken], Severity::Critical, Decision::Fail, &[Outcome::Broken]);
    let new = || Pair { baseline: Vec::new(), ..pair(20, 1.0, 0.005) };
    check(vec![new()], Severity::Moderate, Decision::NotEnoughData, &[Outcome::New]);
    let expected = [Outcome::New, Outcome::Unchanged];
    check(vec![new(), pair(20, 1.0, 0.005)], Severity::Moderate, Decision::Pass, &expected);
    check(Vec::new(), Severity::Moderate, Decision::NotEnoughData, &[]);
}

#[test]
fn a_family_of_equal_campaigns_gives_no_alarm() {
    let pairs: Vec<Pair> = (0..200)
        .map(|index| {
            let level = synthetic_micros(index + 1000, 1, 1e4, 0.02)[0];
            Pair { candidate: vec![synthetic_micros(index, 20, level, 0.05)], ..pair(20, 1.0, 0.02) }
        })
        .collect();
    let verdict = decide(pairs, Severity::Minor).unwrap();
    assert!(verdict.compared.iter().all(|one| one.graded.is_none()));
}
