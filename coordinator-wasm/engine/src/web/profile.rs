//! What the kernel bench asks for; only in builds with the feature `profile`.

use wasm_bindgen::prelude::*;

use crate::wasm::bench;

/// The speed of every kernel, as JSON.
#[wasm_bindgen(js_name = benchKernels)]
pub fn bench_kernels() -> String {
    serde_json::to_string(&bench::run()).unwrap_or_default()
}
