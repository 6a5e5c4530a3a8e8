//! `tabpool bench --ab` with a real browser: two builds take turns, and a family of their ratios is judged.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use tabpool_tests::agent;

/// Six launches of a browser on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn a_build_against_itself_takes_turns_and_gives_no_alarm() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite").display().to_string();
    let build = concat!(env!("CARGO_MANIFEST_DIR"), "/../www/pkg");
    let what =
        ["--model", "silero-vad", "--browser", "chromium", "--runs", "6", "--warmup", "1", "--launches", "3"];
    let arguments =
        [&["bench", "--ab", build, build], what.as_slice(), &["--json", "--db", &database]].concat();
    let finished = agent::run(&arguments, LIMIT)?;
    // Unchanged, or too noisy to tell; never slower.
    ensure!(matches!(finished.code, Some(0 | 5)), "{finished:?}");
    let document = finished.json()?;
    let compared = document["verdict"]["compared"].as_array().context("comparisons")?;
    ensure!(compared.len() == 2, "{document}");
    for one in compared {
        ensure!(matches!(one["outcome"].as_str(), Some("unchanged" | "not-enough-data")), "{one}");
        ensure!(
            one["n_baseline"] == 18 && one["n_candidate"] == 18 && one["n_baseline_groups"] == 3,
            "{one}"
        );
        ensure!(one["ratio"].as_f64().is_some_and(|ratio| (0.3..3.0).contains(&ratio)), "{one}");
    }
    check_turns(Path::new(&database))
}

/// Every launch ran both builds run by run, and no run is part of trends.
fn check_turns(database: &Path) -> Result<()> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare(
        "SELECT run.campaign FROM run JOIN campaign ON campaign.id = run.campaign
         WHERE campaign.is_experiment AND NOT cold AND fault_code IS NULL AND case_id LIKE '%/64x576/%'
         ORDER BY run.started_unix_micros",
    )?;
    let order: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let (turns, rest) = order.as_chunks::<2>();
    ensure!(turns.len() == 3 * 7 && rest.is_empty(), "{order:?}");
    ensure!(turns.iter().all(|[first, second]| first != second), "not in turns: {order:?}");
    Ok(())
}
