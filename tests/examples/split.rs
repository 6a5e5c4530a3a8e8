//! Prints how long one large job takes whole, and split over a pool of two workers, in real browsers:
//! `cargo run -p tabpool-tests --example split`. It needs `www/pkg` (`cargo bundle --ship`).

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tabpool_tests::driver::Browser;
use tabpool_tests::page_server::PageServer;

const MODEL: &str = "minilm-l3";
/// Runs of each kind, in turns.
const RUNS: usize = 15;

fn main() -> Result<()> {
    let server = PageServer::with_package(include_str!("../www/split.js"), &[])?;
    let mut out = io::stdout().lock();
    for browser in [Browser::Chromium, Browser::Firefox] {
        let driven = server.open(browser, "")?;
        let millis = driven.session.call("turns", &json!([MODEL, [8, 128], RUNS]))?;
        let (whole, split) = (sorted(&millis["whole"])?, sorted(&millis["split"])?);
        let (whole_median, split_median) = (whole[RUNS / 2], split[RUNS / 2]);
        writeln!(out, "{browser:?}: {MODEL} 8x128, median of {RUNS} (lowest to highest), ms")?;
        for (title, millis) in [("whole", &whole), ("split", &split)] {
            writeln!(
                out,
                "{title:8} {:7.1}   {:.1} to {:.1}",
                millis[RUNS / 2],
                millis[0],
                millis[RUNS - 1]
            )?;
        }
        writeln!(out, "whole over split {:.2}", whole_median / split_median)?;
    }
    Ok(())
}

fn sorted(millis: &Value) -> Result<Vec<f64>> {
    let mut millis: Vec<f64> = serde_json::from_value(millis.clone()).context("times are numbers")?;
    millis.sort_by(f64::total_cmp);
    Ok(millis)
}
