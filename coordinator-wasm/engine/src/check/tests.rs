//! Every way in which inputs can fail to fit, and ways in which they fit.

use wire::DType;

use super::*;
use crate::tensor::TensorData;
use crate::testing::{floats, value};

/// What the model under test takes: `ids` int64 [n, 4], `mask` float32 [n], `any` bool of any shape.
fn declared() -> Vec<ValueInfo> {
    vec![
        value("ids", DType::Int64, &[-1, 4]),
        value("mask", DType::Float32, &[-1]),
        ValueInfo { name: "any".to_owned(), dtype: DType::Bool, dims: None },
    ]
}

fn ids(dims: &[usize], data: &[i64]) -> Tensor {
    Tensor::new("ids", dims, TensorData::Int64(data.to_vec()))
}

fn any() -> Tensor {
    Tensor::new("any", &[1, 1, 1], TensorData::Bool(vec![1]))
}

#[track_caller]
fn check(inputs: &[Tensor], expected: Result<(), (&str, &str)>) {
    let actual = check_inputs(&declared(), inputs);
    let actual = actual.as_ref().map_err(|fault| (fault.code.as_str(), fault.message.as_str()));
    assert_eq!(actual.copied(), expected);
}

#[test]
fn inputs_that_fit() {
    let (one, two) = (ids(&[1, 4], &[0; 4]), ids(&[2, 4], &[i64::from(i32::MIN), 1, 2, 3, 4, 5, 6, 7]));
    check(&[one, floats("mask", &[1], &[0.5]), any()], Ok(()));
    check(&[any(), floats("mask", &[2], &[0.5, 1.0]), two], Ok(()));
}

#[test]
fn names() {
    let (ids, mask) = (ids(&[1, 4], &[0; 4]), floats("mask", &[1], &[0.5]));
    check(&[ids.clone(), mask.clone()], Err(("input-missing", "input \"any\" is missing")));
    let stranger = floats("masks", &[1], &[0.5]);
    check(&[ids, stranger, any()], Err(("input-unknown", "the model has no input \"masks\"")));
    check(&[mask.clone(), mask], Err(("input-duplicate", "input \"mask\" is given twice")));
}

#[test]
fn types_shapes_and_values() {
    let mask = floats("mask", &[1], &[0.5]);
    let check_ids = |ids: Tensor, code: &str, message: &str| {
        check(&[ids, mask.clone(), any()], Err((code, message)));
    };
    check_ids(
        floats("ids", &[1, 4], &[0.0; 4]),
        "input-dtype",
        "input \"ids\" is float32, the model takes int64",
    );
    check_ids(
        ids(&[1, 3], &[0; 3]),
        "input-shape",
        "input \"ids\" has shape [1, 3], the model takes [n=1, 4]",
    );
    check_ids(ids(&[4], &[0; 4]), "input-shape", "input \"ids\" has shape [4], the model takes [n, 4]");
    check_ids(ids(&[1, 4], &[0; 5]), "input-size", "input \"ids\" has 40 bytes, its type and shape need 32");
    let huge = ids(&[1 << 31, 1 << 31, 1 << 31], &[0; 4]);
    check_ids(
        huge,
        "input-size",
        "input \"ids\" has 32 bytes, its type and shape need more than fits into memory",
    );
}

#[test]
fn a_named_dimension_has_one_size() {
    let inputs = [ids(&[2, 4], &[0; 8]), floats("mask", &[3], &[0.0; 3]), any()];
    check(&inputs, Err(("input-shape", "input \"mask\" has shape [3], the model takes [n=2]")));
    let unnamed = ValueInfo {
        dims: Some(vec![Dim::Symbolic("?".to_owned()), Dim::Symbolic("?".to_owned()), Dim::Fixed(0)]),
        ..value("x", DType::Float32, &[])
    };
    assert!(check_inputs(&[unnamed], &[floats("x", &[1, 2, 3], &[0.0; 6])]).is_ok());
}
