//! Globals that windows and workers share, bound by hand because web-sys ties them to one of the two.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use web_sys::RequestInit;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    pub(crate) fn set_timeout(callback: &Function, millis: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    pub(crate) fn clear_timeout(handle: &JsValue);

    #[wasm_bindgen(catch)]
    pub(crate) fn fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = reportError)]
    pub(crate) fn report_error(error: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_namespace = performance, js_name = now)]
    pub(crate) fn performance_now() -> Result<f64, JsValue>;

    /// `Storage`.
    pub(crate) type Storage;

    #[wasm_bindgen(catch, method, js_name = getItem)]
    pub(crate) fn get_item(this: &Storage, key: &str) -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(catch, method, js_name = setItem)]
    pub(crate) fn set_item(this: &Storage, key: &str, value: &str) -> Result<(), JsValue>;

    /// `import.meta` of the generated module.
    pub(crate) type ImportMeta;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn url(this: &ImportMeta) -> String;

    #[wasm_bindgen(thread_local_v2, js_namespace = import, js_name = meta)]
    pub(crate) static IMPORT_META: ImportMeta;

    /// `navigator`, as far as both kinds of global have it.
    #[derive(Clone)]
    pub(crate) type Navigator;

    #[wasm_bindgen(thread_local_v2, js_name = navigator)]
    pub(crate) static NAVIGATOR: Option<Navigator>;

    #[wasm_bindgen(method, getter, js_name = userAgent)]
    pub(crate) fn user_agent(this: &Navigator) -> String;

    /// `undefined` outside Chromium.
    #[wasm_bindgen(method, getter, js_name = userAgentData)]
    pub(crate) fn user_agent_data(this: &Navigator) -> Option<UserAgentData>;

    #[wasm_bindgen(catch, method, js_name = sendBeacon)]
    pub(crate) fn send_beacon(this: &Navigator, url: &str, body: &web_sys::Blob) -> Result<bool, JsValue>;

    /// `NavigatorUAData`.
    pub(crate) type UserAgentData;

    #[wasm_bindgen(catch, method, js_name = getHighEntropyValues)]
    pub(crate) fn high_entropy_values(this: &UserAgentData, hints: &JsValue) -> Result<Promise, JsValue>;

    /// `crypto`; its `subtle` and `randomUUID` exist in secure contexts only.
    #[derive(Clone)]
    pub(crate) type Crypto;

    #[wasm_bindgen(thread_local_v2, js_name = crypto)]
    pub(crate) static CRYPTO: Option<Crypto>;

    #[wasm_bindgen(catch, method, js_name = randomUUID)]
    pub(crate) fn random_uuid(this: &Crypto) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, method, js_name = getRandomValues)]
    pub(crate) fn get_random_values(this: &Crypto, bytes: &js_sys::Uint8Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn subtle(this: &Crypto) -> Option<Subtle>;

    /// `SubtleCrypto`.
    pub(crate) type Subtle;

    #[wasm_bindgen(catch, method)]
    pub(crate) fn digest(
        this: &Subtle,
        algorithm: &str,
        bytes: &js_sys::Uint8Array,
    ) -> Result<Promise, JsValue>;
}
