//! The vector functions against double precision, over a dense grid and at the edges.

use super::*;

fn math() -> Math {
    Math::default()
}

/// Every 10,007th float, positive and negative: 400,000 values from subnormals to infinity.
fn grid() -> impl Iterator<Item = f32> {
    (0..=f32::INFINITY.to_bits()).step_by(10_007).map(f32::from_bits).flat_map(|x| [x, -x])
}

/// Largest absolute and relative error of `f` on the grid; relative errors only where the result is a normal number.
fn largest_errors(f: impl Fn(F32x4) -> F32x4, exact: impl Fn(f64) -> f64) -> (f64, f64) {
    grid().fold((0.0_f64, 0.0_f64), |(absolute, relative), x| {
        let expected = exact(f64::from(x));
        let actual = f64::from(f(F32x4::splat(x)).to_array()[0]);
        if expected.is_nan() || expected.abs() >= f64::from(f32::MAX) {
            return (absolute, relative);
        }
        let error = (actual - expected).abs();
        let is_normal = expected.abs() >= f64::from(f32::MIN_POSITIVE);
        (absolute.max(error), if is_normal { relative.max(error / expected.abs()) } else { relative })
    })
}

#[track_caller]
fn check_relative(f: impl Fn(F32x4) -> F32x4, exact: impl Fn(f64) -> f64, limit: f64) {
    let (_, relative) = largest_errors(f, exact);
    assert!(relative <= limit, "relative error {relative:e} is above {limit:e}");
}

#[test]
fn exp_is_accurate() {
    check_relative(|x| math().exp(x), f64::exp, 3e-7);
}

#[test]
fn exp_of_what_is_not_positive_is_the_same() {
    for x in grid().filter(|&x| x <= 0.0).map(F32x4::splat) {
        assert_eq!(math().exp_of_negative(x).to_array(), math().exp(x).to_array());
    }
}

#[test]
fn tanh_is_accurate() {
    check_relative(|x| math().tanh(x), f64::tanh, 5e-7);
}

#[test]
fn sigmoid_is_accurate() {
    // Below −87 the result is subnormal or the exponential infinite.
    let exact = |x: f64| if x < -87.0 { 0.0 } else { 1.0 / (1.0 + (-x).exp()) };
    check_relative(|x| math().sigmoid(x), exact, 5e-7);
}

/// erf by its Maclaurin series, which converges for every |x| ≤ 6 in double precision, and 1 beyond.
fn exact_erf(x: f64) -> f64 {
    if x.abs() > 4.5 {
        return x.signum();
    }
    let mut term = x;
    let mut sum = x;
    for n in 1..200 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * core::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn erf_is_accurate() {
    let (absolute, _) = largest_errors(|x| math().erf(x), exact_erf);
    assert!(absolute <= 5e-7, "absolute error {absolute:e}");
}

#[test]
fn gelu_forms_follow_their_definitions() {
    for x in (-600..=600).map(|i| i as f32 / 100.0) {
        let exact = f64::from(x) / 2.0 * (1.0 + exact_erf(f64::from(x) / core::f64::consts::SQRT_2));
        let actual = f64::from(math().gelu(F32x4::splat(x)).to_array()[0]);
        assert!((actual - exact).abs() <= 1e-6, "gelu({x}) = {actual}, exact {exact}");
        let inner = 0.797_884_560_802_865_4 * (f64::from(x) + 0.044_715 * f64::from(x).powi(3));
        let exact = f64::from(x) / 2.0 * (1.0 + inner.tanh());
        let actual = f64::from(math().gelu_tanh(F32x4::splat(x)).to_array()[0]);
        assert!((actual - exact).abs() <= 1e-6, "gelu_tanh({x}) = {actual}, exact {exact}");
    }
}

#[track_caller]
fn check(f: impl Fn(F32x4) -> F32x4, x: f32, expected: f32) {
    let actual = f(F32x4::splat(x)).to_array();
    for lane in actual {
        assert!(lane == expected || (lane.is_nan() && expected.is_nan()), "f({x}) = {lane}, not {expected}");
    }
}

#[test]
fn edges() {
    check(|x| math().exp(x), 0.0, 1.0);
    check(|x| math().exp(x), f32::NEG_INFINITY, 0.0);
    check(|x| math().exp(x), f32::INFINITY, f32::INFINITY);
    check(|x| math().exp(x), -3.4e38, 0.0);
    check(|x| math().exp(x), 89.0, f32::INFINITY);
    check(|x| math().exp(x), -88.0, 0.0);
    check(|x| math().erf(x), f32::INFINITY, 1.0);
    check(|x| math().erf(x), f32::NEG_INFINITY, -1.0);
    check(|x| math().tanh(x), f32::INFINITY, 1.0);
    check(|x| math().tanh(x), -100.0, -1.0);
    check(|x| math().sigmoid(x), f32::NEG_INFINITY, 0.0);
    check(|x| math().sigmoid(x), f32::INFINITY, 1.0);
    check(|x| math().gelu(x), -1000.0, 0.0);
    check(|x| math().exp_of_negative(x), 0.0, 1.0);
    check(|x| math().exp_of_negative(x), f32::NEG_INFINITY, 0.0);
    // The second has bits where an exponent would be taken from.
    for nan in [f32::NAN, f32::from_bits(0xffc0_01ff)] {
        for f in [Math::exp, Math::exp_of_negative, Math::erf, Math::tanh, Math::sigmoid, Math::gelu] {
            check(|x| f(math(), x), nan, nan);
        }
    }
}
