//! Softmax and layer normalisation against their definitions in double precision.

use super::*;

fn wave(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 % 101) as f32 / 10.0) - 5.0).collect()
}

#[track_caller]
fn check_close(actual: &[f32], expected: impl IntoIterator<Item = f64>, limit: f64) {
    for (index, (&actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(actual) - expected).abs() <= limit,
            "element {index}: {actual}, expected {expected}"
        );
    }
}

#[test]
fn softmax_of_every_remainder() {
    for n in 1..=13 {
        let x = wave(n);
        let mut y = x.clone();
        softmax(&mut y);
        let sum: f64 = x.iter().map(|&x| f64::from(x).exp()).sum();
        check_close(&y, x.iter().map(|&x| f64::from(x).exp() / sum), 1e-6);
    }
}

#[test]
fn softmax_of_large_and_masked_scores() {
    let mut y = [1000.0, 999.0, f32::NEG_INFINITY, -3.4e38, 1000.0];
    softmax(&mut y);
    let sum = 2.0 + (-1.0_f64).exp();
    check_close(&y, [1.0 / sum, (-1.0_f64).exp() / sum, 0.0, 0.0, 1.0 / sum], 1e-6);
}

#[test]
fn softmax_keeps_nan() {
    let mut y = [0.0, f32::NAN, 1.0, 2.0, 3.0];
    softmax(&mut y);
    assert!(y.iter().all(|y| y.is_nan()), "{y:?}");
}

#[track_caller]
fn check_layer_norm(x: &[f32], is_rms: bool, limit: f64) {
    let (scale, bias) = (wave(x.len() + 7)[7..].to_vec(), wave(x.len() + 3)[3..].to_vec());
    let mut y = vec![f32::NAN; x.len()];
    layer_norm(x, &scale, Some(&bias), 1e-5, is_rms, &mut y);
    let n = x.len() as f64;
    let mean = if is_rms { 0.0 } else { x.iter().map(|&x| f64::from(x)).sum::<f64>() / n };
    let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    let normal = |i: usize| (f64::from(x[i]) - mean) / (variance + 1e-5).sqrt();
    let expected = (0..x.len()).map(|i| normal(i) * f64::from(scale[i]) + f64::from(bias[i]));
    check_close(&y, expected, limit);
}

#[test]
fn layer_norm_of_every_remainder() {
    for n in 1..=13 {
        check_layer_norm(&wave(n), false, 2e-5);
        check_layer_norm(&wave(n), true, 2e-5);
    }
}

#[test]
fn layer_norm_far_from_zero() {
    let x: Vec<f32> = wave(10).into_iter().map(|x| x + 1000.0).collect();
    // Rounding the mean costs 6e-5 here; a variance from the sum of squares would be wrong in the first digit.
    check_layer_norm(&x, false, 1e-3);
}
