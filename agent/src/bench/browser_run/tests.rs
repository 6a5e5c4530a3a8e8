//! What is kept of a session: beside the page's own records, and when nothing more can be stored.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::*;
use crate::browser::KINDS;
use crate::store::{Dimension, Filter, Store};
use crate::testing::{SESSION, browser, campaign, planned_case, record};
use crate::zoo::Cache;

/// Calls `test` with a bench whose history has one campaign.
fn with_bench(test: impl AsyncFnOnce(Bench<'_>)) {
    let store = Store::in_memory().unwrap();
    let campaign = store.begin_campaign(&campaign()).unwrap();
    let app = Arc::new(App {
        store,
        cache: Cache::at("/nonexistent"),
        www: PathBuf::from("/nonexistent"),
        peers: Vec::new(),
        builds: None,
        sessions: Default::default(),
    });
    let (_sender, interrupt) = watch::channel(false);
    let bench = Bench {
        app: &app,
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1),
        launcher: &Launcher::new().unwrap(),
        campaign,
        peers: &[],
        rival: None,
        extras: Extras::default(),
        timeout: Duration::from_secs(1),
        interrupt,
        printer: &Printer::plain(),
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test(bench));
}

/// A page that was lost in its first case after the outputs had been compared.
fn lost(cases: &[PlannedCase]) -> Page {
    let mut page = Page::new(cases);
    page.on_report(Report::CaseBegun(0));
    let check = Check { ok: true, max_abs_ratio: None, cosine: None, problem: None };
    page.on_report(Report::Output { case: 0, engine: "tabpool".to_owned(), check });
    page.on_lost(Ending::Timeout, silent(1));
    page.settle(&[]);
    page
}

#[test]
fn failures_count_beside_the_successes_of_the_same_browser() {
    with_bench(async |bench| {
        let store = &bench.app.store;
        for session in [SESSION, "1-chromium-2"] {
            store.begin_session(session, bench.campaign, &browser(), 1).unwrap();
        }
        store.insert(&[record("tiny", 2, 20)], 0).unwrap();
        let cases = [PlannedCase {
            bench: wire::BenchCase {
                inputs: vec![wire::TensorHeader {
                    name: "x".to_owned(),
                    dtype: wire::DType::Int64,
                    dims: vec![1],
                }],
                ..planned_case("tiny").bench
            },
            ..planned_case("tiny")
        }];
        let mut run = BrowserRun { browser: browser(), ..BrowserRun::default() };
        bench.keep(("1-chromium-2", None), &lost(&cases), &cases, &mut run).unwrap();
        let rows = store.history(&Filter::default(), &Dimension::COMPARABLE).unwrap();
        let counts: Vec<(usize, usize)> = rows.iter().map(|row| (row.n_runs, row.n_failed)).collect();
        assert_eq!(counts, [(2, 1)], "{rows:?}");
    });
}

#[test]
fn a_full_disk_ends_the_bench_but_not_what_is_known() {
    with_bench(async |bench| {
        let store = &bench.app.store;
        store.limit_pages_for_test(0);
        let mut n_sessions = 0;
        let nobody = Browser::default();
        while store.begin_session(&n_sessions.to_string(), bench.campaign, &nobody, 1).is_ok() {
            n_sessions += 1;
        }
        let cases = [planned_case("tiny")];
        let mut run = BrowserRun::default();
        let long = "x".repeat(10_000);
        assert!(matches!(bench.keep((&long, None), &lost(&cases), &cases, &mut run), Err(StoreError::Full)));
        assert_eq!((run.faults.len(), run.checks.len()), (1, 1));

        let found = Found { kind: &KINDS[0], program: PathBuf::from("/nonexistent") };
        let run = bench.run(&found, &cases, 1, 0).await;
        assert!(matches!(run.broken, Some(StoreError::Full)), "{run:?}");
    });
}
