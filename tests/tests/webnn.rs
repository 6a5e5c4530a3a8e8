//! WebNN in the one browser here that has it: plans in parts, contexts that are lost, graphs that are refused, and the choice
//! among all backends.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use rten_onnx::onnx as proto;
use serde_json::{Value, json};
use tabpool_tests::demo_page::check;
use tabpool_tests::driver::{Browser, Driven};
use tabpool_tests::onnx::{self, node};
use tabpool_tests::page_server::PageServer;

/// Rows and columns of products that are worth two graphs with wasm between them.
const LARGE: u32 = 1024;

/// A page with the pool in it.
fn page() -> Result<(PageServer, Driven)> {
    let server = PageServer::with_package(include_str!("../www/webnn.js"), &[])?;
    let driven = server.open(Browser::ChromiumWebnn, "")?;
    Ok((server, driven))
}

/// What comes of a model on a backend; `steps` are shapes of its input `x`, or words for the worker.
#[track_caller]
fn story(model: &[u8], backend: &str, steps: &Value, verify: impl FnOnce(Value) -> Result<()>) {
    check(Browser::ChromiumWebnn, |_| {
        let (_server, driven) = page()?;
        verify(driven.session.call("story", &json!([model, backend, steps]))?)
    });
}

/// Elements of the first output of a run, some thousands at most.
fn data(told: &Value) -> Result<Vec<f64>> {
    Ok(serde_json::from_value(told["data"].clone())?)
}

/// A file with input `x` and output `y`, square matrices of `n` rows; without `n` their lengths are open.
fn file(nodes: Vec<proto::NodeProto>, n: Option<u32>, constants: Vec<proto::TensorProto>) -> Result<Vec<u8>> {
    let open = || proto::Dimension { dim_value: None, dim_param: Some("n".to_owned()) };
    let dim = || n.map_or_else(open, |n| onnx::length(n as usize));
    let declared = |name| onnx::declaration(name, proto::DataType::FLOAT, vec![dim(), dim()]);
    onnx::file(proto::GraphProto {
        node: nodes,
        input: vec![declared("x")],
        output: vec![declared("y")],
        initializer: constants,
        ..Default::default()
    })
}

/// Two products with sorted rows between them, which WebNN has no operator for.
fn sorted_between_products(n: u32) -> Result<Vec<u8>> {
    let nodes = vec![
        node("MatMul", &["x", "x"], &["a"]),
        node("TopK", &["a", "k"], &["b", "places"]),
        node("Tanh", &["b"], &["c"]),
        node("MatMul", &["c", "a"], &["y"]),
    ];
    file(nodes, Some(n), vec![onnx::integers("k", &[i64::from(n)])])
}

/// Products that WebNN has all of.
fn products() -> Result<Vec<u8>> {
    let mut nodes = Vec::new();
    let mut last = "x".to_owned();
    for index in 0..8 {
        let (product, next) = (format!("product {index}"), format!("tanh {index}"));
        nodes.push(node("MatMul", &[&last, "x"], &[&product]));
        nodes.push(node("Tanh", &[&product], &[&next]));
        last = next;
    }
    nodes.push(node("Neg", &[&last], &["y"]));
    file(nodes, None, Vec::new())
}

#[test]
fn a_missing_operator_runs_on_wasm_between_two_graphs() {
    let model = sorted_between_products(LARGE).expect("a model");
    let steps = json!([[LARGE, LARGE], [LARGE, LARGE]]);
    check(Browser::ChromiumWebnn, |_| {
        let (_server, driven) = page()?;
        let run = |backend: &str| driven.session.call("story", &json!([model, backend, steps]));
        let (mixed, wasm) = (run("webnn")?, run("wasm")?);
        ensure!(mixed["error"].is_null() && wasm["error"].is_null(), "{} {}", mixed["error"], wasm["error"]);
        let n = |place: &str, what: &str| mixed[place][what].as_u64().context("a count");
        ensure!(n("loaded", "graphs")? - n("started", "graphs")? == 3, "the small one and two: {mixed}");
        let dispatches = |index: usize| mixed["told"][index]["counts"]["dispatches"].as_u64();
        ensure!((dispatches(0), dispatches(1)) == (Some(2), Some(4)), "two graphs per run");
        ensure!(mixed["told"][0]["record"]["backend"] == "webnn");
        for run in 0..2 {
            let (left, right) = (data(&mixed["told"][run])?, data(&wasm["told"][run])?);
            ensure!(!left.is_empty() && left.len() == right.len());
            let largest = right.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let differences = left.iter().zip(&right).map(|(a, b)| (a - b).abs());
            let worst = differences.fold(0.0, f64::max);
            ensure!(worst < 1e-4 * largest, "run {run} differs by {worst}, the values go up to {largest}");
        }
        Ok(())
    });
}

#[test]
fn a_missing_operator_is_refused_at_load_where_parts_do_not_pay() {
    let model = sorted_between_products(16).expect("a model");
    story(&model, "webnn", &json!([[16, 16]]), |said| {
        let error = &said["error"];
        ensure!(error["category"] == "unsupported_operator", "{said}");
        ensure!(error["message"].as_str().is_some_and(|message| message.contains("top-k")), "{error}");
        Ok(())
    });
    story(&model, "auto", &json!([[16, 16]]), |said| {
        let record = &said["told"][0]["record"];
        ensure!(record["outcome"]["kind"] == "ok" && record["backend"] != "webnn", "{said}");
        Ok(())
    });
}

/// Rows and columns of quantized products.
const SIDE: u32 = 128;
/// What a step of their results stands for.
const STEP: f32 = 0.125;

/// A product with 8-bit weights between quantizations, as tools that quantize models write it.
fn quantized_product() -> Result<Vec<u8>> {
    let constant = |name: &str, dims: &[u32], data_type: proto::DataType| proto::TensorProto {
        name: Some(name.to_owned()),
        dims: dims.iter().map(|&dim| i64::from(dim)).collect(),
        data_type: Some(data_type),
        ..Default::default()
    };
    let bytes: Vec<i32> = (0..(SIDE * SIDE) as i32).map(|index| index * 37 % 251 - 125).collect();
    let scales: Vec<f32> = (0..SIDE).map(|column| (column + 1) as f32 / 65_536.0).collect();
    let (byte, float) = (proto::DataType::INT8, proto::DataType::FLOAT);
    let constants = vec![
        proto::TensorProto { int32_data: bytes, ..constant("w", &[SIDE, SIDE], byte) },
        proto::TensorProto { float_data: scales, ..constant("w scales", &[SIDE], float) },
        proto::TensorProto { int32_data: vec![0; SIDE as usize], ..constant("w points", &[SIDE], byte) },
        proto::TensorProto { float_data: vec![STEP], ..constant("scale", &[], float) },
        proto::TensorProto { int32_data: vec![3], ..constant("point", &[], byte) },
    ];
    let nodes = vec![
        node("QuantizeLinear", &["x", "scale", "point"], &["x bytes"]),
        node("DequantizeLinear", &["x bytes", "scale", "point"], &["x floats"]),
        node("DequantizeLinear", &["w", "w scales", "w points"], &["w floats"]),
        node("MatMul", &["x floats", "w floats"], &["product"]),
        node("QuantizeLinear", &["product", "scale", "point"], &["y bytes"]),
        node("DequantizeLinear", &["y bytes", "scale", "point"], &["y"]),
    ];
    file(nodes, Some(SIDE), constants)
}

#[test]
fn a_product_between_known_quantizations_is_one_of_bytes() {
    let model = quantized_product().expect("a model");
    let steps = json!([[SIDE, SIDE]]);
    check(Browser::ChromiumWebnn, |_| {
        let (_server, driven) = page()?;
        let run = |backend: &str| driven.session.call("story", &json!([model, backend, steps]));
        let (webnn, wasm) = (run("webnn")?, run("wasm")?);
        ensure!(webnn["error"].is_null() && wasm["error"].is_null(), "{} {}", webnn["error"], wasm["error"]);
        ensure!(
            count(&webnn, 0, "quantizations")? == 1,
            "the product's result is quantized by WebNN: {webnn}"
        );
        let (left, right) = (data(&webnn["told"][0])?, data(&wasm["told"][0])?);
        let n_distinct = right.iter().map(|x| x.to_bits()).collect::<BTreeSet<u64>>().len();
        ensure!(n_distinct > 10, "only {n_distinct} different results");
        // What lies between two steps may be rounded to either.
        let worst = left.iter().zip(&right).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let n_off = left.iter().zip(&right).filter(|(a, b)| a != b).count();
        ensure!(worst <= f64::from(STEP) && n_off * 100 <= left.len(), "{n_off} differ, by {worst} at most");
        Ok(())
    });
}

/// The faults that the pool was told of.
fn codes(said: &Value) -> Vec<&str> {
    said["faults"].as_array().into_iter().flatten().filter_map(|fault| fault["code"].as_str()).collect()
}

/// The worker's counts after a run.
fn count(said: &Value, run: usize, what: &str) -> Result<u64> {
    said["told"][run]["counts"][what].as_u64().with_context(|| format!("no count of {what} in {said}"))
}

#[test]
fn a_context_lost_between_runs_is_made_again() {
    let model = products().expect("a model");
    story(&model, "webnn", &json!([[64, 64], "lose", [64, 64], [64, 64]]), |said| {
        ensure!(said["error"].is_null() && codes(&said).is_empty(), "{said}");
        let before = data(&said["told"][0])?;
        for run in 1..3 {
            let told = &said["told"][run];
            ensure!(told["record"]["backend"] == "webnn" && data(told)? == before, "{}", told["record"]);
        }
        ensure!(count(&said, 1, "contexts")? == count(&said, 0, "contexts")? + 1, "one new context");
        ensure!(count(&said, 1, "graphs")? > count(&said, 0, "graphs")?, "the model's graph is built again");
        ensure!(count(&said, 2, "graphs")? == count(&said, 1, "graphs")?, "and kept");
        Ok(())
    });
}

#[test]
fn a_context_lost_in_a_run_is_a_fault_that_the_pool_recovers_from() {
    let model = products().expect("a model");
    story(&model, "webnn", &json!([[64, 64], "lose in a run", [64, 64]]), |said| {
        ensure!(said["error"].is_null(), "{said}");
        ensure!(codes(&said).first() == Some(&"webnn-context-lost"), "faults are {:?}", codes(&said));
        ensure!(said["faults"][0]["category"] == "device_lost", "{said}");
        let told = &said["told"][1];
        ensure!(told["record"]["backend"] == "webnn", "{}", told["record"]);
        ensure!(told["record"]["attempt"].as_u64() > Some(1), "{}", told["record"]);
        ensure!(data(told)? == data(&said["told"][0])?, "the second try gives another result");
        ensure!(count(&said, 1, "contexts")? > count(&said, 0, "contexts")?, "a new context");
        Ok(())
    });
}

/// WebNN is so much faster at these products that the pool chooses it, unless the machine is busy.
const SLOW: u32 = 384;
/// How often the pool may choose.
const N_CHOICES: usize = 5;

/// A run that WebNN refuses after it was chosen ends on another backend, and its caller does not notice.
#[track_caller]
fn check_refusal(steps: &Value) {
    let model = products().expect("a model");
    check(Browser::ChromiumWebnn, |_| {
        let (_server, driven) = page()?;
        for _ in 0..N_CHOICES {
            let said = driven.session.call("story", &json!([model, "auto", steps]))?;
            ensure!(said["error"].is_null(), "{said}");
            let is_webnn = |run: usize| {
                said["told"][run]["record"]["backend"].as_str().is_some_and(|name| name.starts_with("webnn"))
            };
            if !is_webnn(0) {
                continue;
            }
            let record = &said["told"][1]["record"];
            ensure!(!is_webnn(1) && record["outcome"]["kind"] == "ok", "{record}");
            ensure!(codes(&said).first() == Some(&"unsupported-operator"), "faults are {:?}", codes(&said));
            return Ok(());
        }
        bail!("WebNN was never chosen")
    });
}

#[test]
fn shapes_that_webnn_lacks_go_to_the_next_backend() {
    // WebNN has no tensors without elements.
    check_refusal(&json!([[SLOW, SLOW], [0, 0]]));
}

#[test]
fn graphs_that_the_browser_refuses_go_to_the_next_backend() {
    check_refusal(&json!([[SLOW, SLOW], "refuse", [SLOW + 1, SLOW + 1]]));
}

#[test]
fn graphs_that_the_browser_refuses_are_refused_in_its_words() {
    let model = products().expect("a model");
    story(&model, "webnn", &json!([[64, 64], "refuse", [65, 65]]), |said| {
        let error = &said["error"];
        ensure!(error["category"] == "unsupported_operator", "{said}");
        ensure!(error["message"].as_str().is_some_and(|message| message.contains("not to be")), "{error}");
        Ok(())
    });
}

#[test]
fn every_backend_takes_part_in_the_choice() {
    check(Browser::ChromiumWebnn, |_| {
        let (_server, driven) = page()?;
        let said = driven.session.call("choose", &json!(["minilm-l3"]))?;
        let sentence = said["chosen"]["sentence"].as_str().context("a sentence")?;
        let chosen = said["chosen"]["backend"].as_str().context("a backend")?;
        let mut measured = Vec::new();
        for backend in ["webgpu", "webnn", "wasm"] {
            ensure!(said["backends"].as_array().is_some_and(|list| list.contains(&json!(backend))), "{said}");
            measured.push((median(sentence, backend)?, backend));
        }
        for backend in ["webnn-gpu", "webnn-npu"] {
            if said["backends"].as_array().is_some_and(|list| list.contains(&json!(backend))) {
                measured.push((median(sentence, backend)?, backend));
            }
        }
        let fastest = measured.iter().map(|(millis, _)| *millis).fold(f64::INFINITY, f64::min);
        ensure!(measured.contains(&(fastest, chosen)), "{sentence}");
        Ok(())
    });
}

/// The median that the finding gives for a backend, milliseconds: `NAME 12.3 ms (n = 5)`, after what was chosen.
fn median(sentence: &str, backend: &str) -> Result<f64> {
    let (_, figures) = sentence.split_once("; ").context("figures come after the choice")?;
    let figure = figures.split(", ").find_map(|figure| figure.strip_prefix(backend)?.strip_prefix(' '));
    let figure = figure.with_context(|| format!("{backend} was not measured: {sentence}"))?;
    let (millis, n_runs) =
        figure.split_once(" ms (n = ").with_context(|| format!("no median in {sentence}"))?;
    ensure!(n_runs.ends_with(')'), "{backend} has a problem: {sentence}");
    Ok(millis.parse()?)
}
