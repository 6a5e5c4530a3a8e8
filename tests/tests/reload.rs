//! What a pool has learnt survives a reload of its page, in each of the three browsers.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tabpool_tests::agent::Server;
use tabpool_tests::driver::Browser;
use tabpool_tests::webdriver::Session;
use tabpool_tests::{demo_page, in_every_browser};

const VISIT: &str = include_str!("../www/reload.js");

in_every_browser!(reload);

fn reload(browser: Browser) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("history.sqlite"), 0)?;
    let driven = browser.drive()?;
    let before = visit(&driven.session, &server.url, true)?;
    let after = visit(&driven.session, &server.url, false)?;
    ensure!(before["breaker"]["state"] == "open", "the breaker never opened: {before}");
    // A new breaker is closed. On a busy machine this one's interval may be over by now: then it lets probes pass.
    ensure!(after["breaker"]["state"] != "closed", "the breaker does not stand where it stood: {after}");
    let number =
        |visit: &Value, name: &str| visit[name].as_f64().with_context(|| format!("no {name} in {visit}"));
    let (measured, remembered) = (number(&before, "runMs")?, number(&after, "runMs")?);
    ensure!((remembered / measured - 1.0).abs() < 0.01, "{remembered} ms is not {measured} ms");
    let (known, kept) = (number(&before, "uncertainty")?, number(&after, "uncertainty")?);
    ensure!(kept < 1.25 * known, "the latency is more of a guess than it was: {before} {after}");
    server.stop()?;
    Ok(())
}

/// Opens the page anew and runs a visit in it.
fn visit(page: &Session, url: &str, runs: bool) -> Result<Value> {
    demo_page::open(page, url)?;
    page.add_script(VISIT)?;
    page.call("visit", &json!([runs]))
}
