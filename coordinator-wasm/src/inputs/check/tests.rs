//! Every way in which a tensor can fail to fit.

use super::*;

fn spec() -> TensorHeader {
    TensorHeader { name: "x".to_owned(), dtype: DType::Int64, dims: vec![1, 0] }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[track_caller]
fn check(dtype: &str, array: &str, dims: &[f64], n_elements: usize, expected: Result<&[u32], &str>) {
    let given = Given { dtype: Some(dtype), dims: Some(dims), array: Some(array), n_elements };
    let actual = check_tensor(&spec(), &given);
    let actual =
        actual.map(|header| header.dims).map_err(|fault| format!("{}: {}", fault.code, fault.message));
    assert_eq!(actual, expected.map(<[u32]>::to_vec).map_err(str::to_owned));
}

#[test]
fn tensors_that_fit() {
    check("int64", "BigInt64Array", &[1.0, 3.0], 3, Ok(&[1, 3]));
    check("int64", "BigInt64Array", &[1.0, 0.0], 0, Ok(&[1, 0]));
}

#[test]
fn wrong_types() {
    check(
        "int32",
        "Int32Array",
        &[1.0, 3.0],
        3,
        Err("input-dtype: input 'x': dtype is int32, the model takes int64"),
    );
    check(
        "int64",
        "Int32Array",
        &[1.0, 3.0],
        3,
        Err("input-dtype: input 'x': data is Int32Array, int64 takes BigInt64Array"),
    );
}

#[test]
fn wrong_shapes() {
    check(
        "int64",
        "BigInt64Array",
        &[3.0],
        3,
        Err("input-shape: input 'x': shape is [3], the model takes [1, ?]"),
    );
    check(
        "int64",
        "BigInt64Array",
        &[2.0, 3.0],
        6,
        Err("input-shape: input 'x': shape is [2, 3], the model takes [1, ?]"),
    );
    check(
        "int64",
        "BigInt64Array",
        &[1.0, 3.0],
        4,
        Err("input-shape: input 'x': data has 4 elements, shape is [1, 3]"),
    );
    for dims in [[1.0, -1.0], [1.0, 0.5], [1.0, f64::NAN], [1.0, 1e12]] {
        check(
            "int64",
            "BigInt64Array",
            &dims,
            3,
            Err("input-shape: input 'x': dims are not an array of whole numbers"),
        );
    }
}

#[test]
fn missing_parts() {
    let nothing = Given { dtype: None, dims: None, array: None, n_elements: 0 };
    assert_eq!(check_tensor(&spec(), &nothing).unwrap_err().code, "input-dtype");
    let no_array = Given { dtype: Some("int64"), ..nothing };
    assert_eq!(check_tensor(&spec(), &no_array).unwrap_err().code, "input-dtype");
    let no_dims = Given { array: Some("BigInt64Array"), ..no_array };
    assert_eq!(check_tensor(&spec(), &no_dims).unwrap_err().code, "input-shape");
}

#[test]
fn names_must_be_the_models() {
    assert_eq!(check_names(&names(&["x"]), &[spec()]), Ok(()));
    let unknown = check_names(&names(&["x", "y"]), &[spec()]).unwrap_err();
    assert_eq!(
        (unknown.code.as_str(), unknown.message.as_str()),
        ("input-name", "the model has no input 'y'")
    );
    let missing = check_names(&[], &[spec()]).unwrap_err();
    assert_eq!((missing.code.as_str(), missing.message.as_str()), ("input-name", "input 'x' is missing"));
    assert_eq!(missing.hint.as_deref(), Some("the model's inputs are: x"));
}

#[test]
fn shapes_for_the_record() {
    let mask = TensorHeader { name: "mask".to_owned(), dtype: DType::Bool, dims: vec![1, 16] };
    let scalar = TensorHeader { name: "rate".to_owned(), dtype: DType::Int64, dims: vec![] };
    assert_eq!(describe_shapes(&[mask, scalar]), "mask:1x16,rate:");
}
