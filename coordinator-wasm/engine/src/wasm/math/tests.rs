//! The stated errors, over the ranges where the functions change.

use model::op::Unary;
use model::reference::{erf as exact_erf, unary_f32};

use super::*;

/// Largest error of a function from −20 to 20, as `error(actual, exact, x)` counts it.
#[track_caller]
fn check(
    function: impl Fn(F32x4) -> F32x4,
    exact: impl Fn(f64) -> f64,
    error: impl Fn(f64, f64, f64) -> f64,
    limit: f64,
) {
    for step in -20_000..=20_000 {
        let x = step as f32 / 1000.0;
        let actual = function(F32x4::splat(x)).to_array()[0];
        let (actual, exact) = (f64::from(actual), exact(f64::from(x)));
        let error = error(actual, exact, f64::from(x));
        assert!(error <= limit, "at {x}: {actual} is not {exact}, error {error}");
    }
}

/// Units in the last place.
fn ulps(actual: f64, exact: f64, _x: f64) -> f64 {
    (actual - exact).abs() / (exact.abs() * f64::from(f32::EPSILON)).max(f64::from(f32::MIN_POSITIVE))
}

fn scaled(actual: f64, exact: f64, x: f64) -> f64 {
    (actual - exact).abs() / x.abs().max(1.0)
}

#[test]
fn errors_are_as_stated() {
    check(exp, f64::exp, ulps, 2.0);
    check(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), ulps, 3.0);
    check(tanh, f64::tanh, ulps, 4.0);
    check(erf, |x| f64::from(exact_erf(x as f32)), |a, b, _| (a - b).abs(), 3e-7);
    check(gelu, |x| f64::from(unary_f32(Unary::Gelu, x as f32)), scaled, 3e-7);
    check(gelu_tanh, |x| f64::from(unary_f32(Unary::GeluTanh, x as f32)), scaled, 3e-7);
}

#[test]
fn extremes_stay_finite() {
    let one = |function: fn(F32x4) -> F32x4, x: f32| function(F32x4::splat(x)).to_array()[0];
    assert_eq!(one(exp, -200.0), 0.0);
    assert_eq!(one(exp, f32::NEG_INFINITY), 0.0);
    assert!(one(exp, 200.0).is_finite());
    assert_eq!(one(tanh, 100.0), 1.0);
    assert_eq!(one(tanh, -100.0), -1.0);
    assert_eq!(one(erf, -100.0), -1.0);
    assert_eq!(one(sigmoid, -200.0), 1.0 / (1.0 + one(exp, 200.0)));
}
