//! Prints how many runs of a small model end per second in real browsers: a pool of one-thread workers against
//! onnxruntime-web, whose one worker has as many threads: `cargo run -p tabpool-tests --example throughput`.
//!
//! It needs `www/pkg` (`make bundle`) and onnxruntime-web in the cache, where `tabpool bench --peer ort-web` puts it.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tabpool_tests::cache;
use tabpool_tests::driver::Browser;
use tabpool_tests::page_server::PageServer;
use tabpool_tests::webdriver::Session;

const MODEL: &str = "minilm-l3";
const SECONDS: u32 = 3;
/// Each contender is measured this often, in turns.
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let ort = cache::package("onnxruntime-web")?;
    let script = include_str!("../www/throughput.js");
    let server = PageServer::with_package(script, &[("/ort", &ort)])?;
    let inputs = json!([
        { "name": "input_ids", "dtype": "int64", "dims": [1, 16] },
        { "name": "attention_mask", "dtype": "int64", "dims": [1, 16] },
    ]);
    let contenders = [
        ("tabpool, 2 workers", "tabpool", json!([MODEL, inputs, 2, 4, SECONDS])),
        ("tabpool, 2 workers, one job a call", "tabpool", json!([MODEL, inputs, 2, 1, SECONDS])),
        ("tabpool, 1 worker, one job a call", "tabpool", json!([MODEL, inputs, 1, 1, SECONDS])),
        ("onnxruntime-web, 1 worker with 2 threads", "ort", json!([MODEL, inputs, 1, 2, SECONDS])),
        ("onnxruntime-web, 2 workers with 1 thread", "ort", json!([MODEL, inputs, 2, 1, SECONDS])),
    ];
    let mut out = io::stdout().lock();
    for browser in [Browser::Chromium, Browser::Firefox] {
        let driven = server.open(browser, "")?;
        let mut speeds = vec![Vec::new(); contenders.len()];
        for _ in 0..ROUNDS {
            for ((_, function, arguments), speeds) in contenders.iter().zip(&mut speeds) {
                speeds.push(speed(&driven.session, function, arguments)?);
            }
        }
        writeln!(out, "\n{browser:?}: {MODEL} 1x16, runs per second, median of {ROUNDS} times {SECONDS} s")?;
        for ((title, ..), speeds) in contenders.iter().zip(&mut speeds) {
            speeds.sort_by(f64::total_cmp);
            writeln!(
                out,
                "{title:44} {:8.1}   {:.1} to {:.1}",
                speeds[ROUNDS / 2],
                speeds[0],
                speeds[ROUNDS - 1]
            )?;
        }
    }
    Ok(())
}

fn speed(session: &Session, function: &str, arguments: &Value) -> Result<f64> {
    session.call(function, arguments)?.as_f64().context("a speed is a number")
}
