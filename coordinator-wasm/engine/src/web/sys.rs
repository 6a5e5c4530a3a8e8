//! Bindings that `web-sys` does not have: globals that pages and workers share.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, FileSystemSyncAccessHandle};

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

    /// `location` of a page or a worker.
    pub(crate) type Location;

    #[wasm_bindgen(thread_local_v2, js_name = location)]
    pub(crate) static LOCATION: Location;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn search(this: &Location) -> String;

    /// A stored file as `worker.js` opens it: with the file that the page handed over.
    #[wasm_bindgen(extends = FileSystemSyncAccessHandle, js_name = FileSystemSyncAccessHandle)]
    pub(super) type OpenedFile;

    #[wasm_bindgen(method, getter)]
    pub(super) fn blob(this: &OpenedFile) -> Blob;

    /// What `fetch` gives.
    pub(crate) type Response;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn ok(this: &Response) -> bool;

    #[wasm_bindgen(method)]
    pub(crate) fn text(this: &Response) -> Promise;

    pub(crate) fn fetch(url: &str) -> Promise;

    /// The few calls of `IDBFactory`, `IDBDatabase`, `IDBTransaction`, `IDBObjectStore` and `IDBRequest` that keep a value
    /// under a name.
    #[derive(Clone)]
    pub(crate) type Database;

    /// Undefined where pages may not keep anything.
    #[wasm_bindgen(thread_local_v2, js_name = indexedDB)]
    pub(crate) static INDEXED_DB: Option<Database>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn open(this: &Database, name: &str, version: u32) -> Result<Database, JsValue>;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn result(this: &Database) -> JsValue;

    #[wasm_bindgen(method, setter, js_name = onsuccess)]
    pub(crate) fn set_on_success(this: &Database, callback: &JsValue);

    #[wasm_bindgen(method, setter, js_name = onerror)]
    pub(crate) fn set_on_error(this: &Database, callback: &JsValue);

    #[wasm_bindgen(method, setter, js_name = onupgradeneeded)]
    pub(crate) fn set_on_upgrade_needed(this: &Database, callback: &JsValue);

    #[wasm_bindgen(method, catch, js_name = createObjectStore)]
    pub(crate) fn create_object_store(this: &Database, name: &str) -> Result<Database, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn transaction(this: &Database, store: &str, mode: &str) -> Result<Database, JsValue>;

    #[wasm_bindgen(method, catch, js_name = objectStore)]
    pub(crate) fn object_store(this: &Database, name: &str) -> Result<Database, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn get(this: &Database, key: &str) -> Result<Database, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn put(this: &Database, value: &str, key: &str) -> Result<Database, JsValue>;

    #[wasm_bindgen(method)]
    pub(crate) fn close(this: &Database);

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn now_millis() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    pub(crate) fn set_timeout(callback: &JsValue, delay_millis: i32) -> JsValue;
}

/// `performance.now()`, microseconds.
pub(crate) fn now_micros() -> u64 {
    (now_millis() * 1000.0) as u64
}
