//! What goes wrong with WebGPU, provoked in real browsers: each failure is a fault of its own kind, and what can go on does.

use std::time::Duration;

use rten_onnx::onnx as proto;
use serde_json::{Value, json};
use tabpool_tests::driver::{Browser, Driven};
use tabpool_tests::onnx;
use tabpool_tests::page_server::PageServer;
use tabpool_tests::poll::eventually;

/// A queue that is given up on goes on computing; the next run waits for it.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);
const MODEL: &str = "minilm-l3";
const BOTH: [Browser; 2] = [Browser::ChromiumWebgpu, Browser::FirefoxWebgpu];

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
        assert_eq!(after["values"], before["values"]);
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
        anyhow::ensure!(after["values"] == before["values"], "{after} is not {before}");
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
fn repeated(n: usize) -> Vec<u8> {
    let declared = |name, n| onnx::declaration(name, proto::DataType::FLOAT, vec![onnx::length(n)]);
    let graph = proto::GraphProto {
        node: vec![onnx::node("Expand", &["x", "shape"], &["y"])],
        initializer: vec![onnx::integers("shape", &[n as i64])],
        input: vec![declared("x", 1)],
        output: vec![declared("y", n)],
        ..Default::default()
    };
    onnx::file(graph).expect("the model can be written")
}
