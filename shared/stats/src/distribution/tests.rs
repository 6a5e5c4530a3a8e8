//! Agreement with `statrs`, which need not give the same bits everywhere.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::*;

#[track_caller]
fn check(actual: f64, expected: f64) {
    let error = (actual - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
    assert!(error <= 1e-10, "{actual:e} is not {expected:e} ({error:e})");
}

#[test]
fn tails_and_quantiles_are_those_of_statrs() {
    let normal = Normal::standard();
    for p in [0.001, 0.3, 0.6, 0.9, 0.975, 0.995, 0.999_75, 0.999_999] {
        check(normal_quantile(p), normal.inverse_cdf(p));
    }
    assert_eq!((normal_quantile(0.5), student_quantile(0.5, 3.0)), (0.0, 0.0));
    for freedom in [1.0, 1.5, 2.0, 3.0, 7.3, 12.0, 33.0, 98.0, 400.0, 5_000.0] {
        let student = StudentsT::new(0.0, 1.0, freedom).expect("a distribution");
        for t in [-2.5, 0.01, 0.5, 1.0, 2.0, 3.5, 8.0, 30.0] {
            check(student_upper_tail(t, freedom), student.sf(t));
        }
        for p in [0.9, 0.975, 0.995, 0.999_75] {
            check(student_upper_tail(student_quantile(p, freedom), freedom), 1.0 - p);
        }
    }
    assert!(student_upper_tail(1.0, 0.0).is_nan() && student_upper_tail(f64::NAN, 1.0).is_nan());
}
