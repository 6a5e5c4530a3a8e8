//! Golden inferences, and the choice of a backend.

use js_sys::Array;
use tabpool::PoolHandle;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{
    check_fault, close, collect, get, inputs, load_with, number, object, output, pool, run, text,
};

/// WebKit's breakers half-open after three failures in a row, so that there is something to probe at once.
fn webkit() -> (&'static str, JsValue) {
    ("browser", object(&[("name", "webkit".into())]))
}

/// What the worker must answer to 1.
fn probe() -> (&'static str, JsValue) {
    let y = object(&[("data", Array::of1(&2.into()).into())]);
    ("probe", object(&[("inputs", inputs(&[1.0])), ("outputs", object(&[("y", y)]))]))
}

/// States that the breaker of wasm went to.
fn states(breakers: &Array) -> Vec<String> {
    let of_wasm = breakers.iter().filter(|breaker| text(breaker, "component") == "wasm");
    of_wasm.map(|breaker| text(&breaker, "to")).collect()
}

#[wasm_bindgen_test]
async fn worker_that_answers_wrongly_stays_out() {
    let pool = pool("breaksDown", &[webkit()]).await;
    let (breakers, faults) = (collect(&pool, "breaker"), collect(&pool, "fault"));
    let model = load_with(&pool, &[probe()]).await.unwrap();
    assert_eq!(output(&run(&model, &[1.0]).await.unwrap()), [2.0]);
    let options = object(&[("deadlineMs", 1000.into())]);
    let job = crate::harness::start(&model, &inputs(&[-1.0]), &options);
    wasm_bindgen_futures::JsFuture::from(job).await.unwrap_err();
    assert_eq!(states(&breakers), ["half_open", "open"]);
    assert!(faults.iter().any(|fault| text(&fault, "fault.code") == "probe-mismatch"));
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn worker_that_answers_as_before_returns() {
    let pool = pool("fails", &[webkit()]).await;
    let breakers = collect(&pool, "breaker");
    let model = load_with(&pool, &[("probe", "first-run".into())]).await.unwrap();
    assert_eq!(output(&run(&model, &[1.0]).await.unwrap()), [2.0]);
    check_fault(run(&model, &[-1.0]).await, "internal", "test");
    assert_eq!(states(&breakers), ["half_open", "closed"]);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn probes_must_fit_the_model() {
    let pool = pool("answers", &[]).await;
    let wrong = object(&[("inputs", object(&[])), ("outputs", object(&[]))]);
    check_fault(load_with(&pool, &[("probe", wrong)]).await, "validation", "input-name");
    let empty = object(&[("inputs", inputs(&[1.0])), ("outputs", object(&[]))]);
    check_fault(load_with(&pool, &[("probe", empty)]).await, "validation", "probe");
    check_fault(load_with(&pool, &[("probe", "sometimes".into())]).await, "validation", "option");
    close(&pool).await;
}

/// The event that tells which backend was chosen, and where a run then went.
async fn choose(pool: &PoolHandle) -> (JsValue, JsValue) {
    let events = collect(pool, "event");
    let model = load_with(pool, &[("backend", "auto".into())]).await.unwrap();
    let result = run(&model, &[1.0]).await.unwrap();
    assert_eq!(output(&result), [2.0]);
    let event = events.iter().find(|event| text(event, "event.kind") == "backend_chosen").unwrap();
    (get(&event, "event"), get(&result, "record"))
}

#[wasm_bindgen_test]
async fn fastest_backend_is_chosen() {
    let pool = pool("twoBackends", &[]).await;
    let (event, record) = choose(&pool).await;
    assert_eq!((text(&event, "backend"), text(&event, "model")), ("webgpu".into(), "unnamed".into()));
    let sentence = text(&event, "sentence");
    assert_eq!(sentence, "webgpu is chosen; webgpu 0.0 ms (n = 5), wasm 0.0 ms (n = 5)");
    // Both take microseconds: where a run goes is for the pool to find out, which may well be by trying the other one.
    let run_micros = if text(&record, "backend") == "webgpu" { 3.0 } else { 7.0 };
    assert_eq!(number(&record, "phases.run_micros"), run_micros);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn backend_that_is_wrong_is_left_out() {
    let pool = pool("wrongBackend", &[]).await;
    let (event, record) = choose(&pool).await;
    assert_eq!(text(&event, "backend"), "wasm");
    assert!(text(&event, "sentence").contains("differs by more than its limit from wasm's"));
    assert_eq!(text(&record, "backend"), "wasm");
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn only_backend_is_chosen() {
    let pool = pool("answers", &[]).await;
    let (event, _) = choose(&pool).await;
    assert_eq!(text(&event, "sentence"), "wasm is chosen; wasm 0.0 ms (n = 5)");
    close(&pool).await;
}
