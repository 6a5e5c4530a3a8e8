//! Globals that windows and workers share, bound by hand because web-sys ties them to one of the two.

use js_sys::{Array, Function, Promise};
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

    /// What messages go to: a `Worker` or a `MessagePort`.
    #[derive(Clone)]
    pub(crate) type Port;

    #[wasm_bindgen(catch, method, js_name = postMessage)]
    pub(crate) fn post_message(this: &Port, message: &JsValue, transfer: &Array) -> Result<(), JsValue>;

    /// Messages that came before this wait; of a `MessagePort` only.
    #[wasm_bindgen(method)]
    pub(crate) fn start(this: &Port);

    /// `MessageChannel`.
    #[wasm_bindgen(js_name = MessageChannel)]
    pub(crate) type Channel;

    #[wasm_bindgen(catch, constructor, js_class = MessageChannel)]
    pub(crate) fn new() -> Result<Channel, JsValue>;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn port1(this: &Channel) -> Port;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn port2(this: &Channel) -> Port;

    /// The window inside an iframe.
    pub(crate) type Window;

    #[wasm_bindgen(catch, method, js_name = postMessage)]
    pub(crate) fn send(
        this: &Window,
        message: &JsValue,
        origin: &str,
        transfer: &Array,
    ) -> Result<(), JsValue>;

    /// `document`, which workers lack.
    #[derive(Clone)]
    pub(crate) type Document;

    #[wasm_bindgen(thread_local_v2, js_name = document)]
    pub(crate) static DOCUMENT: Option<Document>;

    #[wasm_bindgen(catch, method, js_name = createElement)]
    pub(crate) fn create_element(this: &Document, name: &str) -> Result<Element, JsValue>;

    #[wasm_bindgen(method, getter, js_name = documentElement)]
    pub(crate) fn root(this: &Document) -> Element;

    /// `Element`.
    #[derive(Clone)]
    pub(crate) type Element;

    #[wasm_bindgen(method)]
    pub(crate) fn append(this: &Element, child: &Element);

    #[wasm_bindgen(method)]
    pub(crate) fn remove(this: &Element);

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
