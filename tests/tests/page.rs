//! A person's way through the demo page, in each of the three browsers: every task, a burst, a killed worker, a phone.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tabpool_tests::agent::Server;
use tabpool_tests::cache;
use tabpool_tests::demo_page::{self, RUN_LIMIT};
use tabpool_tests::driver::Browser;
use tabpool_tests::in_every_browser;
use tabpool_tests::webdriver::Session;

/// Something that only the page itself does.
const PAGE_LIMIT: Duration = Duration::from_secs(120);
/// Runs that succeed on the way until the agent stops: five tasks, five more files, one more model, eight of a burst.
const N_RUNS: i64 = 19;
/// Width of a small phone's window, CSS pixels.
const PHONE_WIDTH: u32 = 360;

in_every_browser!(visit);

fn visit(browser: Browser) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("history.sqlite");
    let server = Server::start(&database, 0)?;
    let port = server.port()?;
    let driven = browser.drive()?;
    let page = &driven.session;
    demo_page::open(page, &server.url)?;

    compare_sentences(page)?;
    read_a_picture(page)?;
    find_speech(page)?;
    if browser != Browser::Webkit {
        // WebKitGTK's driver has no fake microphone.
        record_from_the_microphone(page)?;
    }
    identify_a_file(page)?;
    run_own_models(page)?;
    refuse_bad_models(page)?;
    kill_a_worker_during_a_burst(page)?;
    fit_on_a_phone(page)?;

    wait_for_records(page)?;
    let n_before = n_rows(&database)?;
    ensure!(n_before >= N_RUNS, "only {n_before} rows, with {} in the page", page.text("#agent")?);

    server.stop()?;
    go_on_without_the_agent(page)?;
    let _server = Server::start(&database, port)?;
    wait_for_records(page)?;
    ensure!(n_rows(&database)? > n_before, "no row arrived after the agent came back");
    Ok(())
}

fn open_task(page: &Session, task: &str) -> Result<()> {
    page.click(&format!(".task-nav a[href='#{task}']"))?;
    page.wait_until(&format!("!document.querySelector('#{task}').hidden"), "location.hash", PAGE_LIMIT)
}

/// Presses a task's main button, and waits for its result or its fault.
fn perform(page: &Session, task: &str) -> Result<()> {
    page.click(&format!("#{task} .primary"))?;
    wait_for_result(page, task)
}

fn wait_for_result(page: &Session, task: &str) -> Result<()> {
    let idle = format!("document.querySelector('#{task} .primary').disabled === false");
    page.wait_until(&idle, &format!("document.querySelector('#{task}').innerText"), RUN_LIMIT)?;
    let state = page.execute(&format!(
        "const task = document.querySelector('#{task}'); return [!task.querySelector('.result').hidden, task.innerText]"
    ))?;
    ensure!(state[0] == json!(true), "{task} has no result: {}", state[1]);
    Ok(())
}

fn compare_sentences(page: &Session) -> Result<()> {
    perform(page, "sentences")?;
    let pairs = page.execute(
        "return [...document.querySelectorAll('#sentences .pairs li')].map((item) => item.innerText.split('\\n'))",
    )?;
    let first_words = |pair: usize| -> Result<Vec<String>> {
        let lines = pairs[pair].as_array().context("a pair has lines")?;
        let words = lines.iter().take(2).filter_map(|line| line.as_str());
        Ok(words.map(|line| line.chars().take(9).collect()).collect())
    };
    let mut closest = [first_words(0)?, first_words(1)?, first_words(2)?];
    closest.sort();
    let expected = [["A cat sle", "The kitte"], ["How do I ", "I can't l"], ["The centr", "Borrowing"]];
    ensure!(closest == expected, "closest pairs are {closest:?}");
    Ok(())
}

fn read_a_picture(page: &Session) -> Result<()> {
    open_task(page, "picture")?;
    perform(page, "picture")?;
    let lines = page.execute(
        "return [...document.querySelectorAll('#picture .lines button')].map((line) => line.innerText).join('|')",
    )?;
    let lines = lines.as_str().unwrap_or_default().to_lowercase().replace(' ', "");
    for expected in ["harbourpool", "lowtide06:42", "hightide12:58", "water17degrees", "atyourownrisk"] {
        ensure!(lines.contains(expected), "{expected} is not in {lines}");
    }
    let n_boxes = page.execute("return document.querySelectorAll('#picture .boxes polygon').length")?;
    ensure!(n_boxes.as_u64() >= Some(5), "{n_boxes} boxes");
    Ok(())
}

/// The sample has a voice from 0.5 to 1.8 s and from 2.4 to 3.6 s, then beeps.
fn find_speech(page: &Session) -> Result<()> {
    open_task(page, "speech")?;
    perform(page, "speech")?;
    let segments = page.execute(
        "return [...document.querySelectorAll('#speech .segments li')].map((item) => parseFloat(item.innerText))",
    )?;
    let starts: Vec<f64> = serde_json::from_value(segments)?;
    ensure!(starts.len() == 2, "speech starts at {starts:?}");
    ensure!((starts[0] - 0.5).abs() < 0.3 && (starts[1] - 2.4).abs() < 0.3, "speech starts at {starts:?}");
    Ok(())
}

fn record_from_the_microphone(page: &Session) -> Result<()> {
    let label = "document.querySelector('#speech [data-record]').textContent";
    let caption = "document.querySelector('#speech .caption').textContent";
    page.click("#speech [data-record]")?;
    page.wait_until(&format!("{label} === 'Stop recording'"), "document.body.innerText", PAGE_LIMIT)?;
    page.click("#speech [data-record]")?;
    page.wait_until(&format!("{caption}.startsWith('Your recording')"), caption, PAGE_LIMIT)?;
    open_task(page, "speech")?;
    page.click("#speech [data-sample]")
}

fn identify_a_file(page: &Session) -> Result<()> {
    open_task(page, "file")?;
    // The samples are Rust, shell, CSV, PNG, WAV, HTML.
    for (index, expected) in ["rust", "shell", "csv", "png", "wav", "html"].into_iter().enumerate() {
        page.click(&format!("#file .samples button:nth-child({})", index + 1))?;
        wait_for_result(page, "file")?;
        let verdict = page.text("#file .verdict")?;
        ensure!(verdict.starts_with(expected), "{verdict:?} should start with {expected}");
    }
    Ok(())
}

/// Two files of one name are two models.
fn run_own_models(page: &Session) -> Result<()> {
    open_task(page, "model")?;
    for (model, output) in [("silero-vad", "speech_probs"), ("magika", "target_label")] {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, cache::bytes(model)?)?;
        page.type_into("#model input[type=file]", &path.to_string_lossy())?;
        page.wait_until(
            "document.querySelector('#model .primary').disabled === false",
            "document.querySelector('#model').innerText",
            RUN_LIMIT,
        )?;
        perform(page, "model")?;
        let outputs = page.text("#model .outputs tbody")?;
        ensure!(outputs.contains(output), "outputs of {model} are {outputs:?}");
    }
    Ok(())
}

fn refuse_bad_models(page: &Session) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = cache::bytes("silero-vad")?;
    let cases: [(&str, &[u8], &str); 2] = [
        ("notes.onnx", b"these are only some notes\n", "model_load · not-onnx"),
        ("short.onnx", &model[..model.len() / 2], "model_load · truncated-model"),
    ];
    for (name, bytes, expected) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes)?;
        page.type_into("#model input[type=file]", &path.to_string_lossy())?;
        let fault = "document.querySelector('#model .fault')";
        page.wait_until(
            &format!("!{fault}.hidden && {fault}.innerText.includes({})", json!(expected)),
            "document.querySelector('#model').innerText",
            RUN_LIMIT,
        )?;
        ensure!(page.text("#model .fault-hint")?.starts_with("Hint: "), "{name}: no hint");
    }
    Ok(())
}

/// Every job of the burst ends well although one of the two workers dies, and the worker comes back.
fn kill_a_worker_during_a_burst(page: &Session) -> Result<()> {
    open_task(page, "picture")?;
    page.execute("document.querySelector('#burst select').value = '8'")?;
    page.click("#burst [type=submit]")?;
    // Whichever has the work; the mark stays on its card.
    let mark = "const card = document.querySelector('[data-connection][data-state=busy]');
        card?.setAttribute('data-victim', ''); return card !== null";
    page.wait_until(&format!("(() => {{ {mark} }})()"), "document.body.innerText", RUN_LIMIT)?;
    page.click("[data-victim] button")?;
    let card = "document.querySelector('[data-victim]')";
    let output = "document.querySelector('#burst output').textContent";
    page.wait_until(
        &format!(
            "!document.querySelector('#burst [type=submit]').disabled && {output}.startsWith('8 jobs in')"
        ),
        output,
        2 * RUN_LIMIT,
    )?;
    let outcome = page.text("#burst output")?;
    ensure!(!outcome.contains("failed"), "{outcome}");
    page.wait_until(
        &format!("{card}.dataset.state === 'ready' && {card}.innerText.includes('1 new start')"),
        &format!("{card}.innerText"),
        RUN_LIMIT,
    )
}

/// Inside a frame as wide as a phone, no task makes the page wider than the window.
fn fit_on_a_phone(page: &Session) -> Result<()> {
    let script = "
        const done = arguments[arguments.length - 1];
        const frame = document.createElement('iframe');
        frame.style.cssText = 'position: fixed; inset: 0; width: WIDTHpx; height: 700px; z-index: 9';
        frame.onload = () => {
          const page = frame.contentDocument;
          const widths = [...page.querySelectorAll('.task')].map((task) => {
            for (const other of page.querySelectorAll('.task')) other.hidden = other !== task;
            return page.documentElement.scrollWidth;
          });
          frame.remove();
          done(widths);
        };
        frame.src = location.pathname;
        document.body.append(frame);"
        .replace("WIDTH", &PHONE_WIDTH.to_string());
    let widths: Vec<u32> = serde_json::from_value(page.execute_async(&script)?)?;
    ensure!(widths.len() == 5 && widths.iter().all(|&width| width <= PHONE_WIDTH), "widths are {widths:?}");
    Ok(())
}

fn go_on_without_the_agent(page: &Session) -> Result<()> {
    open_task(page, "sentences")?;
    perform(page, "sentences")?;
    let agent = "document.querySelector('#agent')";
    page.wait_until(
        &format!("{agent}.classList.contains('bad')"),
        &format!("{agent}.textContent"),
        PAGE_LIMIT,
    )
}

fn wait_for_records(page: &Session) -> Result<()> {
    let agent = "document.querySelector('#agent').textContent";
    page.wait_until(&format!("/ 0 wait/.test({agent})"), agent, RUN_LIMIT)
}

fn n_rows(database: &std::path::Path) -> Result<i64> {
    let connection = rusqlite::Connection::open(database)?;
    Ok(connection.query_row("SELECT count(*) FROM run", [], |row| row.get(0))?)
}
