//! Adjusted p-values by hand. Agreement with SciPy is tested in `tests/scipy.rs`.

use super::*;

#[track_caller]
fn check(p_values: &[f64], expected: &[f64]) {
    assert_eq!(benjamini_hochberg(p_values), expected);
}

#[test]
fn each_value_is_scaled_by_its_rank_and_stays_ordered() {
    check(&[], &[]);
    check(&[0.25], &[0.25]);
    check(&[0.5, 0.125], &[0.5, 0.25]);
    check(&[0.5, 0.5, 0.5], &[0.5, 0.5, 0.5]);
    check(&[0.75, 1.0], &[1.0, 1.0]);
}

#[test]
fn nonsense_is_never_significant() {
    check(&[f64::NAN, 0.125], &[1.0, 0.25]);
    check(&[-1.0, 7.0], &[0.0, 1.0]);
}
