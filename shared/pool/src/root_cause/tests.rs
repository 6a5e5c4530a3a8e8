//! What is found in bursts that have a cause, and in bursts that have none.

use super::*;
use crate::rng::Rng;

const BROWSER: usize = 0;
const BACKEND: usize = 1;
const LOST: FaultCategory = FaultCategory::DeviceLost;

/// Feeds calls 50 ms apart until one completes a burst. `fails` tells which do, by browser, backend and chance.
fn explain(seed: u64, fails: impl Fn(u32, u32, &mut Rng) -> bool) -> Option<Finding> {
    let mut analyst = Analyst::default();
    let mut rng = Rng::new(seed);
    for call in 0..400 {
        let mut values = [0; N_FACTORS];
        values[BROWSER] = (rng.next_u64() % 3) as u32;
        values[BACKEND] = (rng.next_u64() % 2) as u32;
        let fault = fails(values[BROWSER], values[BACKEND], &mut rng).then_some(LOST);
        let at = Timestamp::from_millis(1000 + 50 * call);
        if let Some(finding) = analyst.observe(Observation { at, fault, values }) {
            return Some(finding);
        }
    }
    None
}

#[test]
fn the_shared_factor_is_named_first() {
    for seed in 0..50 {
        let finding =
            explain(seed, |_, backend, rng| backend == 1 && rng.unit() < 0.7).expect("there is a burst");
        let (factor, value, [_, failed_without, ..], p_value) = finding.factors[0];
        assert_eq!((factor, value, failed_without), (Factor::Backend, 1, 0), "seed {seed}");
        assert!(p_value < SIGNIFICANCE);
    }
}

/// A fault of one backend in one browser: the rarer half stands out at once, the other as soon as it is certain.
#[test]
fn the_halves_of_a_combination_are_named() {
    let mut n_both = 0;
    for seed in 0..50 {
        let finding =
            explain(seed, |browser, backend, _| browser == 2 && backend == 1).expect("there is a burst");
        let named: Vec<(Factor, u32)> =
            finding.factors.iter().map(|&(factor, value, ..)| (factor, value)).collect();
        let halves = [(Factor::Browser, 2), (Factor::Backend, 1)];
        assert!(
            !named.is_empty() && named.iter().all(|half| halves.contains(half)),
            "seed {seed}: {named:?}"
        );
        n_both += u32::from(named.len() == 2);
    }
    assert!(n_both >= 10, "{n_both} of 50");
}

#[test]
fn chance_is_not_explained() {
    let findings = (0..400).filter_map(|seed| explain(seed, |_, _, rng| rng.unit() < 0.3));
    let n_false = findings.filter(|finding| !finding.factors.is_empty()).count();
    assert!(n_false <= 8, "{n_false} of 400 at a level of 0.01");
}

#[test]
fn single_faults_are_no_burst() {
    assert!(explain(1, |_, _, rng| rng.unit() < 0.01).is_none());
}

#[test]
fn fisher_agrees_with_worked_examples() {
    // Fisher's tea tasting: 3 of 4 cups right by chance.
    assert!((fisher_one_sided([3, 1, 1, 3]) - 17.0 / 70.0).abs() < 1e-12);
    assert!((fisher_one_sided([4, 0, 0, 4]) - 1.0 / 70.0).abs() < 1e-12);
    // No successes to compare with: nothing can be said.
    assert!((fisher_one_sided([9, 0, 0, 0]) - 1.0).abs() < 1e-12);
}

#[test]
fn the_sentence_names_counts_and_certainty() {
    let shared = SharedFactor {
        factor: Factor::Adapter,
        value: "llvmpipe".to_owned(),
        n_failed_with: 14,
        n_failed_without: 0,
        n_ok_with: 3,
        n_ok_without: 117,
        p_value: 1e-9,
    };
    let cause = RootCause { category: LOST, n_faults: 14, factors: vec![shared] };
    let sentence = "14 device_lost faults: adapter llvmpipe (14 of 14, successes 3 of 120, p < 0.001)";
    assert_eq!(cause.to_string(), sentence);
    let unexplained = RootCause { factors: Vec::new(), ..cause };
    assert_eq!(unexplained.to_string(), "14 device_lost faults share nothing that the successes lack");
}
