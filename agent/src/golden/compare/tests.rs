//! Outputs right, wrong, misshapen and missing.

use super::*;
use wire::DType;

fn case(values: &[f64], dims: &[u32], stride: usize) -> Case {
    Case {
        id: "c".to_owned(),
        inputs: Vec::new(),
        outputs: vec![Output { header: header(DType::Float32, dims), stride, values: values.to_vec() }],
        limits: Limits { max_abs_ratio: 1e-3, cosine: 0.999 },
    }
}

fn header(dtype: DType, dims: &[u32]) -> TensorHeader {
    TensorHeader { name: "y".to_owned(), dtype, dims: dims.to_vec() }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[track_caller]
fn check(case: &Case, actual: &[f32], problem: Option<&str>) -> Check {
    let check =
        compare(case, &[(header(DType::Float32, &case.outputs[0].header.dims), &floats(actual))]).unwrap();
    assert_eq!(check.ok, problem.is_none(), "{check:?}");
    let said = check.problem.clone().unwrap_or_default();
    assert!(said.contains(problem.unwrap_or_default()), "{said:?}");
    check
}

#[test]
fn limits_decide() {
    let golden = case(&[0.0, 1.0, 2.0], &[3], 1);
    let exact = check(&golden, &[0.0, 1.0, 2.0], None);
    assert_eq!((exact.max_abs_ratio, exact.cosine), (Some(0.0), Some(1.0)));
    let near = check(&golden, &[0.0, 1.001, 2.0], None);
    assert!((near.max_abs_ratio.unwrap() - 5e-4).abs() < 1e-7);
    check(&golden, &[0.0, 1.01, 2.0], Some("largest difference is 5.00e-3"));
    check(&golden, &[f32::NAN, 1.0, 2.0], Some("element 0 is NaN"));
    check(&golden, &[0.0, 1.0], Some("data is truncated"));
    check(&golden, &[0.0, 0.0, 0.0], Some("largest difference"));
    let loose = Case { limits: Limits { max_abs_ratio: 10.0, cosine: 0.999 }, ..golden };
    check(&loose, &[0.0, 2.0, 1.0], Some("cosine is 0.8"));
}

#[test]
fn only_kept_elements_count() {
    let golden = case(&[5.0, 7.0], &[2, 2], 2);
    check(&golden, &[5.0, -99.0, 7.0, -99.0], None);
    check(&golden, &[5.0, 7.0, 8.0, 7.0], Some("largest difference"));
}

#[test]
fn constant_and_zero_outputs_compare() {
    check(&case(&[3.0, 3.0], &[2], 1), &[3.0, 3.003], Some("1.00e-3"));
    check(&case(&[0.0, 0.0], &[2], 1), &[0.0, 0.0], None);
    check(&case(&[0.0, 0.0], &[2], 1), &[0.0, 1e-4], Some("cosine is 0"));
}

#[test]
fn names_types_and_shapes_must_match() {
    let golden = case(&[1.0, 2.0], &[2], 1);
    assert_eq!(compare(&golden, &[]).unwrap().problem.unwrap(), "output y: is missing");
    let body = floats(&[1.0, 2.0]);
    let misshapen = compare(&golden, &[(header(DType::Float32, &[1, 2]), body.as_slice())]).unwrap();
    assert_eq!(misshapen.problem.unwrap(), "output y: shape is [1, 2], expected [2]");
    let narrow: Vec<u8> = [1_i32, 2].iter().flat_map(|value| value.to_le_bytes()).collect();
    let mistyped = compare(&golden, &[(header(DType::Int32, &[2]), narrow.as_slice())]).unwrap();
    assert!(!mistyped.ok);
    assert_eq!(mistyped.problem.unwrap(), "output y: element type is int32, expected float32");
}

#[test]
fn without_expected_outputs_nothing_is_right() {
    let own = Case { outputs: Vec::new(), ..case(&[1.0], &[1], 1) };
    assert_eq!(compare(&own, &[(header(DType::Float32, &[1]), &floats(&[1.0]))]), None);
}
