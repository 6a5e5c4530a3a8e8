//! Limits as Chromium 153 writes them.

use model::{DType, Fact};
use serde_json::json;

use super::*;

#[test]
fn limits_of_methods_and_of_a_graphs_values_are_read() {
    let limits = read_limits(&json!({
        "preferredInputLayout": "nhwc",
        "maxTensorByteLength": 2_147_483_647_u64,
        "input": { "dataTypes": ["float32", "int64"], "rankRange": { "max": 8, "min": 0 } },
        "matmul": {
            "a": { "dataTypes": ["float32", "float16"], "rankRange": { "max": 5, "min": 2 } },
            "b": { "dataTypes": ["float32", "float16"] },
        },
    }));
    let fact = |dtype| Fact::new(dtype, vec![2]);
    assert_eq!((limits.layout, limits.max_tensor_bytes), (Layout::Nhwc, 2_147_483_647));
    assert!(limits.has("matmul") && !limits.has("gemm"));
    assert!(limits.takes("input", "", &fact(DType::I64)) && !limits.takes("input", "", &fact(DType::Bool)));
    assert!(
        limits.takes("matmul", "a", &fact(DType::F32)) && !limits.takes("matmul", "a", &fact(DType::I32))
    );
    assert!(limits.takes("matmul", "c", &fact(DType::I32)), "what is not mentioned is not limited");
    assert_eq!([limits.ranks("matmul", "a"), limits.ranks("matmul", "b")], [[2, 5], [0, usize::MAX]]);
}

#[test]
fn a_browser_that_says_nothing_has_no_methods() {
    let limits = read_limits(&json!({}));
    assert_eq!((limits.layout, limits.max_tensor_bytes), (Layout::Nchw, u64::MAX));
    assert!(!limits.has("matmul"));
}
