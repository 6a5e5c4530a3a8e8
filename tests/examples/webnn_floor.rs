//! Prints what WebNN takes when products are issued to it directly, beside a whole model that consists of them: `cargo run -p
//! tabpool-tests --example webnn_floor`.
//!
//! It needs `www/pkg` (`make bundle`) and the browser with WebNN that `make setup` fetches.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tabpool_tests::driver::Browser;
use tabpool_tests::page_server::PageServer;
use tabpool_tests::webdriver::Session;

/// A sentence model with 6 layers of width 384, 1536 within.
const MODEL: &str = "minilm-l6";
const LAYERS: [u32; 3] = [384, 1536, 6];
/// Batches and lengths.
const SHAPES: [[u32; 2]; 3] = [[1, 16], [1, 128], [8, 128]];
const KINDS: [&str; 3] = ["floats", "weights in bytes", "bytes"];

fn main() -> Result<()> {
    let server = PageServer::with_package(include_str!("../www/webnn_floor.js"), &[])?;
    let driven = server.open(Browser::ChromiumWebnn, "")?;
    let page = &driven.session;
    let mut out = io::stdout().lock();

    let [width, inner, n_layers] = LAYERS;
    writeln!(out, "{:36} {:>9} {:>9} {:>9}", "median of 15, ms", "1x16", "1x128", "8x128")?;
    for kind in KINDS {
        write!(out, "{:36}", format!("the 36 products of {MODEL}, {kind}"))?;
        for [batch, length] in SHAPES {
            let millis = call(page, "chain", &json!([kind, batch * length, width, inner, n_layers]))?;
            write!(out, " {millis:9.2}")?;
        }
        writeln!(out)?;
    }
    for backend in ["webnn", "wasm"] {
        write!(out, "{:36}", format!("{MODEL} on {backend}"))?;
        for dims in SHAPES {
            write!(out, " {:9.2}", call(page, "model", &json!([MODEL, backend, dims]))?)?;
        }
        writeln!(out)?;
    }
    for size in [512_u32, 1024] {
        let n = 5;
        let millis = call(page, "square", &json!([size, n]))?;
        let flops = 2.0 * f64::from(size).powi(3) * f64::from(n);
        writeln!(
            out,
            "{n} products of {size}³ in floats: {millis:.1} ms, {:.0} GFLOP/s",
            flops / millis / 1e6
        )?;
    }
    for n in [1_u32, 65_536, 1 << 20] {
        writeln!(out, "{n} floats in and out: {:.3} ms", call(page, "crossing", &json!([n]))?)?;
    }
    Ok(())
}

fn call(page: &Session, function: &str, arguments: &Value) -> Result<f64> {
    page.call(function, arguments)?.as_f64().context("a time is a number")
}
