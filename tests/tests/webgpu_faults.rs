//! What goes wrong with WebGPU, provoked in real browsers: each failure is a fault of its own kind, and what can go on does.

use std::path::Path;
use std::time::Duration;

use rten_onnx::onnx as proto;
use serde_json::{Value, json};
use tabpool_tests::driver::{Browser, Driven};
use tabpool_tests::page_server::PageServer;
use tabpool_tests::poll::eventually;

const READY_LIMIT: Duration = Duration::from_secs(120);
/// A queue that is given up on goes on computing; the next run waits for it.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);
const MODEL: &str = "minilm-l3";
const BOTH: [Browser; 2] = [Browser::ChromiumWebgpu, Browser::FirefoxWebgpu];

/// A browser with the page, whose address has this query. The server lives as long as the page.
fn open(browser: Browser, query: &str) -> (PageServer, Driven) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/pkg");
    let script = include_str!("../www/webgpu_faults.js");
    let server = PageServer::start(script, &[("/pkg", &package)]).expect("a port is free");
    let driven = browser.drive().expect("the browser starts");
    driven.session.goto(&format!("{}{query}", server.url)).expect("the page loads");
    let is_ready = "document.title === 'ready'";
    driven.session.wait_until(is_ready, "document.title", READY_LIMIT).expect("www/pkg is built");
    (server, driven)
}

fn call(driven: &Driven, function: &str, arguments: &Value) -> Value {
    driven.session.call(function, arguments).expect("the page answers")
}

/// Inputs of `n` times 16 tokens.
fn tokens(n: usize) -> Value {
    let input = |name: &str| json!({ "name": name, "dtype": "int64", "dims": [n, 16] });
    json!([[input("input_ids"), input("attention_mask")]])
}

#[track_caller]
fn check(answer: &Value, category: &str, code: &str) {
    assert_eq!((&answer["category"], &answer["code"]), (&json!(category), &json!(code)), "{answer}");
}

#[track_caller]
fn check_kind(answer: &Value, kind: &str) {
    assert_eq!(answer["kind"], kind, "{answer}");
}

#[test]
fn without_an_adapter_a_load_says_so() {
    for browser in [Browser::Chromium, Browser::Firefox] {
        let (_server, driven) = open(browser, "");
        check(&call(&driven, "load", &json!([MODEL])), "device_lost", "no-adapter");
    }
}

#[test]
fn a_destroyed_device_is_replaced_by_the_next_run() {
    for browser in BOTH {
        let (_server, driven) = open(browser, "");
        check_kind(&call(&driven, "load", &json!([MODEL])), "loaded");
        let before = call(&driven, "run", &tokens(1));
        check_kind(&before, "ran");
        call(&driven, "destroyDevice", &json!([]));
        // Either the loss is known already, or this run finds it out.
        let mut after = call(&driven, "run", &tokens(1));
        if after["kind"] == "failed" {
            check(&after, "device_lost", "device-lost");
            after = call(&driven, "run", &tokens(1));
        }
        check_kind(&after, "ran");
        assert_eq!(after["sum"], before["sum"]);
        assert_eq!(call(&driven, "nDevices", &json!([])), json!(2));
    }
}

#[test]
fn a_killed_gpu_process_is_a_lost_device() {
    let (_server, driven) = open(Browser::ChromiumWebgpu, "");
    check_kind(&call(&driven, "load", &json!([MODEL])), "loaded");
    let before = call(&driven, "run", &tokens(1));
    driven.session.crash_gpu_process().expect("chromedriver passes it on");
    eventually("a run on a new device", DRAIN_LIMIT, || {
        let after = driven.session.call("run", &tokens(1))?;
        anyhow::ensure!(after["kind"] == "ran", "{after}");
        anyhow::ensure!(after["sum"] == before["sum"], "{after} is not {before}");
        Ok(())
    })
    .expect("the device is requested again");
}

#[test]
fn what_takes_too_long_is_given_up_and_names_its_limit() {
    for browser in BOTH {
        let (_server, driven) = open(browser, "?webgpu-seconds=1");
        check_kind(&call(&driven, "load", &json!([MODEL])), "loaded");
        // Some seconds of work; Firefox's adapter is several times as fast.
        let n = if browser == Browser::FirefoxWebgpu { 768 } else { 256 };
        let late = call(&driven, "run", &tokens(n));
        check(&late, "timeout", "webgpu-timeout");
        assert!(late["message"].as_str().is_some_and(|words| words.ends_with("within 1 s")), "{late}");
        eventually("a run after the late one", DRAIN_LIMIT, || {
            let after = driven.session.call("run", &tokens(1))?;
            anyhow::ensure!(after["kind"] == "ran", "{after}");
            Ok(())
        })
        .expect("the queue drains");
    }
}

#[test]
fn limits_that_are_too_small_are_named_before_anything_runs() {
    for browser in BOTH {
        let (_server, driven) = open(browser, "?webgpu-limits=maxStorageBufferBindingSize:1048576");
        check(&call(&driven, "load", &json!([MODEL])), "unsupported_operator", "webgpu-limit");
        let (_server, driven) = open(browser, "?webgpu-variant=tiled-7x7");
        check(&call(&driven, "load", &json!([MODEL])), "validation", "webgpu-settings");
    }
}

/// Firefox accepts a buffer of any size that its limits allow, and binds no more than 128 MB.
#[test]
fn a_buffer_that_does_not_fit_is_out_of_memory() {
    let (_server, driven) = open(Browser::ChromiumWebgpu, "");
    check_kind(&call(&driven, "load", &json!([repeated(1 << 28)])), "loaded");
    let input = json!([[{ "name": "x", "dtype": "float32", "dims": [1] }]]);
    check(&call(&driven, "run", &input), "out_of_memory", "webgpu-out-of-memory");
    // What was made before the failure is given back.
    check_kind(&call(&driven, "load", &json!([MODEL])), "loaded");
    check_kind(&call(&driven, "run", &tokens(1)), "ran");
}

/// A model whose output is one number, `n` times.
fn repeated(n: i64) -> Vec<u8> {
    let declaration = |name: &str, n: i64| proto::ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(proto::TypeProto {
            tensor_type: Some(proto::TypeProtoTensor {
                elem_type: Some(proto::DataType(1)),
                shape: Some(proto::TensorShapeProto {
                    dim: vec![proto::Dimension { dim_value: Some(n), dim_param: None }],
                }),
            }),
            sequence: None,
        }),
    };
    let shape = proto::TensorProto {
        name: Some("shape".to_owned()),
        dims: vec![1],
        data_type: Some(proto::DataType(7)),
        int64_data: vec![n],
        ..Default::default()
    };
    let node = proto::NodeProto {
        op_type: Some("Expand".to_owned()),
        input: vec!["x".to_owned(), "shape".to_owned()],
        output: vec!["y".to_owned()],
        ..Default::default()
    };
    let graph = proto::GraphProto {
        node: vec![node],
        initializer: vec![shape],
        input: vec![declaration("x", 1)],
        output: vec![declaration("y", n)],
        ..Default::default()
    };
    let model = proto::ModelProto {
        ir_version: Some(8),
        opset_import: vec![proto::OperatorSetIdProto { domain: None, version: Some(17) }],
        graph: Some(graph),
        ..Default::default()
    };
    model.write_buf().expect("the model can be written")
}
