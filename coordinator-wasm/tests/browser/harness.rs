//! What every test needs: pools on test workers, and JavaScript values as Rust ones.

use js_sys::{Array, Float32Array, Function, Promise, Reflect, Uint8Array};
use tabpool::{PoolHandle, create_pool};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(module = "/tests/browser/harness.js")]
extern "C" {
    #[wasm_bindgen(js_name = workerUrl)]
    pub(crate) fn worker_url(behaviour: &str) -> String;

    pub(crate) fn inputs(values: &[f32]) -> JsValue;

    #[wasm_bindgen(js_name = frameUrl)]
    pub(crate) fn frame_url(behaviour: &str) -> String;

    #[wasm_bindgen(js_name = removeFrame)]
    pub(crate) fn remove_frame() -> u32;

    pub(crate) type AgentDouble;

    #[wasm_bindgen(constructor)]
    pub(crate) fn new() -> AgentDouble;

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_status(this: &AgentDouble, status: u32);

    #[wasm_bindgen(method, getter)]
    pub(crate) fn records(this: &AgentDouble) -> Array;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn events(this: &AgentDouble) -> Array;

    #[wasm_bindgen(method, js_name = addModel)]
    pub(crate) fn add_model(this: &AgentDouble, id: &str, bytes: &Uint8Array, sha256: &str);

    #[wasm_bindgen(method, js_name = addAdvice)]
    pub(crate) fn add_advice(this: &AgentDouble, model: &str, browser: &str, median_micros: f64, n: u32);

    #[wasm_bindgen(method, js_name = addPipeline)]
    pub(crate) fn add_pipeline(this: &AgentDouble, id: &str, kind: &str, bytes: &Uint8Array, sha256: &str);

    #[wasm_bindgen(method, js_name = beaconRecords)]
    pub(crate) fn beacon_records(this: &AgentDouble) -> Promise;

    #[wasm_bindgen(method)]
    pub(crate) fn restore(this: &AgentDouble);
}

/// Address that [`AgentDouble`] answers at.
pub(crate) const AGENT: &str = "http://agent.test";

/// A plain object.
pub(crate) fn object(properties: &[(&str, JsValue)]) -> JsValue {
    let object = JsValue::from(js_sys::Object::new());
    for (name, value) in properties {
        Reflect::set(&object, &(*name).into(), value).unwrap();
    }
    object
}

/// Options for one worker of this behaviour, no agent, and what else is given.
pub(crate) fn options(behaviour: &str, more: &[(&str, JsValue)]) -> JsValue {
    let options = object(&[
        ("workers", 1.into()),
        ("agent", JsValue::NULL),
        ("workerUrl", worker_url(behaviour).into()),
        // Tests share a page; what one learns is none of the next one's business.
        ("evidenceKey", JsValue::NULL),
    ]);
    for (name, value) in more {
        Reflect::set(&options, &(*name).into(), value).unwrap();
    }
    options
}

/// A pool that must start.
pub(crate) async fn pool(behaviour: &str, more: &[(&str, JsValue)]) -> PoolHandle {
    match create_pool(options(behaviour, more)).await {
        Ok(pool) => pool,
        Err(error) => panic!("{}", text(&error, "message")),
    }
}

/// A model of three bytes, loaded; `run` and the rest are called as JavaScript would.
pub(crate) async fn model(pool: &PoolHandle) -> JsValue {
    load(pool, &Uint8Array::from(&[1_u8, 2, 3][..])).await.unwrap()
}

pub(crate) async fn load(pool: &PoolHandle, source: &JsValue) -> Result<JsValue, JsValue> {
    JsFuture::from(pool.load(source.clone(), &JsValue::UNDEFINED)).await
}

/// `pool.load(...)` of the same three bytes.
pub(crate) async fn load_with(pool: &PoolHandle, options: &[(&str, JsValue)]) -> Result<JsValue, JsValue> {
    let bytes = Uint8Array::from(&[1_u8, 2, 3][..]);
    JsFuture::from(pool.load(bytes.into(), &object(options))).await
}

/// `model.run(...)`, not awaited.
pub(crate) fn start(model: &JsValue, inputs: &JsValue, options: &JsValue) -> Promise {
    let run: Function = get(model, "run").unchecked_into();
    run.call2(model, inputs, options).unwrap().unchecked_into()
}

pub(crate) async fn run(model: &JsValue, values: &[f32]) -> Result<JsValue, JsValue> {
    JsFuture::from(start(model, &inputs(values), &JsValue::UNDEFINED)).await
}

pub(crate) async fn unload(model: &JsValue) {
    let unload: Function = get(model, "unload").unchecked_into();
    JsFuture::from(unload.call0(model).unwrap().unchecked_into::<Promise>()).await.unwrap();
}

/// Elements of output `y`.
pub(crate) fn output(result: &JsValue) -> Vec<f32> {
    get(result, "outputs.y.data").unchecked_into::<Float32Array>().to_vec()
}

/// A method called as JavaScript would.
pub(crate) fn call(object: &JsValue, method: &str, argument: &JsValue) -> JsValue {
    get(object, method).unchecked_into::<Function>().call1(object, argument).unwrap()
}

/// The property at a dotted path; numbers index arrays.
pub(crate) fn get(object: &JsValue, path: &str) -> JsValue {
    path.split('.').fold(object.clone(), |object, name| Reflect::get(&object, &name.into()).unwrap())
}

pub(crate) fn text(object: &JsValue, path: &str) -> String {
    get(object, path).as_string().unwrap_or_else(|| panic!("{path} is not text"))
}

pub(crate) fn number(object: &JsValue, path: &str) -> f64 {
    get(object, path).as_f64().unwrap_or_else(|| panic!("{path} is not a number"))
}

/// The promise must be rejected with a `TabpoolError` of this category and code.
#[track_caller]
pub(crate) fn check_fault(result: Result<JsValue, JsValue>, category: &str, code: &str) {
    let error = result.expect_err("an error was expected");
    let found = (text(&error, "name"), text(&error, "category"), text(&error, "code"));
    let message = text(&error, "message");
    assert_eq!(found, ("TabpoolError".to_owned(), category.to_owned(), code.to_owned()), "{message}");
}

/// Collects the payloads of an event.
pub(crate) fn collect(pool: &PoolHandle, event: &str) -> Array {
    let seen = Array::new();
    let push = Function::new_with_args("payload", "this.push(payload)").bind0(&seen);
    pool.on(event, push.into()).unwrap();
    seen
}

/// The payload of the next such event.
pub(crate) fn next(pool: &PoolHandle, event: &str) -> Promise {
    Promise::new(&mut |resolve, _reject| drop(pool.on(event, resolve.into()).unwrap()))
}

/// Ends the test's pool.
pub(crate) async fn close(pool: &PoolHandle) {
    JsFuture::from(pool.close()).await.unwrap();
}
