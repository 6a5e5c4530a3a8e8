//! `tabpool bench` and `tabpool doctor` with real browsers: the document, the rows, and no process left behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tabpool_tests::agent::{self, Running};
use tabpool_tests::cache::Zoo;
use tabpool_tests::poll::eventually;
use tabpool_tests::process::wait_until_gone;

const BROWSERS: [&str; 3] = ["chromium", "firefox", "webkit"];
const N_WARMUP: i64 = 1;
const N_RUNS: i64 = 2;
/// Three browsers, some small models, on a busy machine with two cores.
const BENCH_LIMIT: Duration = Duration::from_secs(900);
/// A browser starts and runs something.
const BROWSER_LIMIT: Duration = Duration::from_secs(300);
/// Browsers end, and whoever watches over them.
const END_LIMIT: Duration = Duration::from_secs(120);

fn bench(database: &Path, more: &[&str]) -> Result<Running> {
    let database = database.to_string_lossy();
    let (runs, warmup) = (N_RUNS.to_string(), N_WARMUP.to_string());
    let mut arguments = vec!["bench", "--json", "--db", &database];
    arguments.extend(more);
    if !more.contains(&"--runs") {
        arguments.extend(["--runs", &runs, "--warmup", &warmup]);
    }
    Running::start(&arguments)
}

/// For reading only: a database that the agent has not made yet must not come to be here.
fn open(database: &Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// Rows of one case in one browser.
#[derive(Debug, PartialEq)]
struct Counts {
    n_runs: i64,
    n_cold: i64,
    n_warmup: i64,
}

/// Rows that succeeded, by browser, engine and case.
fn row_counts(database: &Path) -> Result<BTreeMap<[String; 3], Counts>> {
    let connection = open(database)?;
    let mut statement = connection.prepare(
        "SELECT browser_name, engine, case_id, count(*), sum(cold), sum(is_warmup) FROM run
         WHERE fault_code IS NULL AND total_micros > 0 AND run_micros > 0 AND browser_version != ''
         GROUP BY browser_name, engine, case_id",
    )?;
    let rows = statement.query_map([], |row| {
        let counts = Counts { n_runs: row.get(3)?, n_cold: row.get(4)?, n_warmup: row.get(5)? };
        Ok(([row.get(0)?, row.get(1)?, row.get(2)?], counts))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[test]
fn three_browsers_measure_and_every_run_is_a_row() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite");
    let mut more = vec!["--model", "magika", "--model", "silero-vad"];
    more.extend(BROWSERS.iter().flat_map(|browser| ["--browser", browser]));
    let finished = bench(&database, &more)?.finish(BENCH_LIMIT)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    let document = finished.json()?;

    let counts = row_counts(&database)?;
    let rows = document["rows"].as_array().context("the document has rows")?;
    ensure!(rows.len() == counts.len() && !rows.is_empty(), "{counts:?} against {document}");
    for row in rows {
        ensure!(row["fault"].is_null() && row["check"]["ok"] == true, "{row}");
        ensure!(row["warm"]["n"] == N_RUNS && row["cold_micros"].as_f64() > Some(0.0), "{row}");
    }
    for browser in BROWSERS {
        for model in ["magika", "silero-vad"] {
            let n = rows.iter().filter(|row| row["browser"] == browser && row["model"] == model).count();
            ensure!(n > 0, "nothing of {model} in {browser}: {document}");
        }
    }
    // The cold run, the warm-ups, the measured ones.
    let expected = Counts { n_runs: 1 + N_WARMUP + N_RUNS, n_cold: 1, n_warmup: N_WARMUP };
    for (case, counts) in &counts {
        ensure!(*counts == expected, "{case:?}: {counts:?}");
    }
    check_context(&database)
}

/// Every row says where it comes from: session, model bytes, SIMD build, memory.
fn check_context(database: &Path) -> Result<()> {
    let connection = open(database)?;
    let zoo = Zoo::read()?;
    let mut statement = connection.prepare(
        "SELECT run.browser_name, model, model_sha256, backend_detail, memory_bytes, session.ending
         FROM run JOIN session ON session.id = run.session",
    )?;
    let mut rows = statement.query([])?;
    let mut n_rows = 0;
    while let Some(row) = rows.next()? {
        let [browser, model, sha256, build] =
            [row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        let expected_build = if browser == "webkit" { "simd128" } else { "relaxed-simd" };
        ensure!(sha256 == zoo.file(&model)?.sha256, "{model} has hash {sha256}");
        ensure!(build == expected_build, "{browser} ran the {build} build");
        ensure!(row.get::<_, i64>(4)? > 1 << 20, "{browser} needed no memory for {model}");
        ensure!(row.get::<_, String>(5)? == "finished", "the session in {browser} did not finish");
        n_rows += 1;
    }
    let n_all: i64 = connection.query_row("SELECT count(*) FROM run", [], |row| row.get(0))?;
    ensure!(n_rows == n_all, "{n_rows} of {n_all} rows belong to a session");
    Ok(())
}

#[test]
fn a_peer_runs_in_turns_on_the_same_inputs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite");
    let more = ["--model", "magika", "--browser", "chromium", "--peer", "ort-web"];
    let finished = bench(&database, &more)?.finish(BENCH_LIMIT)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    let document = finished.json()?;
    let rows = document["rows"].as_array().context("the document has rows")?;
    ensure!(rows.iter().all(|row| row["check"]["ok"] == true), "{document}");
    let n = |engine: &str| rows.iter().filter(|row| row["engine"] == engine).count();
    ensure!(n("tabpool") > 0 && n("tabpool") == n("ort-web"), "{document}");

    let connection = open(&database)?;
    let mut statement = connection.prepare(
        "SELECT engine FROM run WHERE case_id = 'magika/1x2048-shell/wasm' ORDER BY started_unix_micros",
    )?;
    let order: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let (pairs, rest) = order.as_chunks::<2>();
    ensure!(pairs.len() == 4 && rest.is_empty(), "{order:?}");
    ensure!(pairs.iter().all(|[first, second]| first != second), "not in turns: {order:?}");
    ensure!(pairs.windows(2).all(|two| two[0] != two[1]), "the order does not alternate: {order:?}");
    Ok(())
}

#[test]
fn ctrl_c_leaves_no_process_and_keeps_the_rows() -> Result<()> {
    for browser in BROWSERS {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("history.sqlite");
        let running = start_and_wait_for_rows(&database, browser)?;
        let family = running.group.descendants()?;
        ensure!(family.len() > 1, "{browser}: only {family:?}");
        running.group.interrupt()?;
        let finished = running.finish(END_LIMIT)?;
        wait_until_gone(&family, END_LIMIT).with_context(|| format!("after Ctrl-C with {browser}"))?;
        ensure!(finished.json()?["interrupted"] == true, "{finished:?}");
        ensure!(!row_counts(&database)?.is_empty(), "{browser}: the rows are gone");
    }
    Ok(())
}

#[test]
fn a_killed_agent_leaves_no_process() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut running = start_and_wait_for_rows(&folder.path().join("history.sqlite"), "chromium")?;
    let family = running.group.descendants()?;
    running.group.child().kill()?;
    wait_until_gone(&family, END_LIMIT)
}

/// A benchmark that would take hours, once it has measured something.
fn start_and_wait_for_rows(database: &Path, browser: &str) -> Result<Running> {
    let running = bench(database, &["--model", "magika", "--browser", browser, "--runs", "10000"])?;
    eventually("the first row", BROWSER_LIMIT, || {
        ensure!(!row_counts(database)?.is_empty(), "no rows yet");
        Ok(())
    })
    .with_context(|| format!("{browser}: {}", running.stderr().unwrap_or_default()))?;
    Ok(running)
}

#[test]
fn the_doctor_sees_a_worker_in_every_browser() -> Result<()> {
    let finished = agent::run(&["doctor", "--json"], BENCH_LIMIT)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    let document = finished.json()?;
    let browsers = document["browsers"].as_array().context("the document has browsers")?;
    for (name, build) in [("chromium", "relaxed-simd"), ("firefox", "relaxed-simd"), ("webkit", "simd128")] {
        let browser = browsers.iter().find(|browser| browser["name"] == name);
        let browser = browser.with_context(|| format!("no {name} in {document}"))?;
        let capabilities = &browser["capabilities"];
        ensure!(capabilities["wasm_build"] == build, "{browser}");
        ensure!(capabilities["cross_origin_isolated"] == true, "{browser}");
        let backends = capabilities["backends"].as_array().context("backends")?;
        ensure!(backends.contains(&Value::from("wasm")), "{browser}");
        // Whatever is not there says why.
        for (absent, reason) in [("adapter", "webgpu_reason"), ("webnn_devices", "webnn_reason")] {
            let found = &capabilities[absent];
            let is_absent = found.is_null() || found.as_array().is_some_and(Vec::is_empty);
            ensure!(!is_absent || capabilities[reason].is_string(), "{name} does not say why: {browser}");
        }
    }
    Ok(())
}
