//! Models by id and by URL, from an agent that answers, lies or is gone.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{
    AGENT, AgentDouble, check_fault, close, collect, get, load, number, object, pool, run, start, text,
};

/// SHA-256 of the bytes 1, 2, 3.
const SHA256: &str = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81";

#[wasm_bindgen_test]
async fn model_is_fetched_verified_and_recorded_by_its_id() {
    let agent = AgentDouble::new();
    agent.add_model("adder", &Uint8Array::from(&[1_u8, 2, 3][..]), SHA256);
    let pool = pool("answers", &[("agent", AGENT.into())]).await;
    let progress = collect(&pool, "progress");
    let model = load(&pool, &"adder".into()).await.unwrap();
    assert_eq!(text(&model, "id"), "adder");
    let phases: Vec<String> = progress.iter().map(|step| text(&step, "phase")).collect();
    assert_eq!(phases, ["download", "verify", "load", "done"]);
    assert_eq!(number(&progress.get(0), "total"), 3.0);
    let result = run(&model, &[1.0]).await.unwrap();
    assert_eq!(text(&result, "record.model"), "adder");
    assert_eq!(text(&result, "record.model_sha256"), SHA256);
    assert_eq!(text(&result, "record.precision"), "f32");
    assert!(!get(&result, "record.phases.download_micros").is_undefined());
    // The page keeps the bytes: neither a second worker nor a second handle needs the agent.
    agent.set_status(0);
    pool.kill_worker(0);
    assert_eq!(get(&run(&model, &[1.0]).await.unwrap(), "record.cold"), JsValue::TRUE);
    close(&pool).await;
    agent.restore();
}

#[wasm_bindgen_test]
async fn pipeline_takes_its_own_inputs() {
    let agent = AgentDouble::new();
    let bytes = Uint8Array::from(&[1_u8, 2, 3][..]);
    agent.add_pipeline("similar", "text-embedding", &bytes, SHA256);
    agent.add_pipeline("reader", "read-text", &bytes, SHA256);
    let pool = pool("answersPipelines", &[("agent", AGENT.into())]).await;
    let similar = load(&pool, &"similar".into()).await.unwrap();
    let texts = Array::of2(&"one".into(), &"two".into());
    let result = start(&similar, &object(&[("texts", texts.into())]), &JsValue::UNDEFINED);
    let result = JsFuture::from(result).await.unwrap();
    assert_eq!(text(&result, "result.params.texts.1"), "two");
    assert_eq!(text(&result, "record.shapes"), "texts:2");
    let reader = load(&pool, &"reader".into()).await.unwrap();
    let pixels = Uint8Array::new_with_length(2 * 3 * 4);
    let image = object(&[("width", 3.into()), ("height", 2.into()), ("data", pixels.into())]);
    let result =
        JsFuture::from(start(&reader, &object(&[("image", image)]), &JsValue::UNDEFINED)).await.unwrap();
    assert_eq!(text(&result, "result.inputs.0.dtype"), "uint8");
    assert_eq!(text(&result, "record.shapes"), "image:2x3x4");
    for inputs in [object(&[]), object(&[("texts", "one".into())]), object(&[("image", JsValue::TRUE)])] {
        let refused = JsFuture::from(start(&reader, &inputs, &JsValue::UNDEFINED)).await;
        assert_eq!(text(&refused.unwrap_err(), "category"), "validation");
    }
    close(&pool).await;
    agent.restore();
}

#[wasm_bindgen_test]
async fn what_the_agent_cannot_give() {
    let agent = AgentDouble::new();
    agent.add_model("damaged", &Uint8Array::from(&[1_u8, 2, 4][..]), SHA256);
    let pool = pool("answers", &[("agent", AGENT.into())]).await;
    check_fault(load(&pool, &"nothing".into()).await, "model_load", "model-unknown");
    check_fault(load(&pool, &"damaged".into()).await, "integrity", "model-hash");
    check_fault(
        load(&pool, &format!("{AGENT}/no-such-file.onnx").into()).await,
        "model_load",
        "fetch-status",
    );
    agent.set_status(0);
    check_fault(load(&pool, &"damaged".into()).await, "model_load", "fetch-unreachable");
    assert_eq!(number(&pool.stats(), "models.length"), 0.0);
    close(&pool).await;
    agent.restore();
}
