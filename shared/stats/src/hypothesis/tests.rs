//! Cases small enough to count by hand, and refusals. Agreement with SciPy is tested in `tests/scipy.rs`.

use super::*;

fn sample(values: &[f64]) -> Sample {
    Sample::new(values).expect("usable values")
}

#[track_caller]
fn check_rank_test(baseline: &[f64], candidate: &[f64], u: f64, p_value: f64, exact: bool) {
    let test = mann_whitney(&sample(baseline), &sample(candidate)).expect("spread");
    assert_eq!((test.u, test.exact), (u, exact));
    assert!((test.p_value - p_value).abs() < 1e-12, "{}", test.p_value);
}

#[test]
fn small_rank_tests_count_orders() {
    // Two of the C(6, 3) = 20 orders are as extreme as complete separation.
    check_rank_test(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 9.0, 0.1, true);
    check_rank_test(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.0], 0.0, 0.1, true);
    check_rank_test(&[1.0, 4.0], &[2.0, 3.0], 2.0, 1.0, true);
}

#[test]
fn ties_count_half_and_end_exactness() {
    let test = mann_whitney(&sample(&[1.0, 2.0]), &sample(&[2.0, 3.0])).expect("spread");
    assert_eq!((test.u, test.superiority, test.exact), (3.5, 0.875, false));
}

#[test]
fn inflated_variance_raises_the_p_value() {
    let (baseline, candidate) = (sample(&[1.0, 2.0, 3.0, 4.0, 5.0]), sample(&[4.5, 5.5, 6.0, 7.0, 8.0]));
    let plain = mann_whitney(&baseline, &candidate).expect("spread").p_value;
    assert!(mann_whitney_inflated(&baseline, &candidate, 3.0).expect("spread").p_value > 2.0 * plain);
}

#[test]
fn constant_and_tiny_samples_are_refused() {
    let (one, same) = (sample(&[2.0]), sample(&[2.0, 2.0]));
    assert_eq!(mann_whitney(&same, &same), Err(StatsError::NoSpread));
    assert_eq!(welch(&same, &same), Err(StatsError::NoSpread));
    assert_eq!(welch(&one, &same), Err(StatsError::NotEnoughData { have: 1, need: 2 }));
}
