//! Runs that go well, inputs that do not fit, and what the pool says of itself.

use js_sys::{Array, Float32Array, Function, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{
    call, check_fault, close, collect, get, inputs, load, model, number, object, output, pool, run, start,
    text, unload,
};

#[wasm_bindgen_test]
async fn run_gives_outputs_and_a_record() {
    let pool = pool("answers", &[("session", "s1".into())]).await;
    let records = collect(&pool, "record");
    let model = model(&pool).await;
    let first = run(&model, &[1.0, 2.5]).await.unwrap();
    assert_eq!(output(&first), [2.0, 3.5]);
    assert_eq!(text(&first, "outputs.y.dtype"), "float32");
    assert_eq!(number(&first, "outputs.y.dims.0"), 2.0);
    assert_eq!(text(&first, "record.outcome.kind"), "ok");
    assert_eq!(text(&first, "record.session"), "s1");
    assert_eq!(text(&first, "record.shapes"), "x:2");
    assert_eq!(text(&first, "record.backend_detail"), "test-worker");
    assert_eq!(text(&first, "record.precision"), "unknown");
    // SHA-256 of the bytes 1, 2, 3.
    assert_eq!(
        text(&first, "record.model_sha256"),
        "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81"
    );
    assert_eq!(get(&first, "record.cold"), JsValue::TRUE);
    assert_eq!(number(&first, "record.phases.load_micros"), 5.0);
    assert_eq!(number(&first, "record.phases.run_micros"), 7.0);
    assert!(number(&first, "record.phases.total_micros") >= number(&first, "record.phases.queue_micros"));
    assert_eq!(number(&first, "record.attempt"), 1.0);
    assert_eq!(number(&first, "record.memory_bytes"), 4096.0);
    let second = run(&model, &[0.0]).await.unwrap();
    assert_eq!(get(&second, "record.cold"), JsValue::FALSE);
    assert!(get(&second, "record.phases.load_micros").is_undefined());
    assert_ne!(text(&first, "record.id"), text(&second, "record.id"));
    assert_eq!(records.length(), 2);
    assert_eq!(text(&records.get(1), "id"), text(&second, "record.id"));
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn browser_is_recognised_or_given() {
    let detected = pool("answers", &[]).await;
    let result = run(&model(&detected).await, &[1.0]).await.unwrap();
    assert!(
        ["chromium", "chrome", "firefox", "webkit"].contains(&text(&result, "record.browser.name").as_str())
    );
    assert!(!text(&result, "record.browser.version").is_empty());
    close(&detected).await;
    let browser = object(&[("name", "launched".into()), ("version", "1.2".into())]);
    let given = pool("answers", &[("browser", browser)]).await;
    let result = run(&model(&given).await, &[1.0]).await.unwrap();
    assert_eq!(text(&result, "record.browser.name"), "launched");
    assert_eq!(text(&result, "record.browser.version"), "1.2");
    assert!(!text(&result, "record.browser.user_agent").is_empty());
    close(&given).await;
}

#[wasm_bindgen_test]
async fn inputs_stay_with_the_caller_unless_handed_over() {
    let pool = pool("answers", &[]).await;
    let model = model(&pool).await;
    let kept = inputs(&[1.0, 2.0]);
    JsFuture::from(start(&model, &kept, &JsValue::UNDEFINED)).await.unwrap();
    assert_eq!(number(&kept, "x.data.length"), 2.0);
    let handed_over = inputs(&[1.0, 2.0]);
    let options = object(&[("transfer", true.into())]);
    let result = JsFuture::from(start(&model, &handed_over, &options)).await.unwrap();
    assert_eq!(output(&result), [2.0, 3.0]);
    assert_eq!(number(&handed_over, "x.data.length"), 0.0);
    // A view of a larger buffer cannot move without the rest: it is copied.
    let buffer = Float32Array::from(&[9.0_f32, 1.0, 2.0][..]);
    let tensor = object(&[
        ("dtype", "float32".into()),
        ("dims", Array::of1(&2.into()).into()),
        ("data", buffer.subarray(1, 3).into()),
    ]);
    let result = JsFuture::from(start(&model, &object(&[("x", tensor)]), &options)).await.unwrap();
    assert_eq!(output(&result), [2.0, 3.0]);
    assert_eq!(buffer.length(), 3);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn inputs_that_do_not_fit_never_reach_a_worker() {
    let pool = pool("answers", &[]).await;
    let model = model(&pool).await;
    let tensor = |dtype: &str, length: u32, data: JsValue| {
        object(&[("dtype", dtype.into()), ("dims", Array::of1(&length.into()).into()), ("data", data)])
    };
    let floats = || JsValue::from(Float32Array::new_with_length(2));
    let cases = [
        (JsValue::NULL, "input-name"),
        (object(&[]), "input-name"),
        (object(&[("x", tensor("float32", 2, floats())), ("z", JsValue::NULL)]), "input-name"),
        (object(&[("x", JsValue::NULL)]), "input-dtype"),
        (object(&[("x", tensor("int64", 2, floats()))]), "input-dtype"),
        (object(&[("x", tensor("float32", 2, Uint8Array::new_with_length(2).into()))]), "input-dtype"),
        (object(&[("x", tensor("float32", 3, floats()))]), "input-shape"),
    ];
    for (inputs, code) in cases {
        check_fault(JsFuture::from(start(&model, &inputs, &JsValue::UNDEFINED)).await, "validation", code);
    }
    assert_eq!(output(&run(&model, &[1.0]).await.unwrap()), [2.0]);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn stats_follow_what_happens() {
    let pool = pool("answers", &[]).await;
    let model = model(&pool).await;
    for _ in 0..3 {
        run(&model, &[1.0]).await.unwrap();
    }
    let stats = pool.stats();
    assert_eq!(number(&stats, "queued"), 0.0);
    assert_eq!(number(&stats, "running"), 0.0);
    assert_eq!(text(&stats, "connections.0.state"), "ready");
    assert_eq!(get(&stats, "connections.0.job"), JsValue::NULL);
    assert_eq!(text(&stats, "connections.0.models.0"), "unnamed");
    assert_eq!(number(&stats, "connections.0.nRuns"), 3.0);
    assert_eq!(number(&stats, "connections.0.memoryBytes"), 4096.0);
    assert_eq!(text(&stats, "connections.0.capabilities.wasm_build"), "test-worker");
    assert_eq!(number(&stats, "models.0.nSamples"), 3.0);
    assert!(number(&stats, "models.0.medianMs") > 0.0);
    close(&pool).await;
    assert_eq!(number(&pool.stats(), "connections.length"), 0.0);
}

#[wasm_bindgen_test]
async fn listeners_can_be_removed_and_may_throw() {
    let pool = pool("answers", &[]).await;
    let model = model(&pool).await;
    let seen = Array::new();
    let push = Function::new_with_args("payload", "this.push(payload)").bind0(&seen);
    let off: Function = pool.on("record", push.into()).unwrap().unchecked_into();
    run(&model, &[1.0]).await.unwrap();
    assert_eq!(seen.length(), 1);
    off.call0(&JsValue::UNDEFINED).unwrap();
    run(&model, &[1.0]).await.unwrap();
    assert_eq!(seen.length(), 1);
    check_fault(pool.on("nothing", Function::new_no_args("").into()), "validation", "event");
    check_fault(pool.on("record", JsValue::NULL), "validation", "event");
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn loading_reports_its_phases() {
    let pool = pool("answers", &[]).await;
    let progress = collect(&pool, "progress");
    model(&pool).await;
    let phases: Vec<String> = progress.iter().map(|step| text(&step, "phase")).collect();
    assert_eq!(phases, ["verify", "load", "done"]);
    assert_eq!(number(&progress.get(2), "loaded"), 3.0);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn same_bytes_are_one_model_until_the_last_handle_goes() {
    let pool = pool("answers", &[]).await;
    let (one, other) = (model(&pool).await, model(&pool).await);
    assert_eq!(number(&pool.stats(), "models.length"), 1.0);
    unload(&one).await;
    check_fault(run(&one, &[1.0]).await, "validation", "model-unloaded");
    assert_eq!(output(&run(&other, &[1.0]).await.unwrap()), [2.0]);
    unload(&other).await;
    assert_eq!(number(&pool.stats(), "models.length"), 0.0);
    let again = model(&pool).await;
    assert_eq!(output(&run(&again, &[1.0]).await.unwrap()), [2.0]);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn backend_that_no_worker_has_is_told_at_once() {
    let pool = pool("answers", &[]).await;
    let options = object(&[("backend", "webgpu".into())]);
    let bytes = Uint8Array::from(&[1_u8][..]);
    check_fault(
        JsFuture::from(pool.load(bytes.into(), &options)).await,
        "unsupported_operator",
        "no-backend",
    );
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn what_is_no_model_is_refused() {
    let pool = pool("refuses", &[]).await;
    check_fault(load(&pool, &Uint8Array::from(&[1_u8][..])).await, "model_load", "not-onnx");
    check_fault(load(&pool, &1.into()).await, "validation", "model-source");
    check_fault(load(&pool, &"minilm-l3".into()).await, "model_load", "model-unknown");
    assert_eq!(number(&pool.stats(), "models.length"), 0.0);
    close(&pool).await;
}

#[wasm_bindgen_test]
async fn pool_explains_where_a_run_would_go() {
    let pool = pool("answers", &[("workers", 2.into())]).await;
    let model = model(&pool).await;
    run(&model, &[1.0]).await.unwrap();
    let pool = JsValue::from(pool);
    let explain: Function = get(&pool, "explain").unchecked_into();
    let of_inputs = explain.call2(&pool, &model, &inputs(&[1.0])).unwrap();
    assert_eq!(number(&of_inputs, "0.loadMs"), 0.0);
    check_fault(explain.call2(&pool, &model, &object(&[])), "validation", "input-name");
    let candidates: Array = call(&pool, "explain", &model).unchecked_into();
    let best = candidates.get(0);
    let best_text = text(&best, "text");
    assert_eq!(number(&best, "loadMs"), 0.0);
    assert_eq!(get(&best, "exclusion"), JsValue::NULL);
    let expected = format!("wasm on c{}: ", number(&best, "connection"));
    assert!(best_text.starts_with(&expected), "{best_text}");
    assert_eq!(text(&candidates.get(candidates.length() - 1), "exclusion"), "not_allowed");
    JsFuture::from(call(&pool, "close", &JsValue::UNDEFINED).unchecked_into::<js_sys::Promise>())
        .await
        .unwrap();
}
