//! The pool in a real browser, on real workers that speak the wire protocol without an engine.

#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "browser/batches.rs"]
mod batches;
#[path = "browser/catalogue.rs"]
mod catalogue;
#[path = "browser/endings.rs"]
mod endings;
#[path = "browser/faults.rs"]
mod faults;
#[path = "browser/frames.rs"]
mod frames;
#[path = "browser/harness.rs"]
mod harness;
#[path = "browser/knowledge.rs"]
mod knowledge;
#[path = "browser/memory.rs"]
mod memory;
#[path = "browser/operator.rs"]
mod operator;
#[path = "browser/probes.rs"]
mod probes;
#[path = "browser/records.rs"]
mod records;
#[path = "browser/runs.rs"]
mod runs;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
