//! Which files of a peer's packages are kept.

use super::*;

fn check(peer: PeerEngine, path: &str, expected: Option<&str>) {
    assert_eq!(file_name(peer, path), expected);
}

#[test]
fn only_what_a_page_loads_is_kept() {
    check(PeerEngine::OrtWeb, "dist/ort.wasm.min.mjs", Some("ort.wasm.min.mjs"));
    check(PeerEngine::OrtWeb, "dist/ort-wasm-simd-threaded.wasm", Some("ort-wasm-simd-threaded.wasm"));
    for path in
        ["package.json", "dist/ort.js", "dist/ort.min.mjs.map", "dist/../../ort-wasm-x", "lib/index.ts"]
    {
        check(PeerEngine::OrtWeb, path, None);
    }
    check(PeerEngine::Tfjs, "dist/tf-core.min.js", Some("tf-core.min.js"));
    check(PeerEngine::Tfjs, "dist/tf-core.fesm.min.js", None);
    check(PeerEngine::Tfjs, "dist/ops/min.js", None);
}
