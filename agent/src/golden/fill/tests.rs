//! The generator agrees with an independent computation of the same definition.

use super::*;
use crate::golden::element;

#[track_caller]
fn check(fill: &Fill, dtype: DType, expected: &[f64]) {
    fill.check(dtype, expected.len()).unwrap();
    let bytes = fill.bytes(dtype, expected.len());
    let actual: Vec<f64> = (0..expected.len()).map(|i| element(dtype, &bytes, i).unwrap()).collect();
    assert_eq!(actual, expected);
    assert_eq!(element(dtype, &bytes, expected.len()), None);
}

#[track_caller]
fn check_refused(fill: &Fill, dtype: DType, n: usize) {
    fill.check(dtype, n).unwrap_err();
}

#[test]
fn values_and_constants() {
    check(&Fill::Values(vec![1.0, -2.5]), DType::Float32, &[1.0, -2.5]);
    check(&Fill::Values(vec![-1.0, 30522.0]), DType::Int64, &[-1.0, 30522.0]);
    check(&Fill::Constant(255.0), DType::Uint8, &[255.0, 255.0, 255.0]);
    check(&Fill::Constant(-128.0), DType::Int8, &[-128.0]);
    check(&Fill::Constant(1.0), DType::Bool, &[1.0, 1.0]);
}

#[test]
fn uniform_numbers() {
    // From the definition, computed in Python: states 270369, 67634689, 2647435461 after seed 1.
    let seed = 1;
    check(&Fill::Uniform { seed, low: 0.0, high: 1000.0 }, DType::Int32, &[369.0, 689.0, 461.0]);
    let expected = [270_369_u32, 67_634_689, 2_647_435_461]
        .map(|state| f64::from((-1.0 + 2.0 * f64::from(state >> 8) / 16_777_216.0) as f32));
    check(&Fill::Uniform { seed, low: -1.0, high: 1.0 }, DType::Float32, &expected);
}

#[test]
fn what_does_not_fit_is_refused() {
    check_refused(&Fill::Values(vec![1.0]), DType::Float32, 2);
    check_refused(&Fill::Values(vec![0.5]), DType::Int32, 1);
    check_refused(&Fill::Constant(256.0), DType::Uint8, 1);
    check_refused(&Fill::Constant(0.0), DType::Float16, 1);
    check_refused(&Fill::Uniform { seed: 0, low: 0.0, high: 1.0 }, DType::Float32, 1);
    check_refused(&Fill::Uniform { seed: 1, low: 1.0, high: 1.0 }, DType::Float32, 1);
    check_refused(&Fill::Uniform { seed: 1, low: 0.0, high: 300.0 }, DType::Int8, 1);
}
