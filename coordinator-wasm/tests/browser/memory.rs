//! Limits of memory: what does not fit is refused, what is idle goes, smaller variants stand in.

use js_sys::{Array, Uint8Array};
use tabpool::PoolHandle;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{check_fault, close, collect, get, load, number, object, output, pool, run, text};

async fn load_named(pool: &PoolHandle, bytes: &[u8], options: &[(&str, JsValue)]) -> JsValue {
    JsFuture::from(pool.load(Uint8Array::from(bytes).into(), &object(options))).await.unwrap()
}

/// Reasons of the events of one kind.
fn reasons(events: &Array, kind: &str) -> Vec<String> {
    let events = events.iter().filter(|event| text(event, "event.kind") == kind);
    events.map(|event| text(&event, "event.reason")).collect()
}

#[wasm_bindgen_test]
async fn model_that_cannot_fit_is_refused() {
    let pool = pool("answers", &[("memoryLimitBytes", 2.into())]).await;
    let bytes = Uint8Array::from(&[1_u8, 2, 3][..]);
    check_fault(load(&pool, &bytes).await, "out_of_memory", "no-memory");
    let fits = load(&pool, &Uint8Array::from(&[1_u8][..])).await.unwrap();
    assert_eq!(output(&run(&fits, &[1.0]).await.unwrap()), [2.0]);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn idle_models_go_when_memory_is_short() {
    let pool = pool("hungry", &[("memoryLimitBytes", 1e9.into())]).await;
    let events = collect(&pool, "event");
    let idle = load_named(&pool, &[1], &[("name", "idle".into())]).await;
    let busy = load_named(&pool, &[2], &[("name", "busy".into())]).await;
    run(&busy, &[700.0]).await.unwrap();
    assert_eq!(number(&pool.stats(), "connections.0.models.length"), 2.0);
    assert_eq!(number(&pool.stats(), "memoryLimitBytes"), 1e9);
    run(&busy, &[900.0]).await.unwrap();
    assert_eq!(number(&pool.stats(), "memoryBytes"), 9e8);
    assert!(reasons(&events, "unloaded").contains(&"pressure".to_owned()));
    // It is loaded again for who needs it.
    assert_eq!(output(&run(&idle, &[100.0]).await.unwrap()), [101.0]);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn smaller_variant_stands_in_when_memory_is_short() {
    let pool = pool("small", &[]).await;
    let small = load_named(&pool, &[1, 2, 3], &[("name", "small".into())]).await;
    let options = [("name", "large".into()), ("lowerPrecision", small)];
    let large = load_named(&pool, &[1, 2, 3, 4], &options).await;
    let result = run(&large, &[1.0]).await.unwrap();
    assert_eq!(output(&result), [2.0]);
    assert_eq!(text(&result, "record.model"), "small");
    assert!(number(&result, "record.attempt") > 1.0);
    let unknown = object(&[("lowerPrecision", object(&[("id", "nothing".into())]))]);
    let bytes = Uint8Array::from(&[9_u8][..]);
    check_fault(JsFuture::from(pool.load(bytes.into(), &unknown)).await, "validation", "option");
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn memory_limits_are_checked() {
    let options = crate::harness::options("answers", &[("memoryLimitBytes", "much".into())]);
    check_fault(tabpool::create_pool(options).await.map(JsValue::from), "validation", "option");
    let unlimited = pool("answers", &[("memoryLimitBytes", JsValue::NULL)]).await;
    assert!(get(&unlimited.stats(), "memoryLimitBytes").is_null());
    close(&unlimited).await;
}
