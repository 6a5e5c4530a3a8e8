//! How models come into workers: the fallback build and the stored files of the catalogue, in each of the three browsers.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tabpool_tests::agent::Server;
use tabpool_tests::driver::Browser;
use tabpool_tests::{demo_page, in_every_browser};

const SCRIPT: &str = include_str!("../www/loading.js");

in_every_browser!(visit);

fn visit(browser: Browser) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("history.sqlite"), 0)?;
    let driven = browser.drive()?;
    demo_page::open(&driven.session, &server.url)?;
    driven.session.add_script(SCRIPT)?;

    let ours = driven.session.call("fallback", &json!([false]))?;
    ensure!(ours["fetched"] == json!([]), "the fallback is fetched though nothing needs it: {ours}");
    ensure!(ours["y"] == json!([0, 2, 0, 4]), "{ours}");
    ensure!(!is_fallback(&ours), "{ours}");
    let theirs = driven.session.call("fallback", &json!([true]))?;
    let fetched = json!(["engine-fallback.js", "engine-fallback_bg.wasm"]);
    ensure!(theirs["fetched"] == fetched, "the fallback is not fetched once: {theirs}");
    ensure!(theirs["y"] == json!([-1, 2, -3, 4]), "{theirs}");
    ensure!(is_fallback(&theirs), "the record does not say that the fallback ran it: {theirs}");

    let stored = driven.session.call("storage", &json!(["magika"]))?;
    ensure!(stored["before"] == stored["after"], "{stored}");
    // WebKitGTK has no storage of this kind: the page keeps the file.
    let is_stored = browser != Browser::Webkit;
    ensure!(stored["isStored"] == is_stored, "{stored}");
    ensure!(stored["wasRepaired"] == is_stored, "a damaged file was not fetched again: {stored}");
    server.stop()?;
    Ok(())
}

fn is_fallback(run: &Value) -> bool {
    run["detail"].as_str().is_some_and(|detail| detail.starts_with("rten"))
}
