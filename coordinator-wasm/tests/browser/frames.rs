//! Connections that are iframes.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{
    check_fault, close, frame_url, model, next, number, options, output, pool, remove_frame, run, text,
};

#[wasm_bindgen_test]
async fn iframe_runs_models_and_is_replaced_when_it_goes_silent() {
    let frames = Array::of1(&frame_url("answers").into());
    let more = [("workers", 0.into()), ("iframes", frames.into()), ("heartbeatMs", 200.into())];
    let pool = pool("neverReady", &more).await;
    assert_eq!(text(&pool.stats(), "connections.0.kind"), "iframe");
    let model = model(&pool).await;
    assert_eq!(output(&run(&model, &[1.0]).await.unwrap()), [2.0]);
    let waiting = next(&pool, "state");
    assert_eq!(remove_frame(), 1);
    let waiting = JsFuture::from(waiting).await.unwrap();
    assert_eq!(
        (text(&waiting, "state"), text(&waiting, "reason")),
        ("waiting".into(), "connection_lost".into())
    );
    assert_eq!(output(&run(&model, &[2.0]).await.unwrap()), [3.0]);
    assert_eq!(number(&pool.stats(), "connections.0.nRespawns"), 1.0);
    close(&pool).await;
    assert_eq!(number(&pool.stats(), "connections.length"), 0.0);
}

#[wasm_bindgen_test]
async fn iframes_stand_beside_workers() {
    let frames = Array::of1(&frame_url("answers").into());
    let pool = pool("answers", &[("iframes", frames.into())]).await;
    let stats = pool.stats();
    assert_eq!(number(&stats, "connections.length"), 2.0);
    assert_eq!(text(&stats, "connections.1.kind"), "worker");
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn page_that_hosts_no_worker_does_not_start() {
    let nothing = Array::of1(&"about:blank".into());
    let more = [("workers", 0.into()), ("iframes", nothing.into()), ("launchTimeoutMs", 200.into())];
    let started = tabpool::create_pool(options("answers", &more)).await;
    check_fault(started.map(JsValue::from), "timeout", "launch-timeout");
}
