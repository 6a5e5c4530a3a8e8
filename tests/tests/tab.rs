//! The pool of a tab with real engines: jobs that share a call, a job on two workers, and iframes of another site, in each of the three browsers.

use anyhow::{Context as _, Result, ensure};
use rten_onnx::onnx as proto;
use serde_json::{Value, json};
use tabpool_tests::agent::Server;
use tabpool_tests::driver::Browser;
use tabpool_tests::webdriver::Session;
use tabpool_tests::{demo_page, in_every_browser, onnx};

const SCRIPT: &str = include_str!("../www/tab.js");
/// What another order of additions may change, as a share of an output's range.
const LIMIT: f64 = 1e-4;

in_every_browser!(visit);

fn visit(browser: Browser) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("history.sqlite"), 0)?;
    let driven = browser.drive()?;
    demo_page::open(&driven.session, &server.url)?;
    driven.session.add_script(SCRIPT)?;

    let batches = driven.session.call("batches", &json!(["minilm-l3"]))?;
    let shapes = "input_ids:1x16,attention_mask:1x16";
    let batched = format!("{shapes}@4");
    ensure!(batches["shapes"] == json!([shapes, batched, batched, batched, batched]), "{batches}");
    ensure!(batches["outputs"].as_u64() >= Some(2), "{batches}");
    let worst = batches["worst"].as_f64().with_context(|| format!("no difference in {batches}"))?;
    ensure!(worst <= LIMIT, "a job of a batch differs by {worst} from its run alone");

    // A job's first split proves the model, or finds that it computes its rows from each other.
    let (whole, half) = ("input_ids:4x16", "input_ids:2x16");
    check_split(
        &driven.session,
        &json!(["splitTokens", "minilm-l3"]),
        [&[half, half, whole], &[half, half]],
    )?;
    let (whole, half) = ("x:4x8", "x:2x8");
    check_split(&driven.session, &json!(["splitNumbers", mixing()?]), [&[half, half, whole], &[whole]])?;
    let aborted = driven.session.call("abortSplit", &json!(["minilm-l3"]))?;
    ensure!(
        aborted == json!({ "running": 2, "code": "cancelled", "cause": "enough", "queued": 0 }),
        "{aborted}"
    );

    let iframe = driven.session.call("iframe", &json!(["p1.localhost"]))?;
    ensure!(iframe["kind"] == "iframe" && iframe["nRespawns"] == 1, "{iframe}");
    ensure!(iframe["reason"] == "connection_lost", "{iframe}");
    ensure!(iframe["before"] == "rust" && iframe["after"] == "rust", "{iframe}");
    server.stop()?;
    Ok(())
}

/// Splits a job of a model three times; the shapes of what ran the first time, and later.
fn check_split(session: &Session, call: &Value, [first, later]: [&[&str]; 2]) -> Result<()> {
    let split = session.call("split", call)?;
    let runs = split["runs"].as_array().with_context(|| format!("no runs in {split}"))?;
    ensure!(runs.len() == 3, "{split}");
    for (run, shapes) in runs.iter().zip([first, later, later]) {
        ensure!(run["shapes"] == json!(shapes), "{split}");
        let worst = run["worst"].as_f64().with_context(|| format!("no difference in {split}"))?;
        ensure!(worst <= LIMIT, "a split job differs by {worst} from a whole one: {split}");
    }
    for run in runs.iter().skip(1) {
        ensure!(run["connections"] == later.len(), "{split}");
        ensure!(run["pieces"].as_u64().unwrap_or(1) == later.len() as u64, "{split}");
    }
    ensure!(split["isSplittable"] == (later.len() > 1), "{split}");
    Ok(())
}

/// `x - mean(x)` over the first dimension, which is free: rows that depend on each other.
fn mixing() -> Result<Vec<u8>> {
    let axes = proto::AttributeProto {
        name: Some("axes".to_owned()),
        ints: vec![0],
        r#type: Some(proto::AttributeType::INTS),
        ..Default::default()
    };
    let mut mean = onnx::node("ReduceMean", &["x"], &["mean"]);
    mean.attribute.push(axes);
    let rows = || {
        let free = proto::Dimension { dim_value: None, dim_param: Some("batch".to_owned()) };
        vec![free, onnx::length(8)]
    };
    onnx::file(proto::GraphProto {
        node: vec![mean, onnx::node("Sub", &["x", "mean"], &["y"])],
        input: vec![onnx::declaration("x", proto::DataType::FLOAT, rows())],
        output: vec![onnx::declaration("y", proto::DataType::FLOAT, rows())],
        ..Default::default()
    })
}
