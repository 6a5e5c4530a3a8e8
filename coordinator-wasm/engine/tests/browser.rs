//! The engine in a page of a real browser: what goes in and out, what it says about the browser, how it ends.

#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::rc::Rc;

use engine::web::{EngineHandle, last_panic};
use js_sys::WebAssembly::RuntimeError;
use js_sys::{Array, ArrayBuffer, Function, Reflect, Uint8Array};
use rten_onnx::onnx as proto;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// One request and its answer: the reply's JSON, and the bytes of the buffers beside it.
async fn ask(engine: &EngineHandle, request: Value, buffers: &[&[u8]]) -> (Value, Vec<Vec<u8>>) {
    let buffers: Array = buffers.iter().map(|bytes| Uint8Array::from(*bytes).buffer()).collect();
    let message = engine.handle(json!({ "id": 7, "request": request }).to_string(), buffers).await;
    let header: Value = serde_json::from_str(&message.header).unwrap();
    assert_eq!(header["id"], 7, "{header}");
    let bytes = |buffer: &ArrayBuffer| Uint8Array::new(buffer).to_vec();
    (header["reply"].clone(), message.buffers.iter().map(bytes).collect())
}

thread_local! {
    static ENGINE: Rc<EngineHandle> = Rc::new(EngineHandle::default());
}

/// One for all tests, as a worker has one: after a panic the panic hook cannot be set again.
fn engine() -> Rc<EngineHandle> {
    ENGINE.with(Rc::clone)
}

fn load() -> Value {
    let parts = [json!({ "role": "model", "sha256": null })];
    json!({ "kind": "load", "key": "model", "backend": "wasm", "pipeline": null, "parts": parts })
}

/// An ONNX file whose only node reads `inputs` and writes `y`, all of shape [n].
fn file(operator: &str, element_type: proto::DataType, inputs: &[&str]) -> Vec<u8> {
    let declaration = |name: &&str| proto::ValueInfoProto {
        name: Some((*name).to_owned()),
        r#type: Some(proto::TypeProto {
            tensor_type: Some(proto::TypeProtoTensor {
                elem_type: Some(element_type),
                shape: Some(proto::TensorShapeProto {
                    dim: vec![proto::Dimension { dim_value: None, dim_param: Some("n".to_owned()) }],
                }),
            }),
            ..Default::default()
        }),
    };
    let node = proto::NodeProto {
        op_type: Some(operator.to_owned()),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec!["y".to_owned()],
        ..Default::default()
    };
    let graph = proto::GraphProto {
        node: vec![node],
        input: inputs.iter().map(declaration).collect(),
        output: vec![declaration(&"y")],
        ..Default::default()
    };
    let model = proto::ModelProto {
        ir_version: Some(8),
        opset_import: vec![proto::OperatorSetIdProto { domain: None, version: Some(17) }],
        graph: Some(graph),
        ..Default::default()
    };
    model.write_buf().unwrap()
}

/// Bytes go through an identity of `dtype` and come back as they were.
async fn check_round_trip(dtype: &str, element_type: proto::DataType, bytes: &[u8], n_elements: u32) {
    let engine = engine();
    let (reply, _) = ask(&engine, load(), &[&file("Identity", element_type, &["x"])]).await;
    let declared = |name: &str| json!([{ "name": name, "dtype": dtype, "dims": [0] }]);
    assert_eq!((&reply["inputs"], &reply["outputs"]), (&declared("x"), &declared("y")), "{dtype}: {reply}");
    let tensor = |name: &str| json!([{ "name": name, "dtype": dtype, "dims": [n_elements] }]);
    let run = json!({ "kind": "run", "key": "model", "inputs": tensor("x") });
    let (reply, buffers) = ask(&engine, run, &[bytes]).await;
    assert_eq!(reply["outputs"], tensor("y"), "{dtype}: {reply}");
    assert_eq!(buffers, [bytes], "{dtype}");
}

#[wasm_bindgen_test]
async fn tensors_of_every_type_come_back_as_they_went() {
    // The smallest negative number, a NaN with a payload, and 1.
    let floats = [[0, 0, 0, 0x80], [1, 0, 0xc0, 0x7f], [0, 0, 0x80, 0x3f]].concat();
    let bytes: Vec<u8> = (0..24).map(|index| index * 11).collect();
    check_round_trip("float32", proto::DataType::FLOAT, &floats, 3).await;
    check_round_trip("int64", proto::DataType::INT64, &[[0x80; 4], [0xff; 4]].concat(), 1).await;
    check_round_trip("int32", proto::DataType::INT32, &bytes, 6).await;
    check_round_trip("int8", proto::DataType::INT8, &bytes, 24).await;
    check_round_trip("uint8", proto::DataType::UINT8, &bytes, 24).await;
    check_round_trip("bool", proto::DataType::BOOL, &[0, 1, 1], 3).await;
    check_round_trip("float32", proto::DataType::FLOAT, &[], 0).await;
}

#[wasm_bindgen_test]
async fn a_model_computes() {
    let engine = engine();
    let (reply, _) = ask(&engine, load(), &[&file("Add", proto::DataType::FLOAT, &["a", "b"])]).await;
    assert_eq!(reply["kind"], "loaded", "{reply}");
    let header = |name: &str| json!({ "name": name, "dtype": "float32", "dims": [5] });
    let run = json!({ "kind": "run", "key": "model", "inputs": [header("a"), header("b")] });
    let floats = |values: [f32; 5]| values.map(f32::to_le_bytes).concat();
    let inputs = [floats([1.0, 2.0, 3.0, 4.0, 5.0]), floats([0.5, 0.25, -3.0, 1e10, -0.0])];
    let (reply, buffers) = ask(&engine, run, &[&inputs[0], &inputs[1]]).await;
    assert_eq!(reply["kind"], "ran", "{reply}");
    assert_eq!(buffers, [floats([1.5, 2.25, 0.0, 1e10, 5.0])]);
}

#[wasm_bindgen_test]
async fn requests_that_cannot_be_read_are_answered() {
    let engine = engine();
    for (header, id) in [("no json", 0), (r#"{"id":3}"#, 3), (r#"{"id":4,"request":{"kind":"dance"}}"#, 4)] {
        let message = engine.handle(header.to_owned(), Array::new()).await;
        let answer: Value = serde_json::from_str(&message.header).unwrap();
        let (kind, fault) = (&answer["reply"]["kind"], &answer["reply"]["fault"]);
        assert_eq!((kind, &fault["code"], &answer["id"]), (&"failed".into(), &"message".into(), &id.into()));
        assert!(fault["hint"].is_string(), "{fault}");
    }
}

#[wasm_bindgen_test]
async fn capabilities_are_those_of_the_page() {
    let message = engine().ready().await;
    let header: Value = serde_json::from_str(&message.header).unwrap();
    let found = &header["reply"]["capabilities"];
    assert_eq!((&found["wasm_build"], &found["backends"]), (&json!("simd128"), &json!(["wasm"])), "{found}");

    let global = js_sys::global();
    let isolated = Reflect::get(&global, &"crossOriginIsolated".into()).unwrap();
    assert_eq!(found["cross_origin_isolated"].as_bool(), isolated.as_bool(), "{found}");
    let navigator = Reflect::get(&global, &"navigator".into()).unwrap();
    let has = |name: &str| !Reflect::get(&navigator, &name.into()).unwrap().is_undefined();
    // An adapter or a device needs the interface; without it the reason names what is not there.
    let no_gpu = found["webgpu_reason"] == "navigator.gpu is undefined";
    assert_eq!(no_gpu, !has("gpu"), "{found}");
    assert_eq!(found["adapter"].is_object(), found["webgpu_reason"].is_null(), "{found}");
    let no_ml = found["webnn_reason"] == "navigator.ml is undefined";
    assert_eq!(no_ml, !has("ml"), "{found}");
    let has_devices = found["webnn_devices"].as_array().is_some_and(|devices| !devices.is_empty());
    assert_eq!(has_devices, found["webnn_reason"].is_null(), "{found}");
}

#[wasm_bindgen_test]
fn a_panic_traps_and_leaves_its_message() {
    let _engine = engine();
    assert_eq!(last_panic(), None);
    let broken = Closure::<dyn FnMut()>::new(|| panic!("the model has {} legs", 5));
    let trap = broken.as_ref().unchecked_ref::<Function>().call0(&JsValue::NULL).unwrap_err();
    assert!(trap.is_instance_of::<RuntimeError>(), "{trap:?}");
    let message = last_panic().unwrap();
    assert!(message.contains("the model has 5 legs") && message.contains("browser.rs"), "{message}");
    assert_eq!(last_panic(), None);
}
