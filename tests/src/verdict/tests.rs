//! Tests of the judge: it must be able to say no.

use wire::{FaultCategory, TensorHeader};

use super::*;
use crate::node_case::DataSet;

fn tensor(dims: &[u32], values: &[f32]) -> WireTensor {
    let header = TensorHeader { name: "y".to_owned(), dtype: DType::Float32, dims: dims.to_vec() };
    WireTensor { header, bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect() }
}

#[track_caller]
fn check(computed: Outcome, expected: Verdict) {
    let outputs = vec![tensor(&[2], &[1.0, f32::NAN])];
    let data_sets = Ok(vec![DataSet { inputs: Vec::new(), outputs }]);
    let case =
        NodeCase { name: "test_it".to_owned(), operator: "It".to_owned(), model: Vec::new(), data_sets };
    assert_eq!(judge(&case, computed), expected);
}

fn fail(reason: &str) -> Verdict {
    Verdict::Fail(reason.to_owned())
}

#[test]
fn values_are_compared_within_the_tolerance() {
    check(Ok(vec![vec![tensor(&[2], &[1.0, f32::NAN])]]), Verdict::Pass);
    check(Ok(vec![vec![tensor(&[2], &[1.000_9, f32::NAN])]]), Verdict::Pass);
    check(Ok(vec![vec![tensor(&[2], &[1.002, f32::NAN])]]), fail("output y is 1.002 at 0, expected 1"));
    check(Ok(vec![vec![tensor(&[2], &[1.0, 0.0])]]), fail("output y is 0 at 1, expected NaN"));
    check(Ok(vec![vec![tensor(&[2], &[f32::NAN, f32::NAN])]]), fail("output y is NaN at 0, expected 1"));
}

#[test]
fn missing_results_fail() {
    check(Ok(Vec::new()), fail("0 data sets ran, of 1"));
    check(Ok(vec![Vec::new()]), fail("0 outputs, expected 1"));
}

#[test]
fn only_a_refusal_before_the_run_is_unsupported() {
    let fault = |code: &str| Fault::new(FaultCategory::UnsupportedOperator, code, "node \"n\": no such mode");
    let no_type = "an input or output has a type that the backend cannot hold";
    check(Err(fault("unsupported-operator")), Verdict::Unsupported("no such mode".to_owned()));
    check(Err(fault("unsupported-type")), Verdict::Unsupported(no_type.to_owned()));
    check(Err(fault("operator-failed")), fail("operator-failed: node \"n\": no such mode"));
}
