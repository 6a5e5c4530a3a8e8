//! Weights on WebGPU go from the file to the device: wasm keeps none, and reads them again where the browser has the file.

use serde_json::json;
use tabpool_tests::driver::Browser;
use tabpool_tests::page_server::PageServer;

const MODEL: &str = "minilm-l3";
/// Most that wasm memory may have after a run; the weights take 69 MB.
const MAX_WASM_BYTES: f64 = 16e6;

#[test]
fn weights_are_not_kept_and_read_again_after_a_loss() {
    let server = PageServer::with_package(include_str!("../www/webgpu_weights.js"), &[]);
    let server = server.expect("www/pkg is built");
    for browser in [Browser::ChromiumWebgpu, Browser::FirefoxWebgpu] {
        let driven = server.open(browser, "").expect("the page gets ready");
        for is_stored in [false, true] {
            let answers = driven.session.call("runTwiceInWorker", &json!([MODEL, is_stored]));
            let answers = answers.expect("the page answers");
            let answers = answers.as_array().expect("a list");
            assert_eq!(answers[0]["kind"], "loaded", "{answers:?}");
            let (first, last) = (&answers[1], &answers[answers.len() - 1]);
            assert_eq!((&first["kind"], &last["kind"]), (&json!("ran"), &json!("ran")), "{answers:?}");
            assert_eq!(first["sum"], last["sum"]);
            for run in [first, last] {
                assert!(run["wasmBytes"].as_f64().is_some_and(|bytes| bytes < MAX_WASM_BYTES), "{run}");
            }
        }
    }
}
