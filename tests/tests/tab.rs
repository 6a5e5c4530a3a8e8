//! The pool of a tab with real engines: jobs that share a call, and iframes of another site, in each of the three browsers.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tabpool_tests::agent::Server;
use tabpool_tests::driver::Browser;
use tabpool_tests::{demo_page, in_every_browser};

const SCRIPT: &str = include_str!("../www/tab.js");
/// What another order of additions may change, as a share of an output's range.
const LIMIT: f64 = 1e-4;

in_every_browser!(visit);

fn visit(browser: Browser) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("history.sqlite"), 0)?;
    let driven = browser.drive()?;
    demo_page::open(&driven.session, &server.url)?;
    driven.session.add_script(SCRIPT)?;

    let batches = driven.session.call("batches", &json!(["minilm-l3"]))?;
    let shapes = "input_ids:1x16,attention_mask:1x16";
    let batched = format!("{shapes}@4");
    ensure!(batches["shapes"] == json!([shapes, batched, batched, batched, batched]), "{batches}");
    ensure!(batches["outputs"].as_u64() >= Some(2), "{batches}");
    let worst = batches["worst"].as_f64().with_context(|| format!("no difference in {batches}"))?;
    ensure!(worst <= LIMIT, "a job of a batch differs by {worst} from its run alone");

    let iframe = driven.session.call("iframe", &json!(["p1.localhost"]))?;
    ensure!(iframe["kind"] == "iframe" && iframe["nRespawns"] == 1, "{iframe}");
    ensure!(iframe["reason"] == "connection_lost", "{iframe}");
    ensure!(iframe["before"] == "rust" && iframe["after"] == "rust", "{iframe}");
    server.stop()?;
    Ok(())
}
