//! From rows in the history to medians, ratios and verdicts.

use std::sync::Arc;

use wire::{Backend, BenchCase, Browser, FaultCategory, Outcome, Phases, Precision, RunRecord};

use super::*;
use crate::golden::{Case, Limits};
use crate::store::{Ending, NewCampaign};

const SESSION: &str = "1-chromium-1";

fn planned(model: &str) -> PlannedCase {
    PlannedCase {
        bench: BenchCase {
            id: format!("{model}/1/wasm"),
            model: model.to_owned(),
            backend: Backend::Wasm,
            inputs: Vec::new(),
            n_warmup: 1,
            n_runs: 5,
        },
        golden: Arc::new(Case {
            id: "1".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            limits: Limits { max_abs_ratio: 0.0, cosine: 1.0 },
        }),
        case: "1".to_owned(),
        sha256: String::new(),
        precision: Precision::F32,
    }
}

fn record(model: &str, engine: &str, n: i64, run_micros: u64) -> RunRecord {
    let cold = n == 0;
    RunRecord {
        id: format!("{model} {engine} {n}"),
        session: Some(SESSION.to_owned()),
        case: Some(format!("{model}/1/wasm")),
        started_unix_micros: n,
        browser: Browser::default(),
        engine: engine.to_owned(),
        engine_version: "0".to_owned(),
        backend: Backend::Wasm,
        backend_detail: "simd128".to_owned(),
        adapter: None,
        precision: Precision::F32,
        model: model.to_owned(),
        model_sha256: String::new(),
        shapes: String::new(),
        cold,
        connection: 1,
        attempt: 1,
        phases: Phases {
            load_micros: cold.then_some(1000),
            run_micros: Some(run_micros),
            total_micros: Some(run_micros + 7),
            ..Phases::default()
        },
        memory_bytes: 10,
        outcome: Outcome::Ok,
    }
}

/// A history in which our runs of model `a` take `ours` and the peer's `theirs` microseconds.
fn store(ours: &[u64], theirs: &[u64]) -> Store {
    let store = Store::in_memory().unwrap();
    let campaign = NewCampaign {
        started_unix_micros: 0,
        label: None,
        git_commit: None,
        host: String::new(),
        cpu_model: String::new(),
        n_cpus: 1,
        load_before: None,
    };
    let campaign = store.begin_campaign(&campaign).unwrap();
    store.begin_session(SESSION, campaign, &Browser::default(), 0).unwrap();
    for (engine, times) in [(OURS, ours), ("ort-web", theirs)] {
        let records: Vec<RunRecord> =
            (0..).zip(times).map(|(n, &micros)| record("a", engine, n, micros)).collect();
        store.insert(&records, 0).unwrap();
    }
    store.end_session(SESSION, Ending::Finished, 1, 1).unwrap();
    store
}

fn browser_run() -> BrowserRun {
    let mut run = BrowserRun { sessions: vec![SESSION.to_owned()], ..BrowserRun::default() };
    let check = Check { ok: true, max_abs_ratio: Some(0.0), cosine: Some(1.0), problem: None };
    run.checks.insert(("a/1/wasm".to_owned(), OURS.to_owned()), check);
    run
}

#[test]
fn warm_runs_leave_out_the_cold_one_and_the_warm_up() {
    let store = store(&[500, 300, 10, 11, 12, 13, 14], &[]);
    let report = Report::new(&[planned("a")], &[browser_run()], &["ort-web"], &store).unwrap();
    let row = &report.rows[0];
    let warm = row.warm.unwrap();
    assert_eq!((warm.n, warm.median_micros, row.cold_micros), (5, 12.0, Some(1500.0)));
    let [low, high] = warm.interval_micros.unwrap();
    assert!((10.0..=12.0).contains(&low) && (12.0..=14.0).contains(&high));
    assert!(row.is_good());
    assert!(report.ratios.is_empty());
}

#[test]
fn a_peer_is_compared_run_by_run() {
    let store = store(&[500, 9, 20, 20, 20, 20, 20], &[2000, 9, 10, 10, 10, 10, 10]);
    let report = Report::new(&[planned("a")], &[browser_run()], &["ort-web"], &store).unwrap();
    assert_eq!(report.rows.len(), 2);
    let ratio = &report.ratios[0];
    assert_eq!((ratio.warm, ratio.warm_interval), (Some(2.0), Some([2.0, 2.0])));
    assert_eq!(ratio.cold, Some(1500.0 / 3000.0));
}

#[test]
fn too_few_runs_give_no_interval() {
    assert_eq!(warm(&[]), None);
    assert_eq!(warm(&[1.0, 2.0]).unwrap().interval_micros, None);
}

#[test]
fn a_case_that_failed_or_was_never_compared_is_not_good() {
    let store = store(&[500, 9, 20], &[]);
    let unchecked = BrowserRun { checks: Default::default(), ..browser_run() };
    let report = Report::new(&[planned("a")], &[unchecked], &[], &store).unwrap();
    assert!(!report.rows[0].is_good());

    let mut failed = browser_run();
    let fault = Fault::new(FaultCategory::Timeout, "page-silent", "m");
    failed.faults.insert(("b/1/wasm".to_owned(), OURS.to_owned()), fault);
    let report = Report::new(&[planned("b")], &[failed], &[], &store).unwrap();
    assert_eq!(report.rows[0].fault.as_ref().unwrap().code, "page-silent");
    assert!(!report.rows[0].is_good());
}

#[test]
fn a_case_that_was_never_tried_has_no_row() {
    let store = store(&[], &[]);
    let report = Report::new(&[planned("a")], &[browser_run()], &[], &store).unwrap();
    assert!(report.rows.is_empty());
}
