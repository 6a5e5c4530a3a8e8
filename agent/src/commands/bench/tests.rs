//! The document and the table of a report with everything that can happen in it.

use wire::{Fault, FaultCategory};

use super::*;
use crate::bench::summary::Warm;
use crate::golden::compare::Check;

fn row(browser: &str, engine: &str, median_micros: f64) -> Row {
    let detail = if engine == OURS { "relaxed-simd" } else { "1 thread" };
    Row {
        model: "tiny".to_owned(),
        case: "1x2".to_owned(),
        browser: browser.to_owned(),
        browser_version: "1.2.3".to_owned(),
        engine: engine.to_owned(),
        engine_version: "0.1".to_owned(),
        backend: "wasm",
        backend_detail: detail.to_owned(),
        warm: Some(Warm {
            n: 20,
            median_micros,
            lower_quartile_micros: median_micros - 100.0,
            upper_quartile_micros: median_micros + 100.0,
            interval_micros: Some([median_micros - 50.0, median_micros + 50.0]),
        }),
        cold_micros: Some(120_000.0),
        load_micros: Some(100_000.0),
        first_run_micros: Some(20_000.0),
        n_cold: 1,
        peak_memory_bytes: None,
        memory_bytes: 65_536,
        has_golden: true,
        check: Some(Check { ok: true, max_abs_ratio: Some(2e-7), cosine: Some(1.0), problem: None }),
        fault: None,
    }
}

fn report() -> Report {
    let fault = Fault::new(FaultCategory::Timeout, "page-silent", "the page reported nothing for 5 s");
    let wrong = Check {
        ok: false,
        max_abs_ratio: Some(0.3),
        cosine: Some(0.9),
        problem: Some("output y: cosine is 0.9, limit 0.99".to_owned()),
    };
    let failed = Row {
        warm: None,
        cold_micros: None,
        load_micros: None,
        first_run_micros: None,
        check: None,
        ..row("webkit", OURS, 0.0)
    };
    let few = Warm { n: 3, interval_micros: None, ..row("edge", OURS, 900.0).warm.unwrap() };
    Report {
        rows: vec![
            row("chromium", OURS, 9_000.0),
            row("chromium", "ort-web", 10_000.0),
            Row { check: Some(wrong), ..row("firefox", OURS, 8_000.0) },
            Row { fault: Some(fault), ..failed.clone() },
            Row { warm: Some(few), check: None, ..row("edge", OURS, 900.0) },
            Row { has_golden: false, check: None, ..row("chromium-webnn", OURS, 7_000.0) },
        ],
        ratios: vec![Ratio {
            model: "tiny".to_owned(),
            case: "1x2".to_owned(),
            browser: "chromium".to_owned(),
            peer: "ort-web".to_owned(),
            warm: Some(0.9),
            warm_interval: Some([0.85, 0.95]),
            cold: Some(0.4),
            load: Some(0.3),
            first_run: Some(0.5),
            memory: None,
        }],
    }
}

#[test]
fn json() {
    let document = Document {
        schema: wire::SCHEMA,
        campaign: 7,
        label: Some("nightly"),
        git_commit: None,
        host: Host { name: "h".to_owned(), cpu_model: "c".to_owned(), n_cpus: 2 },
        load_before: Some(0.5),
        load_after: None,
        interrupted: false,
        report: &report(),
        profiles: BTreeMap::new(),
    };
    insta::assert_json_snapshot!(document);
}

#[test]
fn rows_and_columns() {
    insta::assert_snapshot!(table(&report(), &Printer::plain()));
}
