//! Order, with equal numbers and without any.

use super::*;

#[track_caller]
fn check(numbers: &[f64], expected: &[f64]) {
    assert_eq!(sorted(numbers.iter().copied()), expected);
}

#[test]
fn numbers_come_back_in_order() {
    check(&[], &[]);
    check(&[2.0, 1.0, 3.0], &[1.0, 2.0, 3.0]);
    check(&[1.0, 3.0, 1.0, -2.0, f64::INFINITY, 3.0], &[-2.0, 1.0, 1.0, 3.0, 3.0, f64::INFINITY]);
}

#[test]
fn quantiles_need_a_number() {
    assert_eq!(quantile(&[], 0.5), None);
    assert_eq!(quantile(&[1.0], 0.95), Some(1.0));
    assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.25), Some(1.5));
}
