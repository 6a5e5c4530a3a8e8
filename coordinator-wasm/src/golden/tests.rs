//! What counts as the same output.

use super::*;

#[track_caller]
fn check(expected: &[f64], actual: &[f64], problem: Option<&str>) {
    assert_eq!(difference(expected, actual, Limits::default()), problem);
}

#[test]
fn outputs_may_be_a_little_off() {
    check(&[0.0, 10.0], &[0.05, 9.95], None);
    check(&[0.0, 10.0], &[0.2, 10.0], Some("differs by more than its limit"));
    // The range counts, not the size: 100 to 101 has a range of 1.
    check(&[100.0, 101.0], &[100.005, 101.0], None);
    check(&[100.0, 101.0], &[100.5, 101.0], Some("differs by more than its limit"));
}

#[test]
fn constants_are_compared_by_their_size() {
    check(&[5.0, 5.0], &[5.01, 5.0], None);
    check(&[5.0], &[6.0], Some("differs by more than its limit"));
    check(&[0.0, 0.0], &[0.0, 0.0], None);
    check(&[0.0], &[1e-9], Some("differs by more than its limit"));
}

#[test]
fn directions_count_where_the_largest_difference_is_small() {
    // One large value hides that the small ones are all wrong, except from the cosine.
    let expected: Vec<f64> = (0..1000).map(|_| 0.009).chain([1.0]).collect();
    let actual: Vec<f64> = (0..1000).map(|_| 0.0).chain([1.0]).collect();
    check(&expected, &actual, Some("points elsewhere"));
}

#[test]
fn what_is_no_number_is_wrong() {
    check(&[1.0, 2.0], &[1.0, f64::NAN], Some("is not finite"));
    check(&[1.0, 2.0], &[1.0], Some("has another size"));
    check(&[1.0], &[], Some("has another size"));
}
