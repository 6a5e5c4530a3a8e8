//! From rows in the history to medians, ratios and verdicts.

use wire::{FaultCategory, RunRecord};

use super::*;
use crate::store::Ending;
use crate::testing::{self, SESSION, browser, campaign, planned_case};

fn record(engine: &str, n: i64, run_micros: u64) -> RunRecord {
    let mut record = testing::record("a", n, run_micros);
    record.id += engine;
    record.engine = engine.to_owned();
    record.cold = n == 0;
    record.phases.load_micros = record.cold.then_some(1000);
    record
}

/// A history in which our runs of model `a` take `ours` and the peer's `theirs` microseconds.
fn store(ours: &[u64], theirs: &[u64]) -> Store {
    let store = Store::in_memory().unwrap();
    let campaign = store.begin_campaign(&campaign()).unwrap();
    store.begin_session(SESSION, campaign, &browser(), 0).unwrap();
    for (engine, times) in [(OURS, ours), ("ort-web", theirs)] {
        let records: Vec<RunRecord> =
            (0..).zip(times).map(|(n, &micros)| record(engine, n, micros)).collect();
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
    let report = Report::new(&[planned_case("a")], &[browser_run()], &["ort-web"], &store).unwrap();
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
    let report = Report::new(&[planned_case("a")], &[browser_run()], &["ort-web"], &store).unwrap();
    assert_eq!(report.rows.len(), 2);
    let ratio = &report.ratios[0];
    assert_eq!((ratio.warm, ratio.warm_interval), (Some(2.0), Some([2.0, 2.0])));
    assert_eq!(ratio.cold, Some(1500.0 / 3000.0));
    assert_eq!((ratio.load, ratio.first_run), (Some(1.0), Some(0.25)));
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
    let report = Report::new(&[planned_case("a")], &[unchecked], &[], &store).unwrap();
    assert!(!report.rows[0].is_good());

    let mut failed = browser_run();
    let fault = Fault::new(FaultCategory::Timeout, "page-silent", "m");
    failed.faults.insert(("b/1/wasm".to_owned(), OURS.to_owned()), fault);
    let report = Report::new(&[planned_case("b")], &[failed], &[], &store).unwrap();
    assert_eq!(report.rows[0].fault.as_ref().unwrap().code, "page-silent");
    assert!(!report.rows[0].is_good());
}

#[test]
fn a_model_without_golden_outputs_is_good_when_it_ran() {
    let store = store(&[500, 9, 20], &[]);
    let unchecked = || BrowserRun { checks: Default::default(), ..browser_run() };
    let mut case = planned_case("a");
    std::sync::Arc::make_mut(&mut case.golden).outputs.clear();
    let report = Report::new(&[case], &[unchecked()], &[], &store).unwrap();
    let row = &report.rows[0];
    assert_eq!((row.has_golden, &row.check, row.is_good()), (false, &None, true));
}

#[test]
fn a_case_whose_runs_could_not_be_stored_is_not_good() {
    let report = Report::new(&[planned_case("a")], &[browser_run()], &[], &store(&[], &[])).unwrap();
    let row = &report.rows[0];
    assert!(row.check.as_ref().is_some_and(|check| check.ok));
    assert!(!row.is_recorded() && !row.is_good());
}

#[test]
fn warm_up_is_left_out_when_the_end_of_the_session_could_not_be_stored() {
    let store = Store::in_memory().unwrap();
    let records: Vec<RunRecord> =
        (0..).zip([500, 300, 10, 12, 14]).map(|(n, micros)| record(OURS, n, micros)).collect();
    store.insert(&records, 0).unwrap();
    let report = Report::new(&[planned_case("a")], &[browser_run()], &[], &store).unwrap();
    let warm = report.rows[0].warm.unwrap();
    assert_eq!((warm.n, warm.median_micros), (3, 12.0));
}

#[test]
fn a_case_that_was_never_tried_has_no_row() {
    let store = store(&[], &[]);
    let report = Report::new(
        &[planned_case("a")],
        &[BrowserRun { checks: Default::default(), ..browser_run() }],
        &[],
        &store,
    )
    .unwrap();
    assert!(report.rows.is_empty());
}
