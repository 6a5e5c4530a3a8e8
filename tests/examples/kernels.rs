//! Prints how fast the engine's kernels are in real browsers, and where models spend their time:
//! `cargo run -p tabpool-tests --example kernels -- --browser chromium,firefox`.
//!
//! The engine is built with its feature `profile` into `target/kernels`; with `--built` what is there is measured. Speeds are medians over samples of some
//! milliseconds, with the best one behind; the share is that of the bare register tile's best, measured
//! first in the same run, when the browser may still be compiling.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tabpool_tests::driver::Browser;
use tabpool_tests::page_server::PageServer;
use tabpool_tests::webdriver::Session;

/// Name, type and shape.
type Input = (&'static str, &'static str, &'static [u32]);

/// Models with their inputs.
const MODELS: [(&str, &[Input]); 6] = [
    ("minilm-l3", &[("input_ids", "int64", &[1, 16]), ("attention_mask", "int64", &[1, 16])]),
    ("minilm-l3", &[("input_ids", "int64", &[1, 128]), ("attention_mask", "int64", &[1, 128])]),
    (
        "minilm-l6-int8",
        &[
            ("input_ids", "int64", &[1, 16]),
            ("attention_mask", "int64", &[1, 16]),
            ("token_type_ids", "int64", &[1, 16]),
        ],
    ),
    (
        "minilm-l6-int8",
        &[
            ("input_ids", "int64", &[1, 128]),
            ("attention_mask", "int64", &[1, 128]),
            ("token_type_ids", "int64", &[1, 128]),
        ],
    ),
    ("ppocr-det", &[("x", "float32", &[1, 3, 320, 320])]),
    ("efficientnet-lite0", &[("image", "float32", &[1, 3, 224, 224])]),
];

#[derive(Debug, Deserialize)]
struct Speed {
    kernel: String,
    shape: String,
    unit: String,
    median: f64,
    best: f64,
}

#[derive(Debug, Deserialize)]
struct Profile {
    millis: f64,
    steps: Vec<Steps>,
}

#[derive(Debug, Deserialize)]
struct Steps {
    kind: String,
    calls: f64,
    millis: f64,
    flops: f64,
}

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_built = arguments.last().is_some_and(|last| last == "--built") && arguments.pop().is_some();
    let browsers = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => vec![Browser::Chromium, Browser::Firefox],
        ["--browser", names] => names.split(',').map(browser).collect::<Result<_>>()?,
        _ => bail!("usage: kernels [--browser chromium,firefox,webkit] [--built]"),
    };
    // WebKit lacks a relaxed instruction that the other build has.
    let build_for = |browser| if browser == Browser::Webkit { "simd128" } else { "relaxed" };
    let builds: BTreeSet<_> =
        browsers.iter().map(|&browser| format!("engine-{}", build_for(browser))).collect();
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kernels");
    if !is_built {
        build(&builds.into_iter().collect::<Vec<_>>().join(","), &package)?;
    }
    let server = PageServer::start(include_str!("../www/kernels.js"), &[("/pkg", &package)])?;

    for browser in browsers {
        let build = build_for(browser);
        let driven = server.open(browser, &format!("?build={build}"))?;
        let title = format!("{browser:?}, {build}");
        print_speeds(&title, &driven.session)?;
        print_profiles(&title, &driven.session)?;
    }
    Ok(())
}

fn browser(name: &str) -> Result<Browser> {
    Ok(match name {
        "chromium" => Browser::Chromium,
        "firefox" => Browser::Firefox,
        "webkit" => Browser::Webkit,
        other => bail!("no browser is called {other}"),
    })
}

/// Builds the engine for profiling, in some of its builds, into a folder.
fn build(builds: &str, package: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args([
            "run",
            "--quiet",
            "--package",
            "tabpool-bundler",
            "--",
            "--engine-features",
            "profile",
            "--only",
            builds,
            "--out",
        ])
        .arg(package)
        .stdout(io::stderr())
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cannot build the engine");
    Ok(())
}

fn print_speeds(title: &str, session: &Session) -> Result<()> {
    let speeds: Vec<Speed> = serde_json::from_value(session.call("benchKernels", &json!([]))?)?;
    let bare = speeds.first().context("no kernel was measured")?.best;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\n{title}: speed of kernels\n{:12} {:28} {:>8} {:>8}  share of the best bare tile",
        "", "", "median", "best"
    )?;
    for Speed { kernel, shape, unit, median, best } in speeds {
        let share = if unit == "GFLOP/s" { format!("{:5.2}", median / bare) } else { String::new() };
        writeln!(out, "{kernel:12} {shape:28} {median:8.2} {best:8.2}  {unit:12} {share}")?;
    }
    Ok(())
}

fn print_profiles(title: &str, session: &Session) -> Result<()> {
    let mut out = io::stdout().lock();
    for (model, inputs) in MODELS {
        let shapes: Vec<Value> = inputs
            .iter()
            .map(|(name, dtype, dims)| json!({ "name": name, "dtype": dtype, "dims": dims }))
            .collect();
        let mut profile: Profile =
            serde_json::from_value(session.call("profileModel", &json!([model, shapes]))?)?;
        let dims = inputs[0].2;
        writeln!(out, "\n{title}: {model} {dims:?}, median of a run {:.2} ms", profile.millis)?;
        profile.steps.sort_by(|a, b| b.millis.total_cmp(&a.millis));
        let all: f64 = profile.steps.iter().map(|steps| steps.millis).sum();
        for Steps { kind, calls, millis, flops } in profile.steps {
            let speed = flops / millis / 1e6;
            let share = millis / all * 100.0;
            writeln!(out, "{kind:20} {calls:4} calls {millis:8.3} ms {share:5.1} %  {speed:6.1} GFLOP/s")?;
        }
    }
    Ok(())
}
