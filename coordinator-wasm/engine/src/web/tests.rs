//! Messages through the edge, in a dedicated worker of a real browser.

use js_sys::{Array, BigInt64Array, Uint8Array};
use serde_json::{Value, json};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use wire::DType;

use super::*;
use crate::testing::{one_node, value};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// What the engine answers to a request, as JSON, and the buffers that go with it.
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
    EngineHandle::new("simd128".to_owned())
}

#[wasm_bindgen_test]
async fn tensors_go_through_and_come_back() {
    let engine = engine();
    let (reply, _) = ask(&engine, 1, load(1), &[identity()]).await;
    assert_eq!((&reply["kind"], &reply["inputs"][0]["dims"]), (&json!("loaded"), &json!([0])), "{reply}");
    assert!(reply["phases"]["load_micros"].is_u64());
    let values = [i64::from(i32::MIN), 0, 7];
    let input = BigInt64Array::from(values.as_slice()).buffer();
    let (reply, buffers) = ask(&engine, 2, run(&[3]), &[input]).await;
    assert_eq!(reply["outputs"], json!([{ "name": "y", "dtype": "int64", "dims": [3] }]), "{reply}");
    assert!(reply["memory_bytes"].as_u64().unwrap() >= 65_536);
    let [output] = &buffers[..] else { panic!("one buffer per output") };
    assert_eq!(BigInt64Array::new(output).to_vec(), values);
    assert_eq!(ask(&engine, 3, json!({ "kind": "unload", "key": "m" }), &[]).await.0["kind"], "unloaded");
    assert_eq!(ask(&engine, 4, json!({ "kind": "ping" }), &[]).await.0["kind"], "pong");
}

#[wasm_bindgen_test]
async fn messages_that_do_not_fit_are_answered_with_faults() {
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
    assert!(engine.handle("{".to_owned(), Array::new()).await.header.contains("\"id\":0"));
}

#[wasm_bindgen_test]
async fn the_first_message_tells_what_there_is() {
    let message = engine().ready().await;
    let reply: Value = serde_json::from_str(&message.header).unwrap();
    let capabilities = &reply["reply"]["capabilities"];
    assert_eq!((&reply["id"], &reply["reply"]["kind"]), (&json!(0), &json!("ready")));
    assert_eq!(
        (&capabilities["wasm_build"], &capabilities["backends"]),
        (&json!("simd128"), &json!(["wasm"]))
    );
    // Whether it is there depends on the browser; the reason must be there when it is not.
    assert_ne!(
        capabilities["adapter"].is_object(),
        capabilities["webgpu_reason"].is_string(),
        "{capabilities}"
    );
    let has_webnn = capabilities["webnn_devices"].as_array().is_some_and(|devices| !devices.is_empty());
    assert_ne!(has_webnn, capabilities["webnn_reason"].is_string(), "{capabilities}");
}
