//! The store in memory: rows go in once, and come out grouped.

use wire::{Backend, Browser, Fault, FaultCategory, Outcome, Phases, Precision, RunRecord};

use super::run::Inserted;
use super::*;
use crate::exit::{Exit, verdict};
use crate::golden::compare::Check;

fn record(id: &str, total_micros: u64) -> RunRecord {
    RunRecord {
        id: id.to_owned(),
        session: Some("1-chromium-1".to_owned()),
        case: Some("tiny/1x2/wasm".to_owned()),
        started_unix_micros: 1_000_000 * id.bytes().map(i64::from).sum::<i64>(),
        browser: Browser {
            name: "chromium".to_owned(),
            version: "1.2".to_owned(),
            user_agent: String::new(),
        },
        engine: "tabpool".to_owned(),
        engine_version: "0".to_owned(),
        backend: Backend::Wasm,
        backend_detail: "simd128".to_owned(),
        adapter: None,
        precision: Precision::F32,
        model: "tiny".to_owned(),
        model_sha256: String::new(),
        shapes: "x:1x2".to_owned(),
        cold: false,
        connection: 1,
        attempt: 1,
        phases: Phases { total_micros: Some(total_micros), ..Phases::default() },
        memory_bytes: 65_536,
        outcome: Outcome::Ok,
    }
}

fn failed(id: &str) -> RunRecord {
    let fault = Fault::new(FaultCategory::Timeout, "run-timeout", "run took too long");
    RunRecord { outcome: Outcome::Failed { fault }, phases: Phases::default(), ..record(id, 0) }
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
    let batch = [record("a", 10), record("b", 20)];
    assert_eq!(store.insert(&batch, 0).unwrap(), Inserted { accepted: 2, duplicates: 0 });
    let again = [record("b", 99), record("c", 30)];
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
    let batch: Vec<RunRecord> = (0..100).map(|n| record(&n.to_string(), 1)).collect();
    assert!(matches!(store.insert(&batch, 0), Err(StoreError::Full)));
    assert_eq!(store.n_runs().unwrap(), 0);
    store.limit_pages_for_test(1_000_000);
    assert_eq!(store.insert(&batch, 0).unwrap().accepted, 100);
}

#[test]
fn the_end_of_a_session_marks_warm_up_and_the_checked_run() {
    let store = Store::in_memory().unwrap();
    let campaign = NewCampaign {
        started_unix_micros: 1,
        label: Some("test".to_owned()),
        git_commit: None,
        host: "h".to_owned(),
        cpu_model: "c".to_owned(),
        n_cpus: 2,
        load_before: Some(0.5),
    };
    let campaign = store.begin_campaign(&campaign).unwrap();
    store.begin_session("1-chromium-1", campaign, &record("a", 1).browser, 2).unwrap();
    store.insert(&[failed("a"), record("b", 20), record("c", 30), record("d", 40)], 0).unwrap();
    let check =
        Check { ok: false, max_abs_ratio: Some(0.5), cosine: Some(0.9), problem: Some("p".to_owned()) };
    store.set_check("1-chromium-1", "tiny/1x2/wasm", "tabpool", &check).unwrap();
    store.end_session("1-chromium-1", Ending::Finished, 2, 3).unwrap();
    store.end_campaign(campaign, 4, None).unwrap();

    let runs = store.session_runs("1-chromium-1").unwrap();
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
    let other = RunRecord { model: "big".to_owned(), backend: Backend::Webgpu, ..record("b", 20) };
    store.insert(&[record("a", 10), other], 0).unwrap();
    let n_runs = |filter: Filter| store.recent(&filter, 10).unwrap().len();
    let list = |value: &str| vec![value.to_owned()];
    assert_eq!(n_runs(Filter { models: list("big"), ..Filter::default() }), 1);
    assert_eq!(n_runs(Filter { models: vec!["big".to_owned(), "tiny".to_owned()], ..Filter::default() }), 2);
    assert_eq!(n_runs(Filter { browsers: list("firefox"), ..Filter::default() }), 0);
    assert_eq!(n_runs(Filter { backends: list("wasm"), ..Filter::default() }), 1);
    assert_eq!(n_runs(Filter { since_unix_micros: Some(98_000_000), ..Filter::default() }), 1);
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
    Store::open(&path).unwrap().insert(&[record("a", 10)], 0).unwrap();
    assert_eq!(Store::open(&path).unwrap().n_runs().unwrap(), 1);
}
