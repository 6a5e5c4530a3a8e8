//! Bindings that `web-sys` does not have: WebNN, and globals that pages and workers share.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `navigator` of a page or a worker.
    pub(super) type Navigator;

    #[wasm_bindgen(thread_local_v2, js_name = navigator)]
    pub(super) static NAVIGATOR: Navigator;

    /// Undefined without WebGPU.
    #[wasm_bindgen(method, getter)]
    pub(super) fn gpu(this: &Navigator) -> JsValue;

    /// Undefined without WebNN.
    #[wasm_bindgen(method, getter)]
    pub(super) fn ml(this: &Navigator) -> JsValue;

    /// WebNN's `ML`.
    pub(super) type Ml;

    #[wasm_bindgen(method, catch, js_name = createContext)]
    pub(super) fn create_context(this: &Ml, options: &MlContextOptions) -> Result<Promise, JsValue>;

    /// WebNN's `MLContextOptions`.
    pub(super) type MlContextOptions;

    #[wasm_bindgen(method, setter, js_name = deviceType)]
    pub(super) fn set_device_type(this: &MlContextOptions, device_type: &str);

    /// WebNN's `MLContext`.
    pub(super) type MlContext;

    #[wasm_bindgen(method)]
    pub(super) fn destroy(this: &MlContext);

    #[wasm_bindgen(thread_local_v2, js_name = crossOriginIsolated)]
    pub(super) static CROSS_ORIGIN_ISOLATED: Option<bool>;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn now_millis() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    pub(super) fn set_timeout(callback: &JsValue, delay_millis: i32) -> JsValue;
}

/// `performance.now()`, microseconds.
pub(crate) fn now_micros() -> u64 {
    (now_millis() * 1000.0) as u64
}
