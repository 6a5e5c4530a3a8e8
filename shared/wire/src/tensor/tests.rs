//! A bundle survives the round trip; a damaged one is refused.

use super::*;

fn header(name: &str, dtype: DType, dims: &[u32]) -> TensorHeader {
    TensorHeader { name: name.to_owned(), dtype, dims: dims.to_vec() }
}

#[test]
fn bundle_round_trips() {
    let a = [1_u8, 0, 0, 0, 2, 0, 0, 0];
    let b = [7_u8];
    let tensors = [(header("a", DType::Int32, &[2]), &a[..]), (header("scalar", DType::Bool, &[]), &b[..])];
    let body = encode_bundle(&tensors);
    assert_eq!(decode_bundle(&body).as_deref(), Ok(&tensors[..]));
}

#[track_caller]
fn check_refused(body: &[u8], expected: &str) {
    match decode_bundle(body) {
        Ok(tensors) => panic!("accepted {tensors:?}"),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

#[test]
fn damaged_bundles_are_refused() {
    let good = encode_bundle(&[(header("a", DType::Int64, &[1]), &[0; 8])]);
    check_refused(&[], "tensor bundle is truncated: 4 bytes needed, 0 present");
    check_refused(&[255; 8], "tensor bundle is truncated: 4294967299 bytes needed, 8 present");
    let short = &good[..good.len() - 1];
    let (needed, actual) = (good.len(), short.len());
    check_refused(short, &format!("tensor bundle is truncated: {needed} bytes needed, {actual} present"));
    check_refused(&[good, vec![0]].concat(), "tensor bundle has 1 bytes after its last tensor");
}

#[test]
fn huge_dims_do_not_overflow() {
    let huge = header("a", DType::Float32, &[u32::MAX; 3]);
    assert_eq!(huge.size_bytes(), None);
    let body = encode_bundle(&[(huge, &[])]);
    assert!(matches!(decode_bundle(&body), Err(BundleError::Truncated { .. })));
}
