//! Quantiles worked out by hand, and every refusal.

use super::*;

#[track_caller]
fn check_quantile(values: &[f64], p: f64, expected: f64) {
    let sample = Sample::new(values).expect("usable values");
    assert_eq!(sample.quantile(p), expected);
}

#[test]
fn quantiles_are_type_7() {
    check_quantile(&[4.0, 1.0, 3.0, 2.0], 0.25, 1.75);
    check_quantile(&[4.0, 1.0, 3.0, 2.0], 0.5, 2.5);
    check_quantile(&[1.0, 2.0, 3.0, 4.0, 10.0], 0.75, 4.0);
    check_quantile(&[1.0, 2.0, 3.0, 4.0, 10.0], 1.0, 10.0);
    check_quantile(&[7.0], 0.9, 7.0);
}

#[test]
fn order_of_arrival_is_kept() {
    let sample = Sample::new(&[3.0, 1.0, 2.0]).expect("usable values");
    assert_eq!(sample.values(), [3.0, 1.0, 2.0]);
    assert_eq!(sample.sorted(), [1.0, 2.0, 3.0]);
    assert_eq!(sample.mad(), 1.0);
    assert_eq!(sample.variance(), Ok(1.0));
}

#[test]
fn unusable_values_are_refused() {
    let refusal = |values: &[f64]| Sample::new(values).expect_err("must be refused");
    assert_eq!(refusal(&[]), StatsError::NotEnoughData { have: 0, need: 1 });
    assert_eq!(refusal(&[1.0, f64::NAN]), StatsError::NotFinite { index: 1 });
    assert_eq!(refusal(&[f64::INFINITY]), StatsError::NotFinite { index: 0 });
    assert_eq!(refusal(&[1e101]), StatsError::NotFinite { index: 0 });
}

#[test]
fn one_value_has_no_variance_and_zero_no_logarithm() {
    let one = Sample::new(&[1.0]).expect("usable value");
    assert_eq!(one.variance(), Err(StatsError::NotEnoughData { have: 1, need: 2 }));
    let zero = Sample::new(&[1.0, 0.0]).expect("usable values");
    assert_eq!(zero.ln(), Err(StatsError::NotPositive { index: 1 }));
}
