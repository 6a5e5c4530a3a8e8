//! Prints what WebGPU costs beside the arithmetic: how long the shortest run takes, and whether memory stays flat over
//! many runs and loads: `cargo run -p tabpool-tests --example webgpu`. It needs `www/pkg` (`make bundle`).

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use tabpool_tests::cast_case;
use tabpool_tests::driver::{Browser, Driven};
use tabpool_tests::page_server::PageServer;

const MODEL: &str = "minilm-l6";
/// Runs of the shortest model, the first of them not counted.
const SHORT_RUNS: usize = 201;
/// Memory is looked at after each part: ten parts of a hundred runs, and ten of ten loads.
const PARTS: usize = 10;
const RUNS: usize = 100;
const LOADS: usize = 10;

fn main() -> Result<()> {
    let server = PageServer::with_package(include_str!("../www/webgpu.js"), &[])?;
    let short = cast_case::cases()?.into_iter().find(|case| case.name == "cast_float32_to_int32");
    let short = short.context("there is a cast from floats to integers")?;
    let mut out = io::stdout().lock();
    for browser in [Browser::ChromiumWebgpu, Browser::FirefoxWebgpu] {
        let driven = server.open(browser, "")?;
        let session = &driven.session;
        writeln!(out, "\n{browser:?}")?;

        session.call("load", &json!([short.model, [{ "name": "x", "dtype": "float32", "dims": [9] }]]))?;
        let times = session.call("repeat", &json!([SHORT_RUNS]))?;
        session.call("unload", &json!([]))?;
        writeln!(
            out,
            "one dispatch: {:.2} ms in the worker, {:.2} ms in the page, medians of {} runs",
            median(&times["inWorker"])?,
            median(&times["inPage"])?,
            SHORT_RUNS - 1
        )?;

        let names = ["input_ids", "attention_mask", "token_type_ids"];
        let inputs = names.map(|name| json!({ "name": name, "dtype": "int64", "dims": [1, 16] }));
        let before = driven.memory_bytes()?;
        let highest = highest_memory(&driven, || session.call("load", &json!([MODEL, inputs])))?;
        let wasm =
            session.call("repeat", &json!([1]))?["wasmBytes"].as_f64().context("bytes are a number")?;
        let buffers = session.call("buffers", &json!([]))?["peak"].as_f64().context("bytes are a number")?;
        writeln!(
            out,
            "loading {MODEL}: at most {:.1} MB of GPU buffers and {:.1} MB of wasm; all processes {:.0} MB over idle, the \
             page's own copies of the file included",
            buffers / 1e6,
            wasm / 1e6,
            highest.saturating_sub(before) as f64 / 1e6
        )?;
        writeln!(out, "{MODEL} 1x16, MB of wasm and of all processes of the browser after each part")?;
        parts(&mut out, &driven, &format!("{RUNS} runs"), "repeat", RUNS)?;
        session.call("unload", &json!([]))?;
        parts(&mut out, &driven, &format!("{LOADS} loads"), "cycle", LOADS)?;
    }
    Ok(())
}

/// The most memory that the browser has while something happens, bytes.
fn highest_memory(driven: &Driven, happens: impl FnOnce() -> Result<Value>) -> Result<u64> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut highest = 0;
            while !is_over.load(Ordering::Relaxed) {
                highest = driven.memory_bytes()?.max(highest);
            }
            Ok(highest)
        });
        let happened = happens();
        is_over.store(true, Ordering::Relaxed);
        let highest = watcher.join().map_err(|_panic| anyhow!("nobody watched the memory"))?;
        happened.and(highest)
    })
}

/// Garbage waits for its collector, so what a leak would raise is the least of several looks.
fn parts(out: &mut impl io::Write, driven: &Driven, title: &str, function: &str, n: usize) -> Result<()> {
    write!(out, "{PARTS} × {title:9}")?;
    let mut memory = Vec::new();
    for _ in 0..PARTS {
        let answer = driven.session.call(function, &json!([n]))?;
        let wasm = answer["wasmBytes"].as_f64().context("bytes are a number")? / 1e6;
        let all = driven.memory_bytes()? as f64 / 1e6;
        write!(out, "  {wasm:.0} {all:.0}")?;
        out.flush()?;
        memory.push(all);
    }
    let (first, second) = memory.split_at(PARTS / 2);
    let least = |part: &[f64]| part.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(writeln!(out, "   least of each half: {:.0} {:.0}", least(first), least(second))?)
}

/// Of all but the first: it compiles and uploads.
fn median(times: &Value) -> Result<f64> {
    let times = times.as_array().context("times are a list")?;
    let mut times: Vec<f64> = times.iter().skip(1).filter_map(Value::as_f64).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().context("no run was measured")
}
