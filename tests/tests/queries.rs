//! Other programs on the history: DuckDB answers the documented queries, on SQLite and on Parquet, as `tabpool` does, and
//! `promtool` accepts the metrics.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tabpool_tests::agent::{self, Server};
use tabpool_tests::cache;
use wire::{
    Backend, Browser, EventRecord, EventSource, Fault, FaultCategory, MetricsBatch, Outcome, Phases,
    PoolEvent, Precision, RunRecord,
};

const COMMAND_LIMIT: Duration = Duration::from_secs(120);
const DAY_MICROS: i64 = 86_400_000_000;

/// Where `.ci/setup --tests` puts tools.
fn tool(path: &str) -> Result<PathBuf> {
    let tool = cache::home()?.join("tools").join(path);
    ensure!(tool.exists(), "{} is missing\nhint: `.ci/setup --tests` installs it", tool.display());
    Ok(tool)
}

/// Runs of two models in two browsers on three days, some of which failed, and recoveries; no two times are equal. They
/// are ten days old: too young for the agent to roll them up by itself.
fn batch() -> Result<MetricsBatch> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let first_day_micros = (i64::try_from(since_epoch.as_micros())? / DAY_MICROS - 10) * DAY_MICROS;
    let mut batch = MetricsBatch { schema: wire::SCHEMA, ..MetricsBatch::default() };
    for index in 0..240_u32 {
        let fault = Fault::new(FaultCategory::Timeout, "run-timeout", "run took too long");
        let is_failed = index.is_multiple_of(17);
        let cold = index.is_multiple_of(40);
        let micros = u64::from(1_000 + (index * 7_919) % 1_009);
        batch.records.push(RunRecord {
            id: format!("run {index}"),
            session: None,
            case: None,
            started_unix_micros: first_day_micros + i64::from(index) * DAY_MICROS / 80,
            browser: Browser {
                name: if index.is_multiple_of(3) { "firefox" } else { "chromium" }.to_owned(),
                ..Browser::default()
            },
            engine: "tabpool".to_owned(),
            engine_version: "0".to_owned(),
            backend: Backend::Wasm,
            backend_detail: "simd128".to_owned(),
            adapter: None,
            precision: Precision::F32,
            model: if index.is_multiple_of(2) { "tiny" } else { "big" }.to_owned(),
            model_sha256: String::new(),
            shapes: "x:1".to_owned(),
            cold,
            connection: 1,
            attempt: 1,
            phases: Phases {
                run_micros: (!is_failed).then_some(micros),
                load_micros: (cold && !is_failed).then_some(10 * micros),
                ..Phases::default()
            },
            memory_bytes: 0,
            outcome: if is_failed { Outcome::Failed { fault } } else { Outcome::Ok },
        });
    }
    for index in 0..9_u32 {
        batch.events.push(EventRecord {
            id: format!("event {index}"),
            session: None,
            at_unix_micros: first_day_micros + i64::from(index),
            source: EventSource::Page,
            browser: Browser::default(),
            connection: Some(index),
            event: PoolEvent::Recovered {
                category: FaultCategory::DeviceLost,
                component: "webgpu".to_owned(),
                strategy: if index < 6 { "other_backend" } else { "retry_in_place" }.to_owned(),
                is_success: index < 5,
                took_micros: u64::from(1_000 * index),
            },
        });
    }
    Ok(batch)
}

/// A history with the batch, through a real agent, which also tells its metrics.
fn record(database: &Path) -> Result<[String; 2]> {
    let server = Server::start(database, 0)?;
    let posted: Value =
        ureq::post(format!("{}v1/metrics", server.url)).send_json(batch()?)?.body_mut().read_json()?;
    ensure!(posted == json!({ "accepted": 249, "duplicates": 0 }), "{posted}");
    let metrics = |accept: &str| -> Result<String> {
        let answer = ureq::get(format!("{}metrics", server.url)).header("accept", accept).call();
        Ok(answer?.body_mut().read_to_string()?)
    };
    let texts = [metrics("text/plain")?, metrics("application/openmetrics-text; version=1.0.0")?];
    ensure!(server.stop()? == Some(0), "the agent did not end in order");
    Ok(texts)
}

fn document(arguments: &[&str], database: &str) -> Result<Value> {
    let finished = agent::run(&[arguments, &["--json", "--db", database]].concat(), COMMAND_LIMIT)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    finished.json()
}

#[test]
fn duckdb_answers_as_tabpool_does() -> Result<()> {
    let packages = tool("duckdb")?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (database, parquet) = (path("history.sqlite"), path("runs.parquet"));
    record(Path::new(&database))?;
    let export = ["export", "--format", "parquet", "--output", &parquet, "--db", &database];
    let finished = agent::run(&export, COMMAND_LIMIT)?;
    ensure!(finished.code == Some(0) && finished.stderr.contains("240 runs"), "{finished:?}");

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/queries.py");
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", packages).args([script, &database, &parquet]);
    let output = python.stderr(Stdio::inherit()).output().context("python3 does not start")?;
    ensure!(output.status.success(), "the queries fail");
    let answers: Value = serde_json::from_slice(&output.stdout)?;
    let (sqlite, parquet) = (&answers["sqlite"], &answers["parquet"]);
    let names: Vec<&String> = parquet.as_object().context("answers")?.keys().collect();
    ensure!(names.len() == 5, "{names:?}");
    for name in names {
        assert_eq!(sqlite[name], parquet[name], "{name}");
    }

    let ours = document(&["history", "--group-by", "model,browser,backend"], &database)?;
    let ours = ours["groups"].as_array().context("groups")?;
    let medians = parquet["medians"].as_array().context("medians")?;
    assert_eq!((ours.len(), medians.len()), (4, 4));
    for (ours, theirs) in ours.iter().zip(medians) {
        let expected = json!({
            "model": ours["model"], "browser_name": ours["browser"], "backend": ours["backend"],
            "n": ours["warm"]["n"], "median_micros": ours["warm"]["median_micros"],
        });
        assert_eq!(*theirs, expected);
    }
    let n_failed: u64 = ours.iter().filter_map(|group| group["n_failed"].as_u64()).sum();
    let failures = parquet["failures"].as_array().context("failures")?;
    assert_eq!(failures.iter().filter_map(|row| row["n_failed"].as_u64()).sum::<u64>(), n_failed);
    assert_eq!(failures[0]["most_frequent"], "timeout");
    let recoveries = document(&["history", "recoveries"], &database)?;
    for (ours, theirs) in recoveries["recoveries"]
        .as_array()
        .context("recoveries")?
        .iter()
        .zip(sqlite["recoveries"].as_array().context("recoveries")?)
    {
        let expected = json!([ours["strategy"], ours["n"], ours["median_micros"]]);
        assert_eq!(json!([theirs["strategy"], theirs["n"], theirs["median_micros"]]), expected);
    }
    Ok(())
}

#[test]
fn roll_ups_answer_where_runs_are_gone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite").display().to_string();
    record(Path::new(&database))?;
    let pruned = document(&["history", "prune", "--older-than", "1d"], &database)?;
    assert_eq!(pruned["removed"]["n_runs"], 240);
    let trends = document(&["trends", "--since", "5200w"], &database)?;
    let trends = trends["trends"].as_array().context("trends")?;
    ensure!(!trends.is_empty() && trends.iter().all(|trend| trend["is_rolled_up"] == true), "{trends:?}");
    Ok(())
}

#[test]
fn promtool_accepts_the_metrics() -> Result<()> {
    let promtool = tool("bin/promtool")?;
    let folder = tempfile::tempdir()?;
    let [prometheus, open_metrics] = record(&folder.path().join("history.sqlite"))?;
    ensure!(open_metrics.contains(" # {run=\"run ") && open_metrics.ends_with("# EOF\n"), "{open_metrics}");
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("promtool does not start")?;
    child.stdin.take().context("standard input is piped")?.write_all(prometheus.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    ensure!(output.status.success(), "promtool refuses: {said:?}");
    Ok(())
}
