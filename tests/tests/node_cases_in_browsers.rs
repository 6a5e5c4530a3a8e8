//! The same node cases as in `node_cases.rs`, in the engine's worker in real browsers: both SIMD builds are met, since
//! Chromium and Firefox have relaxed SIMD and WebKit does not; and on WebNN and WebGPU where a browser has
//! them.

use std::time::Duration;

use tabpool_tests::cache;
use tabpool_tests::case_server::CaseServer;
use tabpool_tests::driver::Browser;
use tabpool_tests::operator_table::{Expectations, Row};
use tabpool_tests::verdict::{Verdict, judge};
use wire::Backend;

/// All cases together take some seconds on a quiet machine.
const LIMIT: Duration = Duration::from_secs(900);

#[track_caller]
fn check(browser: Browser, backend: Backend, build: &str) {
    check_with(browser, backend, build, "");
}

/// The same with parameters for the worker.
#[track_caller]
fn check_with(browser: Browser, backend: Backend, build: &str, query: &str) {
    let expectations = Expectations::read().expect("the expectations are well-formed");
    let package = cache::bytes("onnx-node-cases").expect("test data is in the cache");
    let cases = expectations.cases(package).expect("the package is whole");
    let server = CaseServer::start(&cases).expect("the cases are served");
    let driven = browser.drive().expect("the browser starts");
    driven
        .session
        .goto(&format!("{}?backend={}{query}", server.url, backend.as_str()))
        .expect("the page loads");
    let text = "document.querySelector('#progress').textContent";
    let ended = format!("/^(done|failed)/.test({text})");
    driven.session.wait_until(&ended, text, LIMIT).expect("the page gets through all cases");
    assert_eq!(driven.session.text("#progress").expect("the page is there"), format!("done {build}"));

    let verdicts = cases.iter().zip(server.into_outcomes()).map(|(case, outcome)| match outcome {
        Some(outcome) => judge(case, outcome),
        None => Verdict::Fail("the page did not answer".to_owned()),
    });
    let rows: Vec<Row> = cases.iter().zip(verdicts).map(|(case, verdict)| Row::new(case, verdict)).collect();
    let differences = expectations.differences(backend, &rows).expect("the table can be read");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn chromium_ends_every_case_as_the_table_says() {
    check(Browser::Chromium, Backend::Wasm, "relaxed-simd");
}

#[test]
fn firefox_ends_every_case_as_the_table_says() {
    check(Browser::Firefox, Backend::Wasm, "relaxed-simd");
}

#[test]
fn webkit_ends_every_case_as_the_table_says() {
    check(Browser::Webkit, Backend::Wasm, "simd128");
}

#[test]
fn webnn_ends_every_case_as_the_table_says() {
    check(Browser::ChromiumWebnn, Backend::Webnn, "relaxed-simd");
}

#[test]
fn webgpu_in_chromium_ends_every_case_as_the_table_says() {
    check(Browser::ChromiumWebgpu, Backend::Webgpu, "relaxed-simd");
}

/// The kernels that are meant for GPUs compute the same, where a software adapter would not choose them.
#[test]
fn webgpu_with_subgroups_ends_every_case_as_the_table_says() {
    let query = "&webgpu-variant=subgroups-8x4,shared-lines";
    check_with(Browser::ChromiumWebgpu, Backend::Webgpu, "relaxed-simd", query);
}

#[test]
fn webgpu_through_workgroup_memory_ends_every_case_as_the_table_says() {
    let query = "&webgpu-variant=tiled-128x128,shared-lines";
    check_with(Browser::FirefoxWebgpu, Backend::Webgpu, "relaxed-simd", query);
}

#[test]
fn webgpu_in_firefox_ends_every_case_as_the_table_says() {
    check(Browser::FirefoxWebgpu, Backend::Webgpu, "relaxed-simd");
}
