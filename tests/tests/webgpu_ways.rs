//! WebGPU gives the same results in whatever way they come about: tensors in parts, dispatches in two dimensions, 16-bit floats,
//! outputs that stay on the device.

use std::path::Path;

use rten_onnx::onnx as proto;
use serde_json::{Value, json};
use tabpool_tests::driver::{Browser, Driven};
use tabpool_tests::onnx;
use tabpool_tests::page_server::PageServer;

const MODEL: &str = "minilm-l3";
const BOTH: [Browser; 2] = [Browser::ChromiumWebgpu, Browser::FirefoxWebgpu];
/// Bytes of the encoder's result for the text of the test: at least 16 tokens of 512 floats.
const STATES_BYTES: u64 = 16 * 512 * 4;

/// A browser with the page, whose address has this query. The server lives as long as the page.
fn open(browser: Browser, query: &str) -> (PageServer, Driven) {
    let script = include_str!("../www/webgpu_faults.js");
    let server = PageServer::with_package(script, &[]).expect("www/pkg is built");
    let driven = server.open(browser, query).expect("the page gets ready");
    (server, driven)
}

fn call(driven: &Driven, function: &str, arguments: &Value) -> Value {
    driven.session.call(function, arguments).expect("the page answers")
}

/// The last output of a model, in a worker with these settings.
#[track_caller]
fn values(browser: Browser, query: &str, model: &Value, inputs: &Value) -> Vec<f64> {
    let (_server, driven) = open(browser, query);
    let loaded = call(&driven, "load", &json!([model]));
    assert_eq!(loaded["kind"], "loaded", "{loaded}");
    let ran = call(&driven, "run", &json!([inputs]));
    assert_eq!(ran["kind"], "ran", "{ran}");
    ran["values"].as_array().expect("values").iter().filter_map(Value::as_f64).collect()
}

/// Greatest difference over the range of the values.
fn difference(values: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(values.len(), expected.len());
    let (low, high) = expected.iter().fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    let greatest = values.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    greatest / (high - low)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn tokens() -> Value {
    let input = |name: &str| json!({ "name": name, "dtype": "int64", "dims": [1, 16] });
    json!([input("input_ids"), input("attention_mask")])
}

#[track_caller]
fn check_model(query: &str) {
    for browser in BOTH {
        let expected = values(browser, "", &json!(MODEL), &tokens());
        let difference = difference(&values(browser, query, &json!(MODEL), &tokens()), &expected);
        assert!(difference < 1e-6, "{browser:?}: {difference}");
    }
}

#[test]
fn a_table_in_six_parts_gives_the_same_rows() {
    check_model("?webgpu-limits=maxStorageBufferBindingSize:8000000");
}

#[test]
fn a_small_buffer_is_as_good_as_a_small_binding() {
    check_model("?webgpu-limits=maxBufferSize:8000000");
}

#[test]
fn many_workgroups_go_into_two_dimensions() {
    check_model("?webgpu-limits=maxComputeWorkgroupsPerDimension:60");
}

/// Table, indices, weights, result: each in parts, some of which are not whole.
#[test]
fn every_tensor_of_a_product_can_be_in_parts() {
    let (rows, width, columns) = (300, 36, 70);
    let floats = |name: &str, dims: [usize; 2]| proto::TensorProto {
        name: Some(name.to_owned()),
        dims: dims.map(|dim| dim as i64).to_vec(),
        data_type: Some(proto::DataType::FLOAT),
        float_data: (0..dims[0] * dims[1]).map(|index| (index * 7919 % 1009) as f32 / 504.5 - 1.0).collect(),
        ..Default::default()
    };
    let declared = |name, element, dims: &[usize]| {
        onnx::declaration(name, element, dims.iter().map(|&dim| onnx::length(dim)).collect())
    };
    let graph = proto::GraphProto {
        node: vec![
            onnx::node("Gather", &["table", "indices"], &["x"]),
            onnx::node("MatMul", &["x", "weight"], &["product"]),
            onnx::node("Relu", &["product"], &["y"]),
        ],
        initializer: vec![floats("table", [rows, width]), floats("weight", [width, columns])],
        input: vec![declared("indices", proto::DataType::INT64, &[40])],
        output: vec![declared("y", proto::DataType::FLOAT, &[40, columns])],
        ..Default::default()
    };
    let model = json!(onnx::file(graph).expect("the model can be written"));
    let inputs = json!([{ "name": "indices", "dtype": "int64", "dims": [40], "below": rows }]);
    for browser in BOTH {
        let expected = values(browser, "", &model, &inputs);
        // The table has 43,200 bytes, the weight 10,368 with its columns filled up, the result 11,200.
        let limit = "?webgpu-limits=maxStorageBufferBindingSize:7000";
        let difference = difference(&values(browser, limit, &model, &inputs), &expected);
        assert!(difference < 1e-6, "{browser:?}: {difference}");
    }
}

/// Firefox's adapter here has 16-bit floats; the one of Chromium has none.
#[test]
fn tiles_of_16_bit_floats_stay_within_the_limits() {
    let firefox = Browser::FirefoxWebgpu;
    let expected = values(firefox, "", &json!(MODEL), &tokens());
    for tile in ["32x64", "64x64", "128x64", "128x128"] {
        let half = values(firefox, &format!("?webgpu-variant=tiled-{tile}-f16"), &json!(MODEL), &tokens());
        let (difference, cosine) = (difference(&half, &expected), cosine(&half, &expected));
        // Something is rounded, or the variant did not run.
        assert!((1e-6..1e-3).contains(&difference), "{tile}: {difference}");
        assert!(cosine > 0.9999, "{tile}: {cosine}");
    }
}

#[test]
fn a_title_is_written_from_states_that_stay_on_the_device() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/write-title.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).expect("the golden")).expect("JSON");
    let title = &golden["titles"][0];
    let files =
        json!({ "encoder": "t5-title-encoder", "decoder": "t5-title-decoder", "tokenizer": "t5-tokenizer" });
    for browser in BOTH {
        let (_server, driven) = open(browser, "");
        let loaded = call(&driven, "loadPipeline", &json!(["write-title", files]));
        assert_eq!(loaded["kind"], "loaded", "{loaded}");
        let write = || call(&driven, "runPipeline", &json!([{ "text": title["text"] }]));
        let first = write();
        assert!([&title["title"], &title["exact"]].contains(&&first["result"]["title"]), "{first}");
        let second = write();
        assert_eq!(second["result"], first["result"]);
        assert_eq!(second["bufferBytes"], first["bufferBytes"], "buffers are left behind");
        let written = second["writtenBytes"].as_u64().expect("bytes");
        assert!(written < STATES_BYTES, "{written} bytes went to the device");

        call(&driven, "destroyDeviceAfter", &json!([2]));
        let lost = write();
        assert_eq!(
            (&lost["category"], &lost["code"]),
            (&json!("device_lost"), &json!("device-lost")),
            "{lost}"
        );
        assert_eq!(write()["result"], first["result"]);
    }
}
