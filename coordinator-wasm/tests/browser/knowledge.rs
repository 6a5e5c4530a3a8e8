//! What a pool knows from earlier visits and from the agent's history.

use js_sys::{Array, Promise};
use tabpool::PoolHandle;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{
    AGENT, AgentDouble, call, close, get, inputs, load, model, number, object, pool, run, start, text,
};

fn kept_in(key: &str) -> (&'static str, JsValue) {
    ("evidenceKey", key.into())
}

fn chromium() -> (&'static str, JsValue) {
    ("browser", object(&[("name", "chromium".into())]))
}

/// The state of a component of the only worker.
fn breaker(pool: &PoolHandle, component: &str) -> String {
    let breakers: Array = get(&pool.stats(), "connections.0.breakers").unchecked_into();
    let found = breakers.iter().find(|breaker| text(breaker, "component") == component);
    text(&found.unwrap(), "state")
}

/// The expected time of a run, milliseconds, the worker's own factor left out, and how uncertain it is. The pool is closed.
async fn explained(pool: PoolHandle, model: &JsValue) -> (f64, f64) {
    let pool = JsValue::from(pool);
    let best = get(&call(&pool, "explain", model), "0");
    JsFuture::from(call(&pool, "close", &JsValue::UNDEFINED).unchecked_into::<Promise>()).await.unwrap();
    (number(&best, "runMs") / number(&best, "memberFactor"), number(&best, "uncertainty"))
}

#[wasm_bindgen_test]
async fn open_breaker_stays_open_in_the_next_pool() {
    let first = pool("fails", &[kept_in("test-breaker"), chromium()]).await;
    let loaded = model(&first).await;
    // Four tries of one job, then one more failure in a row.
    run(&loaded, &[-1.0]).await.unwrap_err();
    let deadline = object(&[("deadlineMs", 500.into())]);
    JsFuture::from(start(&loaded, &inputs(&[-1.0]), &deadline)).await.unwrap_err();
    assert_eq!(breaker(&first, "wasm"), "open");
    close(&first).await;
    let second = pool("fails", &[kept_in("test-breaker"), chromium()]).await;
    assert_eq!(breaker(&second, "wasm"), "open");
    assert_eq!(breaker(&second, "loader"), "closed");
    assert!(number(&second.stats(), "knowledge.evidence.n") >= 1.0);
    close(&second).await;
}

#[wasm_bindgen_test]
async fn latencies_are_known_in_the_next_pool() {
    let first = pool("answers", &[kept_in("test-latency")]).await;
    let loaded = model(&first).await;
    for _ in 0..20 {
        run(&loaded, &[1.0]).await.unwrap();
    }
    let (measured, spread) = explained(first, &loaded).await;
    // A visit that does not use the model keeps what is known of it.
    close(&pool("answers", &[kept_in("test-latency")]).await).await;
    let second = pool("answers", &[kept_in("test-latency")]).await;
    let loaded = model(&second).await;
    let (remembered, remembered_spread) = explained(second, &loaded).await;
    assert!((remembered / measured - 1.0).abs() < 0.01, "{remembered} ms is not {measured} ms");
    assert!((remembered_spread / spread - 1.0).abs() < 0.1, "{remembered_spread} is not {spread}");
}

#[wasm_bindgen_test]
async fn damaged_evidence_is_ignored_and_reported() {
    js_sys::eval("localStorage.setItem('test-damaged', '{\"version\":1')").unwrap();
    let pool = pool("answers", &[kept_in("test-damaged")]).await;
    assert_eq!(text(&pool.stats(), "knowledge.evidence.problem"), "it is not JSON");
    run(&model(&pool).await, &[1.0]).await.unwrap();
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn advice_of_the_agent_is_where_estimates_start() {
    let agent = AgentDouble::new();
    agent.add_model(
        "tiny",
        &js_sys::Uint8Array::from(&[1_u8, 2, 3][..]),
        "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81",
    );
    agent.add_advice("tiny", "chromium", 30_000.0, 50);
    agent.add_advice("tiny", "firefox", 900_000.0, 50);
    let pool = pool("answers", &[("agent", AGENT.into()), chromium()]).await;
    let model = load(&pool, &"tiny".into()).await.unwrap();
    let stats = pool.stats();
    assert_eq!(number(&stats, "knowledge.advice.n"), 1.0);
    assert_eq!(get(&stats, "knowledge.advice.problem"), JsValue::NULL);
    let (advised, _) = explained(pool, &model).await;
    assert!((advised - 30.0).abs() < 0.1, "{advised} ms");
    agent.restore();
}

#[wasm_bindgen_test]
async fn pool_goes_on_without_advice() {
    let agent = AgentDouble::new();
    agent.set_status(503);
    let pool = pool("answers", &[("agent", AGENT.into())]).await;
    run(&model(&pool).await, &[1.0]).await.unwrap();
    let problem = text(&pool.stats(), "knowledge.advice.problem");
    assert!(problem.contains("HTTP status 503"), "{problem}");
    close(&pool).await;
    agent.restore();
}
