//! What this worker's browser offers, found by asking for it.

use js_sys::{Error, Object, Promise};
use wasm_bindgen::prelude::*;
use web_sys::{Gpu, GpuAdapter};
use wire::{Adapter, Capabilities};

use super::promise::{Failure, within};
use super::sys::{self, Navigator};
use crate::webnn::sys::{Ml, MlContext, MlContextOptions, navigator_ml};

/// WebNN's device types in the order they are tried. The processor comes first: where a browser computes on a GPU that is
/// emulated, it does not say so.
pub(crate) const WEBNN_DEVICES: [&str; 3] = ["cpu", "gpu", "npu"];

/// Time for one answer, milliseconds: a hung GPU process answers nothing, and the worker can do without it.
const PATIENCE_MILLIS: i32 = 2_000;

/// Asks for WebGPU and WebNN at once.
pub(super) async fn detect() -> Capabilities {
    let (adapter, webgpu_reason) = match sys::NAVIGATOR.with(find_adapter).await {
        Ok(adapter) => (Some(adapter), None),
        Err(reason) => (None, Some(reason)),
    };
    let (webnn_devices, webnn_reason) = find_webnn().await;
    Capabilities {
        wasm_build: crate::SIMD_BUILD.to_owned(),
        backends: Vec::new(),
        adapter,
        webgpu_reason,
        webnn_devices,
        webnn_reason,
        cross_origin_isolated: sys::CROSS_ORIGIN_ISOLATED.with(|isolated| isolated.unwrap_or_default()),
    }
}

fn find_adapter(navigator: &Navigator) -> impl Future<Output = Result<Adapter, String>> + use<> {
    let gpu = navigator.gpu();
    async move {
        if gpu.is_undefined() {
            return Err("navigator.gpu is undefined".to_owned());
        }
        let adapter = answer(gpu.unchecked_into::<Gpu>().request_adapter().unchecked_into()).await?;
        if adapter.is_null() {
            return Err("requestAdapter() gave null".to_owned());
        }
        let info = adapter.unchecked_into::<GpuAdapter>().info();
        Ok(Adapter {
            vendor: info.vendor(),
            architecture: info.architecture(),
            description: info.description(),
            is_fallback: info.is_fallback_adapter(),
        })
    }
}

/// The device types that give a context, and the reason when none does.
async fn find_webnn() -> (Vec<String>, Option<String>) {
    let Some(ml) = navigator_ml() else {
        return (Vec::new(), Some("navigator.ml is undefined".to_owned()));
    };
    let mut devices = Vec::new();
    let mut reason = None;
    for device in WEBNN_DEVICES {
        match try_context(&ml, device).await {
            Ok(()) => devices.push(device.to_owned()),
            Err(words) => reason = Some(words),
        }
    }
    let reason = if devices.is_empty() { reason } else { None };
    (devices, reason)
}

async fn try_context(ml: &Ml, device: &str) -> Result<(), String> {
    let options: MlContextOptions = Object::new().unchecked_into();
    options.set_device_type(device);
    let context = answer(ml.create_context(&options).map_err(|error| words(&error))?).await?;
    context.unchecked_into::<MlContext>().destroy();
    Ok(())
}

/// Awaits `promise`, but not for ever; an error is in the browser's words.
async fn answer(promise: Promise) -> Result<JsValue, String> {
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
