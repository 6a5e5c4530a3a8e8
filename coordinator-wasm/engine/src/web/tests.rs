//! Buffers that do not fit their header, in a dedicated worker: where the engine lives.

use js_sys::{Array, BigInt64Array, Uint8Array};
use serde_json::{Value, json};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use wire::DType;

use super::*;
use crate::testing::{one_node, value};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// The answer to a request, as JSON, and the buffers that go with it.
async fn ask(
    engine: &EngineHandle,
    id: u32,
    request: Value,
    buffers: &[ArrayBuffer],
) -> (Value, Vec<ArrayBuffer>) {
    let header = json!({ "id": id, "request": request }).to_string();
    let message = engine.handle(header, buffers.iter().collect()).await;
    let reply: Value = serde_json::from_str(&message.header).unwrap();
    assert_eq!(reply["id"], id);
    (reply["reply"].clone(), message.buffers)
}

fn load(n_parts: usize) -> Value {
    let parts = vec![json!({ "role": "model", "sha256": null }); n_parts];
    json!({ "kind": "load", "key": "m", "backend": "wasm", "pipeline": null, "parts": parts })
}

fn run(dims: &[u32]) -> Value {
    json!({ "kind": "run", "key": "m", "inputs": [{ "name": "x", "dtype": "int64", "dims": dims }] })
}

/// A model that gives its int64 input back.
fn identity() -> ArrayBuffer {
    let values = ["x", "y"].map(|name| value(name, DType::Int64, &[-1]));
    Uint8Array::from(one_node("Identity", &values[..1], &values[1..]).as_slice()).buffer()
}

fn engine() -> EngineHandle {
    EngineHandle::default()
}

#[wasm_bindgen_test]
async fn buffers_that_do_not_fit_are_answered_with_faults() {
    let engine = engine();
    let code = |reply: Value| reply["fault"]["code"].as_str().unwrap_or("none").to_owned();
    assert_eq!(code(ask(&engine, 5, run(&[3]), &[]).await.0), "part-count");
    assert_eq!(code(ask(&engine, 6, load(2), &[identity()]).await.0), "part-count");
    ask(&engine, 7, load(1), &[identity()]).await;
    assert_eq!(code(ask(&engine, 8, run(&[3]), &[ArrayBuffer::new(23)]).await.0), "input-size");
    assert_eq!(code(ask(&engine, 9, run(&[u32::MAX; 3]), &[ArrayBuffer::new(8)]).await.0), "input-size");
    assert_eq!(code(ask(&engine, 10, json!({ "kind": "dance" }), &[]).await.0), "message");
    let header = json!({ "id": 11, "request": load(1) }).to_string();
    let message = engine.handle(header, Array::of1(&"no buffer".into())).await;
    assert!(
        message.header.contains("\"id\":11") && message.header.contains("\"message\""),
        "{}",
        message.header
    );
    // Nothing of this disturbs what is loaded.
    let input = BigInt64Array::from([7].as_slice()).buffer();
    let (reply, outputs) = ask(&engine, 12, run(&[1]), &[input]).await;
    assert_eq!((&reply["kind"], outputs.len()), (&json!("ran"), 1), "{reply}");
    assert_eq!(ask(&engine, 13, json!({ "kind": "unload", "key": "m" }), &[]).await.0["kind"], "unloaded");
    assert_eq!(ask(&engine, 14, json!({ "kind": "ping" }), &[]).await.0["kind"], "pong");
}
