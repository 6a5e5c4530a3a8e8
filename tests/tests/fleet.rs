//! `tabpool run` with real browsers: right results, each once, whatever becomes of the browsers meanwhile.

#[path = "fleet/decisions.rs"]
mod decisions;
#[path = "fleet/pages.rs"]
mod pages;
#[path = "fleet/running.rs"]
mod running;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Signal, kill_process_group};
use serde_json::{Value, json};
use tabpool_tests::agent::{self, Running};
use tabpool_tests::cache;
use tabpool_tests::poll::eventually;

use running::{Files, Fleet, LIMIT, read_lines};

fn n_restarts(document: &Value, browser: &str) -> Option<u64> {
    let browsers = document["browsers"].as_array()?;
    browsers.iter().find(|line| line["browser"] == browser)?["n_restarts"].as_u64()
}

#[test]
fn two_browsers_share_the_jobs_and_every_result_is_right() -> Result<()> {
    let mut fleet = Fleet::start()?;
    fleet.send(40)?;
    let document = fleet.finish()?;
    ensure!(document["n_ok"] == 40 && document["n_failed"] == 0, "{document}");
    let browsers = document["browsers"].as_array().context("browsers")?;
    ensure!(browsers.iter().all(|line| line["n_ok"].as_u64() > Some(0)), "one did nothing: {document}");
    Ok(())
}

#[test]
fn a_killed_browser_costs_no_job_and_comes_back() -> Result<()> {
    let mut fleet = Fleet::start()?;
    fleet.send(12)?;
    fleet.check_results()?;
    fleet.send(12)?;
    kill_process_group(fleet.browser("chromium")?, Signal::KILL)?;
    fleet.send(12)?;
    fleet.check_results()?;
    fleet.wait_until_ready(0, 2)?;
    let recovered =
        "json_extract(detail, '$.strategy') = 'restart_browser' AND json_extract(detail, '$.is_success')";
    fleet.wait_for_events(1, &format!("kind = 'recovered' AND {recovered}"))?;
    fleet.send(12)?;
    let document = fleet.finish()?;
    ensure!(document["n_ok"] == 48 && n_restarts(&document, "chromium") == Some(1), "{document}");
    Ok(())
}

#[test]
fn a_hung_browser_is_noticed_and_replaced() -> Result<()> {
    let mut fleet = Fleet::start()?;
    fleet.send(12)?;
    fleet.check_results()?;
    kill_process_group(fleet.browser("firefox")?, Signal::STOP)?;
    fleet.send(12)?;
    fleet.check_results()?;
    fleet.wait_until_ready(1, 2)?;
    let document = fleet.finish()?;
    ensure!(document["n_ok"] == 24 && n_restarts(&document, "firefox") == Some(1), "{document}");
    Ok(())
}

#[test]
fn bad_inputs_fail_alone_and_say_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("speech.wav"), cache::bytes("speech-wav")?)?;
    std::fs::write(file("noise.wav"), "no recording at all")?;
    let good = json!({ "audio": file("speech.wav") }).to_string();
    let poison = json!({ "audio": file("noise.wav") }).to_string();
    let missing = json!({ "audio": file("missing.wav") }).to_string();
    let lines = [&good, &poison, &good, "{\"audio\":", "", &missing, &poison, &good];
    std::fs::write(file("input"), lines.join("\n"))?;
    let [input, output, database] =
        ["input", "output", "history.sqlite"].map(|name| file(name).display().to_string());
    let arguments =
        ["run", "detect-speech", "--browser", "chromium", "-i", &input, "-o", &output, "--db", &database];
    let finished = agent::run(&arguments, LIMIT)?;
    ensure!(finished.code == Some(1), "{finished:?}");
    let lines = read_lines(Path::new(&output))?;
    ensure!(lines.keys().copied().eq([0, 1, 2, 3, 5, 6, 7]), "{lines:?}");
    for (index, code) in
        [(1, "not-a-recording"), (3, "input-json"), (5, "input-file"), (6, "not-a-recording")]
    {
        let line = &lines[&index];
        ensure!(line["ok"] == false && line["fault"]["code"] == code, "{line}");
        ensure!(line["fault"]["category"] == "validation" && line["fault"]["hint"].is_string(), "{line}");
    }
    let segments = &lines[&0]["result"]["segments"];
    ensure!(segments.as_array().is_some_and(|segments| !segments.is_empty()), "{}", lines[&0]);
    ensure!([2, 7].iter().all(|index| &lines[index]["result"]["segments"] == segments), "{lines:?}");
    ensure!(finished.stdout.contains("3 ok, 4 failed"), "{finished:?}");
    Ok(())
}

#[test]
fn ctrl_c_keeps_what_is_done_and_resume_does_the_rest() -> Result<()> {
    let files = Files::write()?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let n_jobs = 2000;
    std::fs::write(file("input"), (0..n_jobs).map(|index| files.line(index)).collect::<String>())?;
    let [input, output, database] =
        ["input", "output", "history.sqlite"].map(|name| file(name).display().to_string());
    let arguments = [
        "run",
        "identify-file",
        "--json",
        "--browser",
        "chromium",
        "-i",
        &input,
        "-o",
        &output,
        "--db",
        &database,
    ];
    let running = Running::start(&arguments)?;
    eventually("the first results", LIMIT, || {
        ensure!(read_lines(Path::new(&output))?.len() > 10, "none yet");
        Ok(())
    })?;
    running.group.interrupt()?;
    let finished = running.finish(LIMIT)?;
    ensure!(finished.code == Some(3) && finished.stderr.contains("hint: "), "{finished:?}");
    ensure!(finished.json()?["interrupted"] == true, "{finished:?}");
    let lines = read_lines(Path::new(&output))?;
    let n_ok = lines.values().filter(|line| line["ok"] == true).count();
    ensure!(n_ok > 10 && lines.len() < n_jobs, "{n_ok} of {}", lines.len());
    ensure!(
        lines.values().all(|line| line["ok"] == true || line["fault"]["category"] == "cancelled"),
        "{lines:?}"
    );

    let finished = agent::run(&[&arguments[..], &["--resume"]].concat(), LIMIT)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    ensure!(finished.json()?["n_ok"] == n_jobs - n_ok, "{finished:?}");
    let lines = read_lines(Path::new(&output))?;
    ensure!(lines.len() == n_jobs, "{} lines", lines.len());
    lines.iter().try_for_each(|(index, line)| files.check(usize::try_from(*index)?, line))
}

#[test]
fn a_browser_that_is_not_here_is_an_error_with_a_hint() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(agent::binary()?);
    // No program is found on an empty search path, so no browser is.
    command.args(["run", "identify-file", "--browser", "edge"]).env("PATH", folder.path());
    let finished = Running::start_command(command)?.finish(LIMIT)?;
    ensure!(finished.code == Some(3), "{finished:?}");
    ensure!(finished.stderr.contains("edge is not on this machine") && finished.stderr.contains("hint: "));
    ensure!(finished.stdout.is_empty(), "{finished:?}");
    Ok(())
}
