//! What operators can set: breakers' modes, second calls, the number of workers.

use js_sys::{Array, Promise};
use tabpool::PoolHandle;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{
    check_fault, close, collect, inputs, model, next, number, object, output, pool, run, start, text,
};

/// Mode and state of the breaker of wasm.
fn wasm_breaker(stats: &JsValue) -> (String, String) {
    assert_eq!(text(stats, "connections.0.breakers.0.component"), "wasm");
    (text(stats, "connections.0.breakers.0.mode"), text(stats, "connections.0.breakers.0.state"))
}

#[wasm_bindgen_test]
async fn breaker_can_be_forced_open_and_let_go() {
    let pool = pool("answers", &[]).await;
    let model = model(&pool).await;
    let events = collect(&pool, "event");
    pool.set_breaker_mode(0, "wasm", "forced_open").unwrap();
    assert_eq!(wasm_breaker(&pool.stats()), ("forced_open".to_owned(), "open".to_owned()));
    let held = start(&model, &inputs(&[1.0]), &JsValue::UNDEFINED);
    assert_eq!(number(&pool.stats(), "queued"), 1.0);
    pool.set_breaker_mode(0, "wasm", "automatic").unwrap();
    assert_eq!(output(&JsFuture::from(held).await.unwrap()), [2.0]);
    let modes = events.iter().filter(|event| text(event, "event.kind") == "breaker_mode");
    let modes: Vec<String> = modes.map(|event| text(&event, "event.mode")).collect();
    assert_eq!(modes, ["forced_open", "automatic"]);
    assert_eq!(number(&pool.stats(), "connections.0.health"), 100.0);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn breaker_that_is_disabled_passes_what_fails() {
    let pool = pool("fails", &[]).await;
    let model = model(&pool).await;
    pool.set_breaker_mode(0, "wasm", "disabled").unwrap();
    for _ in 0..6 {
        run(&model, &[-1.0]).await.unwrap_err();
    }
    assert_eq!(wasm_breaker(&pool.stats()), ("disabled".to_owned(), "closed".to_owned()));
    check_fault(pool.set_breaker_mode(0, "wasm", "loose").map(|()| JsValue::NULL), "validation", "breaker");
    check_fault(
        pool.set_breaker_mode(0, "steam", "disabled").map(|()| JsValue::NULL),
        "validation",
        "breaker",
    );
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn second_call_overtakes_a_slow_first() {
    let pool =
        pool("straggles", &[("workers", 2.into()), ("hedge", true.into()), ("maxBatch", 1.into())]).await;
    let model = model(&pool).await;
    let events = collect(&pool, "event");
    // Until both workers hold the model, and how long it takes is known.
    for _ in 0..20 {
        let jobs: Array =
            (0..50).map(|_| JsValue::from(start(&model, &inputs(&[1.0]), &JsValue::UNDEFINED))).collect();
        JsFuture::from(Promise::all(&jobs)).await.unwrap();
        let stats = pool.stats();
        let is_loaded = |connection: &str| number(&stats, &format!("connections.{connection}.nRuns")) >= 10.0;
        if is_loaded("0") && is_loaded("1") {
            break;
        }
    }
    let result = run(&model, &[-1.0]).await.unwrap();
    assert_eq!(output(&result), [0.0]);
    assert!(number(&result, "record.phases.total_micros") < 4e6);
    let is_hedge = |event: &JsValue| {
        text(event, "event.kind") == "placed" && crate::harness::get(event, "event.is_hedge").is_truthy()
    };
    assert!(events.iter().any(|event| is_hedge(&event)));
    close(&pool).await;
}

/// A pool of one to two slow workers after so much load that it has grown, with its model.
async fn grown_pool(more: &[(&str, JsValue)]) -> (PoolHandle, JsValue) {
    let bounds = object(&[("min", 1.into()), ("max", 2.into())]);
    let options = [&[("workers", bounds), ("maxBatch", 1.into())], more].concat();
    let pool = pool("slow", &options).await;
    let model = model(&pool).await;
    run(&model, &[1.0]).await.unwrap();
    let scaled = next(&pool, "scale");
    let jobs: Array =
        (0..30).map(|_| JsValue::from(start(&model, &inputs(&[1.0]), &JsValue::UNDEFINED))).collect();
    let scaled = JsFuture::from(scaled).await.unwrap();
    assert_eq!((number(&scaled, "from"), number(&scaled, "to")), (1.0, 2.0));
    assert_eq!(text(&scaled, "reason"), "queue_delay");
    JsFuture::from(Promise::all(&jobs)).await.unwrap();
    (pool, model)
}

#[wasm_bindgen_test]
async fn workers_come_with_load_and_go_without() {
    let (pool, _model) = grown_pool(&[("scaleCooldownMs", 100.into())]).await;
    let scaled = JsFuture::from(next(&pool, "scale")).await.unwrap();
    assert_eq!((number(&scaled, "from"), number(&scaled, "to")), (2.0, 1.0));
    assert_eq!(text(&scaled, "reason"), "idle");
    assert_eq!(number(&pool.stats(), "connections.length"), 1.0);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn worker_goes_before_the_cooldown_when_memory_is_short() {
    let more = [("scaleCooldownMs", 4000.into()), ("memoryLimitBytes", 1e9.into())];
    let (pool, model) = grown_pool(&more).await;
    let scaled = next(&pool, "scale");
    run(&model, &[900.0]).await.unwrap();
    let scaled = JsFuture::from(scaled).await.unwrap();
    assert_eq!((number(&scaled, "from"), number(&scaled, "to")), (2.0, 1.0));
    assert_eq!(text(&scaled, "reason"), "memory");
    close(&pool).await;
}
