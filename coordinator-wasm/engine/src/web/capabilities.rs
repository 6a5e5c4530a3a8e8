//! What this worker's browser offers, found by asking for it.

use js_sys::{Error, Promise};
use wasm_bindgen::prelude::*;
use web_sys::{Gpu, GpuAdapter};
use wire::{Adapter, Capabilities};

use super::promise::{Failure, within};
use super::sys::{self, Navigator};
use crate::webnn;

/// Time for one answer, milliseconds: a hung GPU process answers nothing, and the worker can do without it.
const PATIENCE_MILLIS: i32 = 2_000;

/// Asks for WebGPU and WebNN.
pub(super) async fn detect() -> Capabilities {
    let (adapter, webgpu_reason) = match sys::NAVIGATOR.with(find_adapter).await {
        Ok(adapter) => (Some(adapter), None),
        Err(reason) => (None, Some(reason)),
    };
    let webnn = webnn::find(adapter.as_ref()).await;
    Capabilities {
        wasm_build: crate::SIMD_BUILD.to_owned(),
        backends: Vec::new(),
        adapter: adapter.as_ref().map(described),
        webgpu_reason,
        webnn_devices: webnn.devices,
        webnn_reason: webnn.reason,
        webnn_notes: webnn.notes,
        cross_origin_isolated: sys::CROSS_ORIGIN_ISOLATED.with(|isolated| isolated.unwrap_or_default()),
    }
}

fn find_adapter(navigator: &Navigator) -> impl Future<Output = Result<GpuAdapter, String>> + use<> {
    let gpu = navigator.gpu();
    async move {
        if gpu.is_undefined() {
            return Err("navigator.gpu is undefined".to_owned());
        }
        let adapter = answer(gpu.unchecked_into::<Gpu>().request_adapter().unchecked_into()).await?;
        if adapter.is_null() {
            return Err("requestAdapter() gave null".to_owned());
        }
        Ok(adapter.unchecked_into())
    }
}

/// The adapter as the browser describes it.
pub(crate) fn described(adapter: &GpuAdapter) -> Adapter {
    let info = adapter.info();
    Adapter {
        vendor: info.vendor(),
        architecture: info.architecture(),
        description: info.description(),
        is_fallback: info.is_fallback_adapter(),
    }
}

/// Awaits `promise`, but not for ever; an error is in the browser's words.
pub(crate) async fn answer(promise: Promise) -> Result<JsValue, String> {
    within(&promise, PATIENCE_MILLIS).await.map_err(|failure| match failure {
        Failure::Late => format!("no answer within {PATIENCE_MILLIS} ms"),
        Failure::Rejected(error) => words(&error),
    })
}

/// What the browser says: name and message of its error.
pub(crate) fn words(error: &JsValue) -> String {
    match error.dyn_ref::<Error>() {
        Some(error) => format!("{}: {}", error.name(), error.message()).replace('\n', " "),
        None => format!("{error:?}"),
    }
}
