//! The store in memory: rows go in once, and come out grouped.

use wire::{Backend, Fault, FaultCategory, Outcome, Phases, RunRecord};

use super::run::Inserted;
use super::*;
use crate::exit::{Exit, verdict};
use crate::golden::compare::Check;
use crate::testing::{SESSION, browser, campaign, record};

fn failed(started: i64) -> RunRecord {
    let fault = Fault::new(FaultCategory::Timeout, "run-timeout", "run took too long");
    let record = record("tiny", started, 0);
    RunRecord { outcome: Outcome::Failed { fault }, phases: Phases::default(), ..record }
}

#[track_caller]
fn check_refused(store: anyhow::Result<Store>, expected: &str) {
    let error = store.unwrap_err();
    assert_eq!(verdict(&error).0, Exit::Environment);
    let text = format!("{error:#}");
    assert!(text.contains(expected), "{text:?} lacks {expected:?}");
}

#[test]
fn records_are_stored_once() {
    let store = Store::in_memory().unwrap();
    let batch = [record("tiny", 1, 10), record("tiny", 2, 20)];
    assert_eq!(store.insert(&batch, 0).unwrap(), Inserted { accepted: 2, duplicates: 0 });
    let again = [record("tiny", 2, 99), record("tiny", 3, 30)];
    assert_eq!(store.insert(&again, 0).unwrap(), Inserted { accepted: 1, duplicates: 1 });
    assert_eq!(store.n_runs().unwrap(), 3);
    let times: Vec<_> =
        store.recent(&Filter::default(), 2).unwrap().into_iter().map(|run| run.run_micros).collect();
    assert_eq!(times, [Some(30.0), Some(20.0)]);
}

#[test]
fn a_full_disk_is_said_and_nothing_is_half_stored() {
    let store = Store::in_memory().unwrap();
    store.limit_pages_for_test(0);
    let batch: Vec<RunRecord> = (0..100).map(|n| record("tiny", n, 1)).collect();
    assert!(matches!(store.insert(&batch, 0), Err(StoreError::Full)));
    assert_eq!(store.n_runs().unwrap(), 0);
    store.limit_pages_for_test(1_000_000);
    assert_eq!(store.insert(&batch, 0).unwrap().accepted, 100);
}

#[test]
fn the_end_of_a_session_marks_warm_up_and_the_checked_run() {
    let store = Store::in_memory().unwrap();
    let campaign = store.begin_campaign(&campaign()).unwrap();
    store.begin_session(SESSION, campaign, &browser(), 2).unwrap();
    store
        .insert(&[failed(1), record("tiny", 2, 20), record("tiny", 3, 30), record("tiny", 4, 40)], 0)
        .unwrap();
    let check =
        Check { ok: false, max_abs_ratio: Some(0.5), cosine: Some(0.9), problem: Some("p".to_owned()) };
    store.set_check(SESSION, "tiny/1/wasm", "tabpool", &check).unwrap();
    store.end_session(SESSION, Ending::Finished, 2, 3).unwrap();
    store.end_campaign(campaign, 4, None).unwrap();

    let runs = store.session_runs(SESSION).unwrap();
    let warm_up: Vec<bool> = runs.iter().map(|run| run.is_warmup).collect();
    assert_eq!(warm_up, [true, true, false, false]);
    assert_eq!(runs[0].fault.as_ref().unwrap().code, "run-timeout");
    let rows = store.history(&Filter::default()).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].n_runs, rows[0].n_failed, rows[0].warm_micros.as_slice()),
        (4, 1, [30.0, 40.0].as_slice())
    );
    let checks: Vec<Option<bool>> =
        store.recent(&Filter::default(), 9).unwrap().into_iter().map(|run| run.check_ok).collect();
    assert_eq!(checks, [None, None, Some(false), None]);
}

#[test]
fn filters_restrict() {
    let store = Store::in_memory().unwrap();
    let other = RunRecord { model: "big".to_owned(), backend: Backend::Webgpu, ..record("tiny", 2, 20) };
    store.insert(&[record("tiny", 1, 10), other], 0).unwrap();
    let n_runs = |filter: Filter| store.recent(&filter, 10).unwrap().len();
    let list = |value: &str| vec![value.to_owned()];
    assert_eq!(n_runs(Filter { models: list("big"), ..Filter::default() }), 1);
    assert_eq!(n_runs(Filter { models: vec!["big".to_owned(), "tiny".to_owned()], ..Filter::default() }), 2);
    assert_eq!(n_runs(Filter { browsers: list("firefox"), ..Filter::default() }), 0);
    assert_eq!(n_runs(Filter { backends: list("wasm"), ..Filter::default() }), 1);
    assert_eq!(n_runs(Filter { since_unix_micros: Some(2), ..Filter::default() }), 1);
}

#[test]
fn files_that_are_no_history_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    std::fs::write(&path, "certainly not a database, but long enough to be taken for one".repeat(20))
        .unwrap();
    check_refused(Store::open(&path), "not a usable SQLite database");

    let path = folder.path().join("other.sqlite");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    check_refused(Store::open(&path), "belongs to another program");

    let path = folder.path().join("new.sqlite");
    drop(Store::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    check_refused(Store::open(&path), "schema is version 99");

    check_refused(Store::open(folder.path()), "cannot open the history");
}

#[test]
fn a_history_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/history.sqlite");
    Store::open(&path).unwrap().insert(&[record("tiny", 1, 10)], 0).unwrap();
    assert_eq!(Store::open(&path).unwrap().n_runs().unwrap(), 1);
}
