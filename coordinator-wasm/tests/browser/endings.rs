//! Jobs that end early: cancelled, out of time, refused, closed. And pools that do not start.

use js_sys::Promise;
use tabpool::{PoolHandle, create_pool};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::AbortController;

use crate::harness::{
    check_fault, close, get, inputs, model, number, object, options, output, pool, run, start, text, unload,
    worker_url,
};

/// A pool whose only worker is busy for good, the promise of the run that keeps it so, and the model.
async fn busy_pool(more: &[(&str, JsValue)]) -> (PoolHandle, JsValue, Promise) {
    let pool = pool("hangs", more).await;
    let model = model(&pool).await;
    let hanging = start(&model, &inputs(&[-1.0]), &JsValue::UNDEFINED);
    assert_eq!(number(&pool.stats(), "running"), 1.0);
    (pool, model, hanging)
}

#[wasm_bindgen_test]
async fn waiting_job_can_be_cancelled() {
    let (pool, model, hanging) = busy_pool(&[]).await;
    let controller = AbortController::new().unwrap();
    let waiting = start(&model, &inputs(&[1.0]), &object(&[("signal", controller.signal().into())]));
    assert_eq!(number(&pool.stats(), "queued"), 1.0);
    controller.abort_with_reason(&"enough".into());
    let ended = JsFuture::from(waiting).await;
    assert_eq!(text(ended.as_ref().unwrap_err(), "cause"), "enough");
    check_fault(ended, "cancelled", "cancelled");
    assert_eq!(number(&pool.stats(), "queued"), 0.0);
    close(&pool).await;
    JsFuture::from(hanging).await.unwrap_err();
}

#[wasm_bindgen_test]
async fn running_job_can_be_cancelled_and_its_worker_is_replaced() {
    let pool = pool("hangs", &[("runTimeoutMs", 200.into())]).await;
    let model = model(&pool).await;
    let controller = AbortController::new().unwrap();
    let running = start(&model, &inputs(&[-1.0]), &object(&[("signal", controller.signal().into())]));
    controller.abort();
    check_fault(JsFuture::from(running).await, "cancelled", "cancelled");
    assert_eq!(output(&run(&model, &[1.0]).await.unwrap()), [2.0]);
    assert_eq!(number(&pool.stats(), "connections.0.nRespawns"), 1.0);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn aborted_signal_starts_nothing() {
    let pool = pool("answers", &[]).await;
    let model = model(&pool).await;
    let controller = AbortController::new().unwrap();
    controller.abort();
    let options = object(&[("signal", controller.signal().into())]);
    check_fault(JsFuture::from(start(&model, &inputs(&[1.0]), &options)).await, "cancelled", "cancelled");
    check_fault(JsFuture::from(pool.load("any".into(), &options)).await, "cancelled", "cancelled");
    assert_eq!(number(&pool.stats(), "models.0.nRuns"), 0.0);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn deadline_ends_a_job_that_waits() {
    let (pool, model, hanging) = busy_pool(&[]).await;
    let late = start(&model, &inputs(&[1.0]), &object(&[("deadlineMs", 50.into())]));
    check_fault(JsFuture::from(late).await, "timeout", "deadline");
    close(&pool).await;
    JsFuture::from(hanging).await.unwrap_err();
}

#[wasm_bindgen_test]
async fn full_queue_refuses() {
    let (pool, model, hanging) = busy_pool(&[("queueLimit", 1.into())]).await;
    let waiting = start(&model, &inputs(&[1.0]), &JsValue::UNDEFINED);
    let refused = run(&model, &[1.0]).await;
    assert!(number(refused.as_ref().unwrap_err(), "retryAfterMs") >= 1.0);
    check_fault(refused, "overload", "queue-full");
    close(&pool).await;
    check_fault(JsFuture::from(hanging).await, "cancelled", "pool-closed");
    check_fault(JsFuture::from(waiting).await, "cancelled", "pool-closed");
}

#[wasm_bindgen_test]
async fn closed_pool_refuses_and_keeps_no_worker() {
    let pool = pool("answers", &[]).await;
    let model = model(&pool).await;
    close(&pool).await;
    check_fault(run(&model, &[1.0]).await, "cancelled", "pool-closed");
    check_fault(JsFuture::from(pool.load("any".into(), &JsValue::UNDEFINED)).await, "cancelled", "cancelled");
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn pool_without_a_worker_does_not_start() {
    let never_ready = options("neverReady", &[("launchTimeoutMs", 200.into())]);
    check_start_fails(never_ready, "timeout", "launch-timeout").await;
    check_start_fails(options("brokenProtocol", &[]), "connection_lost", "worker-protocol").await;
    let missing = options("answers", &[("workerUrl", "/no-such-worker.js".into())]);
    check_start_fails(missing, "connection_lost", "worker-script").await;
}

#[wasm_bindgen_test]
async fn options_are_checked() {
    for (name, value) in [
        ("workers", JsValue::from(0)),
        ("workers", object(&[("min", 3.into()), ("max", 2.into())])),
        ("queueLimit", JsValue::from(1.5)),
        ("runTimeoutMs", JsValue::from("soon")),
    ] {
        check_start_fails(options("answers", &[(name, value)]), "validation", "option").await;
    }
    let pool = pool("answers", &[("workerUrl", worker_url("answers").into())]).await;
    let model = model(&pool).await;
    let urgent = object(&[("priority", "urgent".into())]);
    check_fault(JsFuture::from(start(&model, &inputs(&[1.0]), &urgent)).await, "validation", "option");
    assert!(get(&model, "inputs.0.name").is_string());
    close(&pool).await;
}

async fn check_start_fails(options: JsValue, category: &str, code: &str) {
    check_fault(create_pool(options).await.map(JsValue::from), category, code);
}

#[wasm_bindgen_test]
async fn job_that_waits_for_an_unloaded_model_still_runs() {
    let pool = pool("hangs", &[("runTimeoutMs", 200.into())]).await;
    let model = model(&pool).await;
    let controller = AbortController::new().unwrap();
    let blocking = start(&model, &inputs(&[-1.0]), &object(&[("signal", controller.signal().into())]));
    let waiting = start(&model, &inputs(&[1.0]), &JsValue::UNDEFINED);
    unload(&model).await;
    check_fault(run(&model, &[1.0]).await, "validation", "model-unloaded");
    controller.abort();
    JsFuture::from(blocking).await.unwrap_err();
    assert_eq!(output(&JsFuture::from(waiting).await.unwrap()), [2.0]);
    assert_eq!(number(&pool.stats(), "models.length"), 0.0);
    close(&pool).await;
}
