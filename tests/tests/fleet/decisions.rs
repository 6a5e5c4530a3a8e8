//! What the pool decides of a fleet, and what an operator may: size, memory, batches, probes, breakers, second calls.

use anyhow::{Context as _, Result, ensure};
use tabpool_tests::agent;
use tabpool_tests::poll::eventually;

use crate::pages::Pages;
use crate::running::{Fleet, Jobs, LIMIT, read_lines};

/// Waits for an event while there is always something to do.
fn work_until(fleet: &mut Fleet, event: &str) -> Result<()> {
    eventually(event, LIMIT, || {
        fleet.send(4)?;
        ensure!(fleet.n_events(event)? > 0, "not yet: {}", fleet.text("stderr"));
        Ok(())
    })
}

#[test]
fn a_device_that_answers_wrongly_stays_open() -> Result<()> {
    let pages = Pages::write()?;
    let mut fleet = Fleet::begin(
        Jobs::Tensors,
        &["--browser", "chromium,firefox", "--batch", "1", "--www", pages.path()?],
    )?;
    fleet.wait_until_ready(1, 1)?;
    work_until(&mut fleet, "kind = 'called' AND connection = 1 AND json_extract(detail, '$.call') = 'load'")?;
    fleet.send(8)?;
    fleet.check_results()?;
    let breaker = |from: &str, to: &str| {
        format!(
            "kind = 'breaker' AND connection = 1 AND json_extract(detail, '$.component') = 'wasm'
             AND json_extract(detail, '$.from') = '{from}' AND json_extract(detail, '$.to') = '{to}'"
        )
    };
    pages.make("firefox", "failing")?;
    work_until(&mut fleet, &breaker("closed", "open"))?;
    // From here on it answers every call, and every answer is wrong.
    pages.make("firefox", "wrong")?;
    work_until(
        &mut fleet,
        "kind = 'called' AND connection = 1 AND json_extract(detail, '$.call') = 'probe'
         AND json_extract(detail, '$.fault') = 'numeric'",
    )?;
    work_until(&mut fleet, &breaker("half_open", "open"))?;
    ensure!(fleet.n_events(&breaker("half_open", "closed"))? == 0, "a wrong answer has closed it");
    fleet.check_results()?;
    pages.make("firefox", "well")?;
    work_until(&mut fleet, &breaker("half_open", "closed"))?;
    fleet.send(8)?;
    let document = fleet.finish()?;
    ensure!(document["n_failed"] == 0, "{document}");
    Ok(())
}

#[test]
fn a_fleet_grows_with_its_work_and_shrinks_for_memory() -> Result<()> {
    let pages = Pages::write()?;
    let arguments =
        ["--browser", "chromium", "--min", "1", "--max", "2", "--memory-limit", "2GB", "--batch", "1"];
    let mut fleet = Fleet::begin(Jobs::Tensors, &[&arguments[..], &["--www", pages.path()?]].concat())?;
    let scaled = |to: &str, reasons: &str| {
        format!(
            "kind = 'scaled' AND json_extract(detail, '$.to') = {to} AND json_extract(detail, '$.reason') IN ({reasons})"
        )
    };
    let grown = scaled("2", "'utilization', 'queue_delay'");
    work_until(&mut fleet, &grown)?;
    let measures = "json_extract(detail, '$.utilization') > 0.7 AND json_extract(detail, '$.n_queued') > 0
                    AND json_extract(detail, '$.memory_ratio') > 0";
    ensure!(fleet.n_events(&format!("{grown} AND {measures}"))? > 0, "it grew for another reason");
    fleet.wait_until_ready(1, 1)?;
    fleet.check_results()?;
    pages.make("chromium", "hungry")?;
    let shrunk = scaled("1", "'memory'");
    work_until(&mut fleet, &shrunk)?;
    ensure!(fleet.n_events(&format!("{shrunk} AND json_extract(detail, '$.memory_ratio') > 0.8"))? > 0);
    fleet.check_results()?;
    let said = fleet.text("stderr");
    ensure!(said.contains("opens browser 2: ") && said.contains("of the memory limit"), "{said}");
    let document = fleet.finish()?;
    let states = document["browsers"].as_array().context("browsers")?.iter().map(|line| &line["state"]);
    ensure!(states.filter(|state| *state == "closed").count() == 1, "{document}");
    Ok(())
}

#[test]
fn an_idle_fleet_shrinks_to_its_minimum() -> Result<()> {
    let arguments = ["--browser", "chromium", "--min", "1", "--max", "2", "--batch", "1"];
    let mut fleet = Fleet::begin(Jobs::Tensors, &arguments)?;
    work_until(&mut fleet, "kind = 'scaled' AND json_extract(detail, '$.to') = 2")?;
    fleet.wait_until_ready(1, 1)?;
    fleet.wait_for_events(1, "kind = 'scaled' AND json_extract(detail, '$.reason') = 'idle'")?;
    fleet.send(8)?;
    fleet.check_results()?;
    fleet.finish()?;
    Ok(())
}

#[test]
fn memory_above_the_limit_takes_the_model_out() -> Result<()> {
    let pages = Pages::write()?;
    let arguments = ["--browser", "chromium", "--memory-limit", "100MB", "--www", pages.path()?];
    let mut fleet = Fleet::begin(Jobs::Tensors, &arguments)?;
    fleet.send(4)?;
    fleet.check_results()?;
    pages.make("chromium", "hungry")?;
    fleet.send(4)?;
    fleet.check_results()?;
    fleet.wait_for_events(1, "kind = 'unloaded' AND json_extract(detail, '$.reason') = 'pressure'")?;
    fleet.send(4)?;
    fleet.check_results()?;
    let loads = "kind = 'called' AND json_extract(detail, '$.call') = 'load'";
    fleet.wait_for_events(2, loads)?;
    fleet.finish()?;
    Ok(())
}

#[test]
fn a_model_that_fits_nowhere_is_refused() -> Result<()> {
    let mut fleet = Fleet::begin(Jobs::Tensors, &["--browser", "chromium", "--memory-limit", "1MB"])?;
    fleet.send(3)?;
    let (code, document) = fleet.end()?;
    ensure!(code == Some(1) && document["n_failed"] == 3, "{document}");
    let lines = read_lines(&fleet.path("output"))?;
    ensure!(lines.values().all(|line| line["fault"]["category"] == "out_of_memory"), "{lines:?}");
    ensure!(document["failures"][0]["fault"]["hint"].is_string(), "{document}");
    ensure!(fleet.n_events("kind = 'ended' AND json_extract(detail, '$.cause') = 'out_of_memory'")? == 3);
    Ok(())
}

#[test]
fn jobs_of_equal_shapes_share_runs_and_come_out_as_alone() -> Result<()> {
    let mut fleet = Fleet::begin(Jobs::Tensors, &["--browser", "chromium", "--batch", "8"])?;
    // The first of each kind run alone or together; all others must agree with them.
    fleet.send(60)?;
    fleet.check_results()?;
    let (code, document) = fleet.end()?;
    ensure!(code == Some(0), "{document}");
    let batched = fleet.count("FROM run WHERE shapes LIKE 'bytes:1x2048@%' AND fault_category IS NULL")?;
    let alone = fleet.count("FROM run WHERE shapes = 'bytes:1x2048' AND fault_category IS NULL")?;
    ensure!(batched > 0 && alone > 0 && batched + alone == 60, "{batched} in batches, {alone} alone");
    Ok(())
}

#[test]
fn an_operator_keeps_a_backend_out() -> Result<()> {
    let arguments =
        ["--browser", "chromium,firefox", "--breaker", "firefox/wasm=forced-open,loader=metrics-only"];
    let mut fleet = Fleet::begin(Jobs::Tensors, &arguments)?;
    fleet.wait_until_ready(1, 1)?;
    fleet.send(24)?;
    fleet.check_results()?;
    let lines = read_lines(&fleet.path("output"))?;
    ensure!(lines.values().all(|line| line["browser"] == "chromium"), "{lines:?}");
    let set = |component: &str, mode: &str| {
        format!(
            "kind = 'breaker_mode' AND json_extract(detail, '$.component') = '{component}'
             AND json_extract(detail, '$.mode') = '{mode}'"
        )
    };
    ensure!(fleet.n_events(&format!("{} AND connection = 1", set("wasm", "forced_open")))? == 1);
    ensure!(fleet.n_events(&set("loader", "metrics_only"))? == 2);
    fleet.finish()?;
    let finished =
        agent::run(&["run", "magika", "--browser", "chromium", "--breaker", "webkit/wasm=disabled"], LIMIT)?;
    ensure!(finished.code == Some(2) && finished.stderr.contains("webkit"), "{finished:?}");
    Ok(())
}

#[test]
fn a_slow_run_gets_a_second_one_beside_it() -> Result<()> {
    let pages = Pages::write()?;
    let arguments = ["--browser", "chromium,firefox", "--batch", "1", "--hedge", "--www", pages.path()?];
    let mut fleet = Fleet::begin(Jobs::Tensors, &arguments)?;
    fleet.wait_until_ready(1, 1)?;
    // Both have run the model often enough for a long run to be told.
    eventually("runs in both", LIMIT, || {
        fleet.send(8)?;
        let n =
            |browser: &str| fleet.count(&format!("FROM run WHERE browser_name = '{browser}' AND NOT cold"));
        ensure!(n("firefox")? > 20 && n("chromium")? > 20, "not yet");
        Ok(())
    })?;
    fleet.check_results()?;
    // One job at a time goes where it is expected to be fast, and leaves the other browser free.
    pages.make("chromium", "slow")?;
    eventually("a second call", LIMIT, || {
        fleet.send(1)?;
        fleet.check_results()?;
        ensure!(fleet.n_events("kind = 'placed' AND json_extract(detail, '$.is_hedge')")? > 0, "not yet");
        Ok(())
    })?;
    pages.make("chromium", "well")?;
    fleet.check_results()?;
    let document = fleet.finish()?;
    ensure!(document["n_failed"] == 0, "{document}");
    Ok(())
}
