//! Other programs on the history: DuckDB answers the documented queries, on SQLite, Parquet and CSV, as `tabpool` does, and
//! `promtool` accepts the metrics. Answers do not depend on the time zone.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tabpool_tests::agent::{self, Server};
use tabpool_tests::cache;
use wire::{
    Adapter, Backend, Browser, EventRecord, EventSource, Fault, FaultCategory, MetricsBatch, Outcome, Phases,
    PoolEvent, Precision, RunRecord, TuningRecord,
};

const COMMAND_LIMIT: Duration = Duration::from_secs(120);
const DAY_MICROS: i64 = 86_400_000_000;

/// Where `.ci/setup --tests` puts tools.
fn tool(path: &str) -> Result<PathBuf> {
    let tool = cache::home()?.join("tools").join(path);
    ensure!(tool.exists(), "{} is missing\nhint: `.ci/setup --tests` installs it", tool.display());
    Ok(tool)
}

/// Campaigns, runs of a campaign and series, and series of the history that visitors are added to.
const N_CAMPAIGNS: usize = 3;
const N_RUNS: usize = 12;
const N_SERIES: usize = 16;

/// Runs of visitors.
const N_VISITS: usize = 240;

/// The adapter of `gpu`.
fn adapter() -> Adapter {
    Adapter {
        vendor: "google".to_owned(),
        architecture: "swiftshader".to_owned(),
        description: "SwiftShader Device".to_owned(),
        is_fallback: true,
    }
}

/// Runs of three models in two browsers on three days, one of them on WebGPU, some of which failed, recoveries, and measured
/// variants; no two times are equal. They are ten days old: too young for the agent to roll them up by itself.
fn batch() -> Result<MetricsBatch> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let first_day_micros = (i64::try_from(since_epoch.as_micros())? / DAY_MICROS - 10) * DAY_MICROS;
    let mut batch = MetricsBatch { schema: wire::SCHEMA, ..MetricsBatch::default() };
    for index in 0..N_VISITS as u32 {
        let fault = Fault::new(FaultCategory::Timeout, "run-timeout", "run took too long");
        let is_failed = index.is_multiple_of(17);
        let cold = index.is_multiple_of(40);
        let micros = u64::from(1_000 + (index * 7_919) % 1_009);
        let is_gpu = index % 5 == 4;
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
            backend: if is_gpu { Backend::Webgpu } else { Backend::Wasm },
            backend_detail: if is_gpu { "" } else { "simd128" }.to_owned(),
            adapter: is_gpu.then(adapter),
            precision: Precision::F32,
            model: match index % 2 {
                _ if is_gpu => "gpu",
                0 => "tiny",
                _ => "big",
            }
            .to_owned(),
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
                impact: Some(0.1),
            },
        });
    }
    for (index, variant) in ["tile 4x4", "tile 8x8"].into_iter().enumerate() {
        batch.tunings.push(TuningRecord {
            id: format!("trial {index}"),
            at_unix_micros: first_day_micros,
            browser: Browser { name: "chromium".to_owned(), ..Browser::default() },
            backend: Backend::Webgpu,
            adapter: Some(adapter()),
            key: "matmul f32".to_owned(),
            variant: variant.to_owned(),
            micros: 900.0 - 100.0 * index as f64,
            is_chosen: index == 1,
        });
    }
    Ok(batch)
}

/// A history of generated campaigns with the batch, through a real agent, which also tells its metrics.
fn record(database: &Path) -> Result<[String; 2]> {
    let n_runs = (N_CAMPAIGNS * N_RUNS * N_SERIES).to_string();
    let (n_series, n_campaigns) = (N_SERIES.to_string(), N_CAMPAIGNS.to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/history_gen.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(database);
    python.args(["--runs", &n_runs, "--series", &n_series, "--campaigns", &n_campaigns]);
    ensure!(python.status().context("python3 does not start")?.success(), "no history was generated");
    let server = Server::start(database, 0)?;
    let posted: Value =
        ureq::post(format!("{}v1/metrics", server.url)).send_json(batch()?)?.body_mut().read_json()?;
    ensure!(posted == json!({ "accepted": N_VISITS + 9 + 2, "duplicates": 0 }), "{posted}");
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

/// The exports of a history, Parquet first.
fn export(database: &str, folder: &Path) -> Result<[String; 2]> {
    let mut exported = [String::new(), String::new()];
    for (path, format) in exported.iter_mut().zip(["parquet", "csv"]) {
        *path = folder.join(format!("runs.{format}")).display().to_string();
        let arguments = ["export", "--format", format, "--output", path, "--db", database];
        let finished = agent::run(&arguments, COMMAND_LIMIT)?;
        let n_runs = format!("{} runs", N_CAMPAIGNS * N_RUNS * N_SERIES + N_VISITS);
        ensure!(finished.code == Some(0) && finished.stderr.contains(&n_runs), "{finished:?}");
    }
    Ok(exported)
}

/// What DuckDB answers to the documented queries, by the way in and the name of the query.
fn duckdb(database: &str, [parquet, csv]: &[String; 2]) -> Result<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/queries.py");
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", tool("duckdb")?).args([script, database, parquet, csv]);
    let output = python.stderr(Stdio::inherit()).output().context("python3 does not start")?;
    ensure!(output.status.success(), "the queries fail");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn rows<'a>(answers: &'a Value, name: &str) -> Result<&'a [Value]> {
    Ok(answers[name].as_array().with_context(|| format!("{name} in {answers}"))?)
}

#[test]
fn duckdb_answers_as_tabpool_does() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite").display().to_string();
    record(Path::new(&database))?;
    let answers = duckdb(&database, &export(&database, folder.path())?)?;
    let (sqlite, parquet) = (&answers["sqlite"], &answers["parquet"]);
    let names: Vec<&String> = parquet.as_object().context("answers")?.keys().collect();
    ensure!(names.len() == 6, "{names:?}");
    for name in names {
        ensure!(!rows(parquet, name)?.is_empty(), "{name} finds nothing");
        assert_eq!(sqlite[name], parquet[name], "{name}");
        assert_eq!(answers["csv"][name], parquet[name], "{name}");
    }

    let ours = document(&["history", "--group-by", "model,browser,backend"], &database)?;
    let (ours, medians) = (rows(&ours, "groups")?, rows(parquet, "medians")?);
    assert_eq!((ours.len(), medians.len()), (N_SERIES + 6, N_SERIES + 6));
    for (ours, theirs) in ours.iter().zip(medians) {
        let expected = json!({
            "model": ours["model"], "browser_name": ours["browser"], "backend": ours["backend"],
            "n": ours["warm"]["n"], "median_micros": ours["warm"]["median_micros"],
        });
        assert_eq!(*theirs, expected);
    }
    let n_failed: u64 = ours.iter().filter_map(|group| group["n_failed"].as_u64()).sum();
    let failures = rows(parquet, "failures")?;
    assert_eq!(failures.iter().filter_map(|row| row["n_failed"].as_u64()).sum::<u64>(), n_failed);
    assert_eq!((failures[0]["most_frequent"].as_str(), n_failed > 0), (Some("timeout"), true));
    let recoveries = document(&["history", "recoveries"], &database)?;
    let (ours, theirs) = (rows(&recoveries, "recoveries")?, rows(sqlite, "recoveries")?);
    assert_eq!((ours.len(), theirs.len()), (2, 2));
    for (ours, theirs) in ours.iter().zip(theirs) {
        let expected = json!([ours["strategy"], ours["n"], ours["median_micros"]]);
        assert_eq!(json!([theirs["strategy"], theirs["n"], theirs["median_micros"]]), expected);
    }
    assert_eq!(rows(parquet, "campaigns")?.len(), N_CAMPAIGNS * 8);
    let adapters = rows(parquet, "adapters")?;
    ensure!(
        adapters.len() == 2 && adapters.iter().all(|row| row["adapter_is_fallback"] == 1),
        "{adapters:?}"
    );
    let variants = rows(sqlite, "variants")?;
    assert_eq!((variants.len(), &variants[1]["is_chosen"]), (2, &json!(1)), "{variants:?}");
    Ok(())
}

#[test]
fn roll_ups_answer_where_runs_are_gone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite").display().to_string();
    record(Path::new(&database))?;
    let exported = export(&database, folder.path())?;
    let pruned = document(&["history", "prune", "--older-than", "1d"], &database)?;
    // The newest campaign stays.
    assert_eq!(pruned["removed"]["n_runs"], (N_CAMPAIGNS - 1) * N_RUNS * N_SERIES + N_VISITS);
    let trends = document(&["trends", "--since", "5200w"], &database)?;
    let trends = rows(&trends, "trends")?;
    ensure!(!trends.is_empty() && trends.iter().all(|trend| trend["is_rolled_up"] == true), "{trends:?}");

    // The days that were, and what is left of them.
    let answers = duckdb(&database, &exported)?;
    let days = rows(&answers["parquet"], "days")?;
    let left: Vec<&Value> =
        rows(&answers["sqlite"], "rolled up")?.iter().filter(|row| row["model"] == "tiny").collect();
    assert_eq!((days.len(), left.len()), (6, 6));
    for day in days {
        let is_same =
            |row: &&&Value| (&row["day"], &row["browser_name"]) == (&day["day"], &day["browser_name"]);
        let row = left.iter().find(is_same).with_context(|| format!("{day} in {left:?}"))?;
        assert_eq!((&row["n"], &row["median_micros"]), (&day["n"], &day["median_micros"]));
    }
    Ok(())
}

#[test]
fn time_zones_move_days_and_nothing_else() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite").display().to_string();
    record(Path::new(&database))?;
    let ask = |zone: &str, arguments: &[&str]| -> Result<Value> {
        let mut command = Command::new(agent::binary()?);
        command.env("TZ", zone).args(arguments).args(["--json", "--db", &database]);
        let finished = agent::Running::start_command(command)?.finish(COMMAND_LIMIT)?;
        ensure!(matches!(finished.code, Some(0 | 1)), "{finished:?}");
        finished.json()
    };
    let zones = ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"];
    let of_zones = |arguments: &[&str]| -> Result<Vec<Value>> {
        zones.iter().map(|zone| ask(zone, arguments)).collect()
    };
    let trends = of_zones(&["trends", "--since", "5200w"])?;
    ensure!(trends.iter().all(|one| one["trends"] == trends[0]["trends"]), "trends depend on the time zone");
    let days = of_zones(&["history", "--group-by", "day", "--since", "5200w"])?;
    let first_day = |document: &Value| -> Result<String> {
        let groups = rows(document, "groups")?;
        Ok(groups.iter().filter_map(|group| group["day"].as_str()).min().context("days")?.to_owned())
    };
    let n_runs = |document: &Value| -> Result<u64> {
        Ok(rows(document, "groups")?.iter().filter_map(|group| group["n_runs"].as_u64()).sum())
    };
    for (zone, document) in zones.iter().zip(&days) {
        assert_eq!(n_runs(document)?, n_runs(&days[0])?, "{zone}");
    }
    // Fourteen hours ahead and twelve behind: no time is the same day in both.
    ensure!(first_day(&days[1])? > first_day(&days[2])?, "{days:?}");
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
