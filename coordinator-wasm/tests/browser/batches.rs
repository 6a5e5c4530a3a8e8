//! Jobs of equal shapes that share a call.

use js_sys::{Array, Promise};
use tabpool::PoolHandle;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{close, collect, inputs, model, number, object, output, pool, start, text};

/// Runs all of these at once; each must give one more.
async fn run_all(model: &JsValue, all: &[&[f32]], options: &JsValue) {
    let jobs: Vec<Promise> = all.iter().map(|values| start(model, &inputs(values), options)).collect();
    for (job, values) in jobs.into_iter().zip(all) {
        let expected: Vec<f32> = values.iter().map(|value| value + 1.0).collect();
        assert_eq!(output(&JsFuture::from(job).await.unwrap()), expected);
    }
}

/// Shapes in the records so far, sorted.
fn shapes(records: &Array) -> Vec<String> {
    let mut shapes: Vec<String> = records.iter().map(|record| text(&record, "shapes")).collect();
    shapes.sort();
    shapes
}

async fn batching_pool(max_batch: u32) -> (PoolHandle, JsValue, Array) {
    let pool = pool("stacks", &[("maxBatch", max_batch.into())]).await;
    let model = model(&pool).await;
    let records = collect(&pool, "record");
    (pool, model, records)
}

const SIX: [&[f32]; 6] = [&[1.0], &[2.0], &[3.0], &[4.0], &[5.0], &[6.0]];

#[wasm_bindgen_test]
async fn what_waits_runs_together() {
    let (pool, model, records) = batching_pool(4).await;
    run_all(&model, &SIX, &JsValue::UNDEFINED).await;
    // The first goes at once, alone; four of the others fit into one call.
    assert_eq!(shapes(&records), ["x:1", "x:1", "x:1@4", "x:1@4", "x:1@4", "x:1@4"]);
    let batched = records.iter().find(|record| text(record, "shapes") == "x:1@4").unwrap();
    assert_eq!(number(&batched, "phases.run_micros"), 28.0);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn other_shapes_and_handed_over_inputs_run_alone() {
    let (pool, model, records) = batching_pool(4).await;
    run_all(&model, &[&[1.0], &[1.0, 2.0], &[3.0, 4.0], &[5.0]], &JsValue::UNDEFINED).await;
    assert_eq!(shapes(&records), ["x:1", "x:1", "x:2@2", "x:2@2"]);
    run_all(&model, &SIX, &object(&[("transfer", true.into())])).await;
    assert_eq!(shapes(&records).iter().filter(|shapes| *shapes == "x:1").count(), 8);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn batches_can_be_turned_off() {
    let (pool, model, records) = batching_pool(1).await;
    run_all(&model, &SIX, &JsValue::UNDEFINED).await;
    assert_eq!(shapes(&records), ["x:1"; 6]);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn jobs_of_a_batch_that_fails_run_one_by_one() {
    let pool = pool("answers", &[]).await;
    let model = model(&pool).await;
    let records = collect(&pool, "record");
    run_all(&model, &SIX, &JsValue::UNDEFINED).await;
    let n_failed =
        |records: &Array| records.iter().filter(|record| text(record, "outcome.kind") == "failed").count();
    assert!(n_failed(&records) > 0, "no batch was tried");
    // The model is known to need a call for each job now.
    records.set_length(0);
    run_all(&model, &SIX, &JsValue::UNDEFINED).await;
    assert_eq!((shapes(&records), n_failed(&records)), (vec!["x:1".to_owned(); 6], 0));
    close(&pool).await;
}
