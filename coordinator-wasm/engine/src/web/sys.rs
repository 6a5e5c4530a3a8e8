//! Bindings that `web-sys` does not have: globals that pages and workers share.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `navigator` of a page or a worker.
    pub(crate) type Navigator;

    #[wasm_bindgen(thread_local_v2, js_name = navigator)]
    pub(crate) static NAVIGATOR: Navigator;

    /// Undefined without WebGPU.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn gpu(this: &Navigator) -> JsValue;

    #[wasm_bindgen(method, getter, js_name = userAgent)]
    pub(crate) fn user_agent(this: &Navigator) -> String;

    #[wasm_bindgen(thread_local_v2, js_name = crossOriginIsolated)]
    pub(super) static CROSS_ORIGIN_ISOLATED: Option<bool>;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn now_millis() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    pub(crate) fn set_timeout(callback: &JsValue, delay_millis: i32) -> JsValue;
}

/// `performance.now()`, microseconds.
pub(crate) fn now_micros() -> u64 {
    (now_millis() * 1000.0) as u64
}
