//! What goes wrong on a user's machine, done on purpose: each ends in a code and a hint, and everything else goes on.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tabpool_tests::agent::{self, Finished, Server};
use tabpool_tests::driver::Browser;
use wire::{Backend, Outcome, Phases, Precision, RunRecord};

const COMMAND_LIMIT: Duration = Duration::from_secs(240);
/// The exit code for something outside tabpool that is missing or refuses.
const ENVIRONMENT: i32 = 3;

#[track_caller]
fn check_hint(finished: &Finished, code: i32, message: &str) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert!(finished.stderr.contains(message), "{message:?} is not in {finished:?}");
    assert!(finished.stderr.contains("hint: "), "no hint in {finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
}

#[test]
fn a_port_in_use() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite");
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let port = taken.local_addr()?.port().to_string();
    let finished =
        agent::run(&["serve", "--port", &port, "--db", &database.to_string_lossy()], COMMAND_LIMIT)?;
    check_hint(&finished, ENVIRONMENT, &port);
    Ok(())
}

#[test]
fn a_browser_that_is_not_installed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite");
    // No program is found on an empty search path, so no browser is.
    let mut command = Command::new(agent::binary()?);
    command.args(["bench", "--browser", "edge", "--db"]).arg(&database).env("PATH", folder.path());
    let finished = agent::Running::start_command(command)?.finish(COMMAND_LIMIT)?;
    check_hint(&finished, ENVIRONMENT, "edge");
    Ok(())
}

#[test]
fn files_that_are_not_models() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let notes = folder.path().join("notes.onnx");
    std::fs::write(&notes, "these are only some notes\n")?;
    let short = folder.path().join("short.onnx");
    let model = tabpool_tests::cache::bytes("silero-vad")?;
    std::fs::write(&short, &model[..model.len() / 2])?;
    for (path, message) in [(notes, "not an onnx file"), (short, "truncated")] {
        let finished = agent::run(&["model", "inspect", &path.to_string_lossy()], COMMAND_LIMIT)?;
        check_hint(&finished, ENVIRONMENT, message);
    }
    Ok(())
}

#[test]
fn a_full_disk() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start_command(on_a_small_disk(folder.path(), &["serve", "--json", "--port", "0"])?)?;

    let refusal = (0..40).find_map(|batch| post_records(&server, batch).transpose());
    let refusal = refusal.context("the disk never filled up")??;
    ensure!(refusal["code"] == "store-full", "{refusal}");
    ensure!(refusal["hint"].is_string(), "{refusal}");

    let health = ureq::get(format!("{}v1/health", server.url)).call()?.body_mut().read_json::<Value>()?;
    ensure!(health["status"] == "ok", "{health}");
    ensure!(server.stop()? == Some(0), "the agent did not end in order");
    Ok(())
}

#[test]
fn a_disk_that_fills_up_while_measuring() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let arguments = ["bench", "--model", "oww-mel", "--browser", "chromium", "--runs", "1500"];
    let command = on_a_small_disk(folder.path(), &arguments)?;
    let finished = agent::Running::start_command(command)?.finish(COMMAND_LIMIT)?;
    check_hint(&finished, ENVIRONMENT, "the disk is full");
    ensure!(finished.stdout.contains("oww-mel"), "what was measured is not shown: {finished:?}");
    Ok(())
}

/// The agent with its database on a disk of two megabytes, in a mount namespace that ends with it. Root needs nothing
/// else for that; others need a user namespace around it.
fn on_a_small_disk(folder: &Path, arguments: &[&str]) -> Result<Command> {
    const MOUNT: &str = "mount -t tmpfs -o size=2m tabpool \"$1\"";
    let mut refusals = Vec::new();
    for namespaces in [["--mount"].as_slice(), &["--user", "--map-root-user", "--mount"]] {
        let shell = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(namespaces).args(["sh", "-c", script, "sh"]).arg(folder);
            command
        };
        let attempt = shell(MOUNT).output().context("unshare did not start\nhint: it is in util-linux")?;
        if attempt.status.success() {
            let mut command =
                shell(&format!("{MOUNT} && db=\"$1/h.sqlite\" && shift && exec \"$@\" --db \"$db\""));
            command.arg(agent::binary()?).args(arguments);
            return Ok(command);
        }
        refusals.push(String::from_utf8_lossy(&attempt.stderr).trim().to_owned());
    }
    bail!(
        "this system lets nobody mount a small disk: {}\nhint: run the tests as root (in a container: with CAP_SYS_ADMIN), \
         or `sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=1000` and, where AppArmor forbids it, \
         `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
        refusals.join("; ")
    )
}

/// Posts a batch of records, and gives the fault when the agent refuses it.
fn post_records(server: &Server, batch: u32) -> Result<Option<Value>> {
    let records: Vec<RunRecord> = (0..200).map(|index| record(format!("{batch}-{index}"))).collect();
    let http = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let body = wire::MetricsBatch { schema: wire::SCHEMA, records, ..Default::default() };
    let mut response = http.post(format!("{}v1/metrics", server.url)).send_json(body)?;
    if response.status().is_success() {
        return Ok(None);
    }
    Ok(Some(response.body_mut().read_json()?))
}

fn record(id: String) -> RunRecord {
    RunRecord {
        id,
        session: None,
        case: None,
        started_unix_micros: 1_700_000_000_000_000,
        browser: wire::Browser::default(),
        engine: "tabpool".to_owned(),
        engine_version: "0".to_owned(),
        backend: Backend::Wasm,
        backend_detail: String::new(),
        adapter: None,
        precision: Precision::F32,
        model: "magika".to_owned(),
        model_sha256: "0".repeat(64),
        shapes: "bytes:1x2048".to_owned(),
        cold: false,
        connection: 1,
        attempt: 1,
        phases: Phases::default(),
        memory_bytes: 0,
        outcome: Outcome::Ok,
    }
}

/// Wrong inputs, one after the other on one pool, and then a right one.
#[test]
fn inputs_that_do_not_fit() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("history.sqlite"), 0)?;
    let driven = Browser::Chromium.drive()?;
    driven.session.goto(&format!("{}doctor.html", server.url))?;
    let answers = driven.session.execute_async(include_str!("refusals/inputs.js"))?;
    let cases = answers.as_object().with_context(|| format!("not an object: {answers}"))?;
    let codes: Vec<(&str, &Value)> =
        cases.iter().map(|(name, answer)| (name.as_str(), &answer["code"])).collect();
    let expected = json!({
        "missing": "input-name",
        "name": "input-name",
        "shape": "input-shape",
        "size": "input-shape",
        "type": "input-dtype",
        "unknown model": "model-unknown",
    });
    let expected: Vec<(&str, &Value)> =
        expected.as_object().into_iter().flatten().map(|(name, code)| (name.as_str(), code)).collect();
    ensure!(codes == expected, "{answers}");
    for (name, answer) in cases {
        ensure!(answer["hint"].is_string(), "{name} has no hint: {answer}");
        ensure!(answer["nextRun"] == "ok", "the pool did not go on after {name}: {answer}");
    }
    Ok(())
}

#[test]
fn bodies_that_are_not_records() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("history.sqlite"), 0)?;
    let http = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    for (body, code) in [("{", "json"), (r#"{"schema":0,"records":[]}"#, "schema")] {
        let mut response = http.post(format!("{}v1/metrics", server.url)).send(body)?;
        let fault: Value = response.body_mut().read_json()?;
        ensure!(response.status() == 400 && fault["code"] == code, "{body}: {fault}");
    }
    ensure!(Path::new(&folder.path().join("history.sqlite")).exists(), "the database is not where --db says");
    Ok(())
}
