//! Workers that trap, throw, hang or are killed: the pool replaces them and goes on.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{
    check_fault, close, collect, get, inputs, load_with, model, number, object, output, pool, run, start,
    text,
};

#[wasm_bindgen_test]
async fn trap_is_reported_and_the_pool_goes_on() {
    let pool = pool("traps", &[]).await;
    let (faults, records) = (collect(&pool, "fault"), collect(&pool, "record"));
    let model = model(&pool).await;
    check_fault(run(&model, &[-1.0]).await, "worker_crash", "trap");
    assert_eq!(text(&faults.get(0), "fault.message"), "test trap");
    assert_eq!(text(&faults.get(0), "model"), "unnamed");
    // Every try has its row, and they are numbered.
    let attempts: Vec<f64> = records.iter().map(|record| number(&record, "attempt")).collect();
    let n_attempts = attempts.len();
    assert_eq!(attempts, (1..=n_attempts).map(|attempt| attempt as f64).collect::<Vec<_>>());
    assert!(records.iter().all(|record| text(&record, "outcome.fault.code") == "trap"));
    assert_eq!(output(&run(&model, &[1.0]).await.unwrap()), [2.0]);
    assert!(number(&pool.stats(), "connections.0.nRespawns") >= 1.0);
    assert_eq!(number(&pool.stats(), "models.0.nFaults"), 1.0);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn inputs_that_broke_every_worker_are_refused() {
    let pool = pool("traps", &[("workers", 2.into())]).await;
    let events = collect(&pool, "event");
    let model = model(&pool).await;
    check_fault(run(&model, &[-1.0]).await, "worker_crash", "trap");
    assert!(events.iter().any(|event| text(&event, "event.kind") == "quarantined"));
    check_fault(run(&model, &[-1.0]).await, "worker_crash", "quarantined");
    assert_eq!(output(&run(&model, &[1.0]).await.unwrap()), [2.0]);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn uncaught_error_is_a_crash() {
    let pool = pool("throws", &[]).await;
    let model = model(&pool).await;
    let ended = run(&model, &[1.0]).await;
    assert!(text(ended.as_ref().unwrap_err(), "message").contains("test worker throws"));
    check_fault(ended, "worker_crash", "worker-error");
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn inputs_that_were_handed_over_are_not_sent_twice() {
    let pool = pool("traps", &[]).await;
    let model = model(&pool).await;
    let handed_over = start(&model, &inputs(&[-1.0]), &object(&[("transfer", true.into())]));
    check_fault(JsFuture::from(handed_over).await, "validation", "inputs-transferred");
    assert_eq!(output(&run(&model, &[1.0]).await.unwrap()), [2.0]);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn hung_worker_is_replaced_after_its_time_out() {
    let pool = pool("hangs", &[("runTimeoutMs", 100.into())]).await;
    let model = model(&pool).await;
    let hanging = start(&model, &inputs(&[-1.0]), &object(&[("deadlineMs", 20_000.into())]));
    check_fault(JsFuture::from(hanging).await, "timeout", "run-timeout");
    assert_eq!(output(&run(&model, &[1.0]).await.unwrap()), [2.0]);
    assert!(number(&pool.stats(), "connections.0.nRespawns") >= 1.0);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn killed_worker_is_replaced_and_its_models_return() {
    let pool = pool("answers", &[]).await;
    let states = collect(&pool, "state");
    let model = model(&pool).await;
    pool.kill_worker(0);
    let result = run(&model, &[1.0]).await.unwrap();
    assert_eq!(output(&result), [2.0]);
    assert_eq!(get(&result, "record.cold"), JsValue::TRUE);
    let states: Vec<String> = states.iter().map(|state| text(&state, "state")).collect();
    assert_eq!(states, ["waiting", "opening", "ready"]);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn lost_device_is_replaced_without_a_new_worker() {
    let pool = pool("losesDevice", &[]).await;
    let events = collect(&pool, "event");
    let model = load_with(&pool, &[("backend", "webgpu".into())]).await.unwrap();
    let result = run(&model, &[-1.0]).await.unwrap();
    assert_eq!((number(&result, "record.attempt"), get(&result, "record.cold")), (2.0, JsValue::TRUE));
    let recovered = |event: &JsValue| text(event, "event.kind") == "recovered";
    let repair = events.iter().find(recovered).unwrap();
    assert_eq!(text(&repair, "event.strategy"), "recreate_device");
    assert_eq!(get(&repair, "event.is_success"), JsValue::TRUE);
    assert_eq!(number(&pool.stats(), "connections.0.nRespawns"), 0.0);
    close(&pool).await;
}
