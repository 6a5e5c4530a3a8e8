//! Known values for what other tests take as the truth.

use super::*;
use crate::op::Unary;

#[track_caller]
fn check(actual: f32, expected: f64) {
    let difference = (f64::from(actual) - expected).abs();
    assert!(difference <= 1e-7 * expected.abs().max(1e-3), "{actual} is not {expected}");
}

#[test]
fn the_error_function_has_its_published_values() {
    check(erf(0.0), 0.0);
    check(erf(0.5), 0.520_499_877_813_046_5);
    check(erf(-1.0), -0.842_700_792_949_714_9);
    check(erf(2.9), 0.999_958_902_121_900_5);
    check(erf(3.1), 0.999_988_351_342_632_8);
    check(erf(10.0), 1.0);
    assert!(erf(f32::NAN).is_nan());
}

#[test]
fn functions_keep_their_edge_cases() {
    check(unary_f32(Unary::Softplus, 100.0), 100.0);
    check(unary_f32(Unary::Sign, -0.0), 0.0);
    check(unary_f32(Unary::Round, 2.5), 2.0);
    check(unary_f32(Unary::HardSwish, -4.0), 0.0);
    check(unary_f32(Unary::Clip { low: -1.0, high: 1.0 }, f32::INFINITY), 1.0);
    assert!(unary_f32(Unary::Relu, f32::NAN).is_nan(), "not a number stays so");
}

#[test]
fn indices_out_of_range_are_errors() {
    let x = Tensor::new(vec![2], Data::F32(vec![1.0, 2.0])).expect("a tensor");
    let take = |index: i64| {
        let indices = Tensor::from_i64s(vec![index]);
        let facts = [Fact::new(DType::F32, vec![1])];
        evaluate(&Op::Gather { axis: 0 }, &[Some(x.view()), Some(indices.view())], &facts)
    };
    assert_eq!(take(-1).expect("the last element")[0].data().as_f32(), Some(&[2.0][..]));
    assert_eq!(take(2), Err(EvaluationError::Index { index: 2, length: 2 }));
    assert_eq!(take(-3), Err(EvaluationError::Index { index: -3, length: 2 }));
}

#[test]
fn integers_divide_like_c_and_refuse_zero() {
    use crate::op::Binary;
    let divide = |function, a: i64, b: i64| {
        let (a, b) = (Tensor::from_i64s(vec![a]), Tensor::from_i64s(vec![b]));
        let facts = [Fact::new(DType::I64, vec![1])];
        evaluate(&Op::Binary(function), &[Some(a.view()), Some(b.view())], &facts)
            .map(|results| results[0].data().to_i64().unwrap_or_default()[0])
    };
    assert_eq!(divide(Binary::Div, -7, 2), Ok(-3));
    assert_eq!(divide(Binary::Mod, -7, 2), Ok(1));
    assert_eq!(divide(Binary::Fmod, -7, 2), Ok(-1));
    assert_eq!(divide(Binary::Div, 1, 0), Err(EvaluationError::DivisionByZero));
}
