//! The store in memory: rows go in once, and come out grouped.

use wire::{
    Adapter, Backend, Browser, Capabilities, EventRecord, Fault, FaultCategory, Outcome, Phases, PoolEvent,
    RunRecord, TuningRecord,
};

use super::run::Inserted;
use super::*;
use crate::exit::{Exit, verdict};
use crate::golden::compare::Check;
use crate::testing::{SESSION, add_synthetic_campaign, browser, campaign, event_record, record, scaled};

/// A day, microseconds.
const DAY: i64 = 86_400_000_000;

fn failed(started: i64) -> RunRecord {
    let fault = Fault::new(FaultCategory::Timeout, "run-timeout", "run took too long");
    let record = record("tiny", started, 0);
    RunRecord { outcome: Outcome::Failed { fault }, phases: Phases::default(), ..record }
}

#[track_caller]
fn check_refused(store: anyhow::Result<Store>, expected: &str, hint: &str) {
    let error = store.unwrap_err();
    assert_eq!(verdict(&error).0, Exit::Environment);
    let text = format!("{error:#}");
    assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    let said = verdict(&error).1.unwrap_or_default();
    assert!(said.contains(hint) && said.contains("--db"), "{said:?} lacks {hint:?}");
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
    let rows = store.history(&Filter::default(), &Dimension::COMPARABLE).unwrap();
    assert_eq!(rows[0].warm_micros, [0.0; 0], "nobody knows yet which runs were warm-up");
    store.end_session(SESSION, Ending::Finished, 2, 3).unwrap();
    store.end_campaign(campaign, 4, None).unwrap();

    let runs = store.session_runs(SESSION).unwrap();
    assert_eq!(runs[0].fault.as_ref().unwrap().code, "run-timeout");
    let rows = store.history(&Filter::default(), &Dimension::COMPARABLE).unwrap();
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
fn a_place_is_known_from_the_same_browser_engine_and_machine() {
    let store = Store::in_memory().unwrap();
    let here = store.begin_campaign(&campaign()).unwrap();
    let other = store.begin_campaign(&NewCampaign { host: "other".to_owned(), ..campaign() }).unwrap();
    let newer = Browser { version: "2".to_owned(), ..browser() };
    for (session, campaign, browser) in [
        (SESSION, here, &browser()),
        ("next", here, &browser()),
        ("newer", here, &newer),
        ("away", other, &browser()),
    ] {
        store.begin_session(session, campaign, browser, 2).unwrap();
    }
    let adapter = Some(Adapter {
        vendor: "v".to_owned(),
        architecture: String::new(),
        description: String::new(),
        is_fallback: true,
    });
    let gpu = RunRecord {
        backend: Backend::Webgpu,
        adapter: adapter.clone(),
        backend_detail: String::new(),
        ..record("tiny", 2, 20)
    };
    store.insert(&[record("tiny", 1, 10), gpu, failed(3)], 0).unwrap();
    let place = |session: &str, engine: &str, backend| store.latest_place(session, engine, backend).unwrap();
    let wasm = Place { backend_detail: "simd128".to_owned(), adapter: None };
    assert_eq!(place("next", "tabpool", Backend::Wasm), wasm);
    assert_eq!(place("next", "tabpool", Backend::Webgpu), Place { backend_detail: String::new(), adapter });
    for (session, engine) in
        [("next", "ort-web"), ("newer", "tabpool"), ("away", "tabpool"), ("nothing", "tabpool")]
    {
        assert_eq!(place(session, engine, Backend::Wasm), Place::default(), "{session} {engine}");
    }
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
fn events_are_stored_once_and_recoveries_are_counted() {
    let store = Store::in_memory().unwrap();
    let recovered = |is_success, took_micros| PoolEvent::Recovered {
        category: FaultCategory::DeviceLost,
        component: "webgpu".to_owned(),
        strategy: "other_backend".to_owned(),
        is_success,
        took_micros,
        impact: is_success.then_some(0.5),
    };
    let scaled = scaled("queue_delay");
    let events = [recovered(true, 30), recovered(false, 99), recovered(true, 10), scaled];
    let record = |(index, event): (usize, PoolEvent)| event_record(index as i64, event);
    let records: Vec<EventRecord> = events.into_iter().enumerate().map(record).collect();
    assert_eq!(store.insert_events(&records, 0).unwrap(), Inserted { accepted: 4, duplicates: 0 });
    assert_eq!(store.insert_events(&records[2..], 0).unwrap(), Inserted { accepted: 0, duplicates: 2 });

    let found = store.recoveries(&EventFilter::default()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].n, found[0].n_succeeded, found[0].took_micros.as_slice()),
        (3, 2, [10.0, 30.0].as_slice())
    );
    assert_eq!(found[0].impacts, [0.5, 0.5]);
    let kinds = vec!["scaled".to_owned()];
    let latest = store.events(&EventFilter { kinds, ..EventFilter::default() }, 9).unwrap();
    assert_eq!(serde_json::from_value::<PoolEvent>(latest[0].event.clone()).unwrap(), records[3].event);
    let n = |filter: EventFilter| store.events(&filter, 9).unwrap().len();
    assert_eq!(n(EventFilter { since_unix_micros: Some(2), ..EventFilter::default() }), 2);
    assert_eq!(n(EventFilter { browsers: vec!["firefox".to_owned()], ..EventFilter::default() }), 0);
}

#[test]
fn backends_that_begin_their_details_are_named_once() {
    let store = Store::in_memory().unwrap();
    let run = RunRecord {
        session: None,
        case: None,
        backend: Backend::Webgpu,
        backend_detail: "webgpu swiftshader".to_owned(),
        ..record("tiny", 1, 10)
    };
    store.insert(&[run], 0).unwrap();
    let rows = store.history(&Filter::default(), &[Dimension::Backend]).unwrap();
    let series = store.series(&Filter::default()).unwrap();
    assert_eq!([&rows[0].group["backend"], &series[0].backend], ["webgpu swiftshader"; 2]);
}

#[test]
fn launches_tell_when_they_were_ready_and_what_they_could_do() {
    let store = Store::in_memory().unwrap();
    let capabilities = Capabilities { backends: vec![Backend::Wasm], ..Capabilities::default() };
    store.begin_launch("doctor-1", None, "doctor", &browser(), 100).unwrap();
    store.note_ready("doctor-1", 150, Some(&capabilities)).unwrap();
    store.end_session("doctor-1", Ending::Finished, 0, 190).unwrap();
    let rows = store.sessions(&["chromium".to_owned()], Some(100), 9).unwrap();
    assert_eq!((rows[0].launch_micros, rows[0].lasted_micros, rows[0].campaign), (Some(50), Some(90), None));
    assert_eq!(
        (rows[0].ending.as_deref(), rows[0].capabilities.as_ref()),
        (Some("finished"), Some(&capabilities))
    );
    assert_eq!(store.sessions(&["firefox".to_owned()], None, 9).unwrap(), []);
    assert_eq!(store.sessions(&[], Some(101), 9).unwrap(), []);
}

#[test]
fn measurements_of_variants_are_stored_once() {
    let store = Store::in_memory().unwrap();
    let tuning = |variant: &str, micros, is_chosen| TuningRecord {
        id: variant.to_owned(),
        at_unix_micros: 1,
        browser: browser(),
        backend: Backend::Webgpu,
        adapter: Some(Adapter { vendor: "google".to_owned(), is_fallback: true, ..Adapter::default() }),
        key: "matmul f32 512x512x512".to_owned(),
        variant: variant.to_owned(),
        micros,
        is_chosen,
    };
    let tunings = [tuning("tile 8x8", 110.5, true), tuning("tile 16x16 shared", 1900.0, false)];
    assert_eq!(store.insert_tunings(&tunings).unwrap(), Inserted { accepted: 2, duplicates: 0 });
    assert_eq!(store.insert_tunings(&tunings).unwrap(), Inserted { accepted: 0, duplicates: 2 });
    let chosen = "SELECT variant FROM tuning WHERE is_chosen AND adapter_is_fallback AND micros = 110.5";
    let variant: String = store.lock().query_row(chosen, [], |row| row.get(0)).unwrap();
    assert_eq!(variant, "tile 8x8");
}

#[test]
fn files_that_are_no_history_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    std::fs::write(&path, "certainly not a database, but long enough to be taken for one".repeat(20))
        .unwrap();
    check_refused(Store::open(&path), "not a usable SQLite database", "move the file away");

    let path = folder.path().join("other.sqlite");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    check_refused(Store::open(&path), "belongs to another program", "move the file away");

    let path = folder.path().join("new.sqlite");
    drop(Store::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    check_refused(Store::open(&path), "schema is version 99", "update tabpool");

    check_refused(Store::open(folder.path()), "cannot open the history", "permissions");
    check_refused(Store::open(&path.join("x.sqlite")), "cannot make its folder", "permissions");
}

#[test]
fn a_history_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/history.sqlite");
    Store::open(&path).unwrap().insert(&[record("tiny", 1, 10)], 0).unwrap();
    assert_eq!(Store::open(&path).unwrap().n_runs().unwrap(), 1);
}

/// The text of every table and index, in one order.
fn tables(store: &Store) -> Vec<String> {
    let connection = store.lock();
    let mut statement =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn migrations_lead_up_and_down_and_keep_the_runs() {
    let store = Store::in_memory().unwrap();
    let id = store.begin_campaign(&campaign()).unwrap();
    store.begin_session(SESSION, id, &browser(), 2).unwrap();
    store.insert(&[record("tiny", 1, 10), record("tiny", 2, 20)], 0).unwrap();
    let newest = tables(&store);
    for version in (1..NEWEST_SCHEMA).rev() {
        store.migrate(version).unwrap();
        assert_eq!(store.n_runs().unwrap(), 2);
        let here = tables(&store);
        store.migrate(NEWEST_SCHEMA).unwrap();
        assert_eq!(tables(&store), newest);
        store.migrate(version).unwrap();
        assert_eq!(tables(&store), here);
        let n = "SELECT count(*) FROM session WHERE id = ?1";
        let n_sessions: i64 = store.lock().query_row(n, [SESSION], |row| row.get(0)).unwrap();
        assert_eq!(n_sessions, 1);
    }
    store.migrate(0).unwrap();
    assert_eq!(tables(&store), [""; 0]);
}

#[test]
fn runs_of_an_older_version_get_their_series() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite");
    let store = Store::open(&path).unwrap();
    let campaign = store.begin_campaign(&campaign()).unwrap();
    store.begin_session(SESSION, campaign, &browser(), 2).unwrap();
    let visitor = RunRecord { session: None, case: None, ..record("tiny", 3, 30) };
    store.insert(&[record("tiny", 1, 10), record("tiny", 2, 20), visitor], 0).unwrap();
    store.end_session(SESSION, Ending::Finished, 0, 4).unwrap();
    let before = store.series(&Filter::default()).unwrap();
    store.migrate(1).unwrap();
    drop(store);

    let store = Store::open(&path).unwrap();
    let series = store.series(&Filter::default()).unwrap();
    assert_eq!(series, before);
    let hosts: Vec<(&str, &str)> =
        series.iter().map(|series| (series.host.as_str(), series.case.as_str())).collect();
    assert_eq!(hosts, [("", "x:1"), ("h", "1")]);
    let points = store.points(series[1].id, Metric::Warm, None, Some(campaign)).unwrap();
    assert_eq!(points.iter().map(|point| point.micros).collect::<Vec<_>>(), [10.0, 20.0]);
    assert_eq!(store.points(series[1].id, Metric::Cold, None, None).unwrap(), []);
    let circumstances = store.circumstances(series[1].id, 2).unwrap().unwrap();
    assert_eq!((circumstances.campaign, circumstances.label.as_deref()), (Some(campaign), Some("test")));
}

#[test]
fn retention_keeps_what_is_young_and_what_has_a_label() {
    let store = Store::in_memory().unwrap();
    let old = NewCampaign { label: None, ..campaign() };
    for (session, campaign) in [("a", &old), ("b", &campaign()), ("c", &old), ("d", &old)] {
        let id = store.begin_campaign(campaign).unwrap();
        store.begin_session(session, id, &browser(), 1).unwrap();
        store.end_session(session, Ending::Finished, 0, 2).unwrap();
    }
    let record = |session: &str, day| RunRecord {
        id: format!("{session}{day}"),
        session: Some(session.to_owned()),
        ..record("tiny", day * DAY, 1)
    };
    store
        .insert(&[record("a", 1), record("b", 1), record("c", 1), record("c", 9), record("d", 1)], 0)
        .unwrap();
    store.insert_events(&[event_record(1, scaled(""))], 0).unwrap();
    let pruned = store.prune(5 * DAY + 1).unwrap();
    assert_eq!(pruned.n_events, 1);
    assert_eq!((pruned.n_runs, pruned.n_sessions, pruned.n_campaigns), (3, 2, 0));
    let kept: Vec<String> =
        store.recent(&Filter::default(), 9).unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(kept, ["c9", "b1"]);
    assert_eq!(store.begin_campaign(&old).unwrap(), 5);
    assert_eq!(store.problems().unwrap(), [""; 0]);
}

#[test]
fn runs_are_rolled_up_by_day_before_they_go() {
    let store = Store::in_memory().unwrap();
    let visitor = |run: RunRecord| RunRecord { session: None, case: None, ..run };
    let cold = RunRecord {
        cold: true,
        phases: Phases { load_micros: Some(500), ..record("tiny", 0, 90).phases },
        ..record("tiny", 7, 0)
    };
    let lost = RunRecord { backend_detail: "simd128".to_owned(), ..failed(8) };
    let mut runs = vec![cold, lost];
    runs.extend([(1, 40), (2, 10), (3, 20), (4, 30), (5, 90)].map(|(at, micros)| record("tiny", at, micros)));
    runs.extend([record("tiny", DAY, 70), record("tiny", 2 * DAY, 80)]);
    store.insert(&runs.into_iter().map(visitor).collect::<Vec<_>>(), 0).unwrap();
    // The third day has not ended.
    assert_eq!(store.prune(3 * DAY - 1).unwrap().n_runs, 8);
    let id = store.series(&Filter::default()).unwrap()[0].id;
    let medians = |metric| {
        let rolled_up = store.rolled_up(id, metric, None).unwrap();
        rolled_up.iter().map(|one| (one.started_unix_micros, one.micros)).collect::<Vec<_>>()
    };
    assert_eq!(medians(Metric::Warm), [(1, 30.0), (DAY, 70.0)]);
    assert_eq!(medians(Metric::Cold), [(7, 590.0)]);
    let first =
        "SELECT n, n_failed, min_micros, lower_quartile_micros, upper_quartile_micros, max_micros, mad_micros
                 FROM rollup WHERE first_unix_micros = 1";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
    };
    let found: (i64, i64, f64, f64, f64, f64, f64) = store.lock().query_row(first, [], row).unwrap();
    assert_eq!(found, (5, 1, 10.0, 20.0, 40.0, 90.0, 10.0));
    // A record that comes late loses nothing and changes nothing.
    store.insert(&[visitor(record("tiny", 6, 1_000))], 0).unwrap();
    store.prune(DAY).unwrap();
    assert_eq!(medians(Metric::Warm), [(1, 30.0), (6, 1_000.0), (DAY, 70.0)]);
    assert_eq!(store.problems().unwrap(), [""; 0]);
}

#[test]
fn retention_acts_once_a_day_and_can_be_off() {
    let store = Store::in_memory().unwrap();
    let now = 200 * DAY;
    let old = RunRecord { session: None, ..record("tiny", 100 * DAY, 1) };
    store
        .insert(&[old.clone(), RunRecord { id: "young".to_owned(), ..record("tiny", 180 * DAY, 1) }], 0)
        .unwrap();
    assert_eq!(store.keep_up(now).unwrap().unwrap().n_runs, 1);
    store.insert(&[old], 0).unwrap();
    assert_eq!(store.keep_up(now + DAY - 1).unwrap(), None);
    assert_eq!(store.keep_up(now + DAY).unwrap().unwrap().n_runs, 1);
    store.set_retention(None).unwrap();
    assert_eq!(store.keep_up(now + 900 * DAY).unwrap(), None);
    store.set_retention(Some(DAY)).unwrap();
    assert_eq!(store.keep_up(now + DAY).unwrap().unwrap().n_runs, 1);
}

#[test]
fn a_copy_holds_everything_and_damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("history.sqlite"), folder.path().join("copy.sqlite"));
    let store = Store::open(&path).unwrap();
    let many: Vec<RunRecord> = (0..500).map(|n| record("tiny", n, 1)).collect();
    store.insert(&many, 0).unwrap();
    store.back_up(&copy).unwrap();
    store.back_up(&copy).unwrap_err();
    assert_eq!(Store::open(&copy).unwrap().n_runs().unwrap(), 500);

    let mut bytes = std::fs::read(&copy).unwrap();
    let n = bytes.len();
    bytes[n / 2..n / 2 + 4096].fill(0x55);
    std::fs::write(&copy, bytes).unwrap();
    assert!(
        !Store::open(&copy).is_ok_and(|store| store.problems().is_ok_and(|problems| problems.is_empty()))
    );
}

#[test]
fn experiments_are_no_part_of_a_series() {
    let store = Store::in_memory().unwrap();
    let add = |hours| add_synthetic_campaign(&store, "test", hours, &[("tiny", &[10.0, 20.0])]);
    let (ordinary, experiment) = (add(0), add(1));
    let mark = "UPDATE campaign SET is_experiment = 1 WHERE id = ?1";
    store.lock().execute(mark, [experiment]).unwrap();
    let id = store.series(&Filter::default()).unwrap()[0].id;
    let n = |campaign| store.points(id, Metric::Warm, None, campaign).unwrap().len();
    assert_eq!((n(None), n(Some(ordinary)), n(Some(experiment))), (2, 2, 2));
    assert_eq!(store.campaign(None).unwrap().unwrap().id, ordinary);
}

#[test]
fn rolled_up_experiments_do_not_count() {
    let store = Store::in_memory().unwrap();
    let add = |hours| {
        let id = add_synthetic_campaign(&store, "", hours, &[("tiny", &[10.0, 20.0])]);
        let lost = RunRecord {
            session: Some(format!("{id}-chromium-1")),
            backend_detail: "simd128".to_owned(),
            ..failed(hours as i64 * 3_600_000_000 + 9)
        };
        store.insert(&[lost], 0).unwrap();
        id
    };
    let (_ordinary, experiment) = (add(0), add(1));
    let mark = "UPDATE campaign SET is_experiment = 1 WHERE id = ?1";
    store.lock().execute(mark, [experiment]).unwrap();
    let id = store.series(&Filter::default()).unwrap()[0].id;
    let n_failed = |campaign| store.n_failed(id, None, campaign).unwrap();
    assert_eq!((n_failed(None), n_failed(Some(experiment))), (1, 1));
    assert_eq!(store.prune(DAY).unwrap().n_runs, 6);
    assert_eq!(store.n_rolled_up(id, None).unwrap(), (2, 1));
    assert_eq!(store.rolled_up(id, Metric::Warm, None).unwrap().len(), 1);
}
