//! What this browser's WebNN is, found by trying: contexts, the devices of their graphs, tensors shared with WebGPU.

use js_sys::{Array, Object, Promise, Reflect};
use model::{DType, Fact};
use wasm_bindgen::prelude::*;
use web_sys::{GpuAdapter, GpuDevice};

use super::context::create;
use super::device::Device;
use super::port::descriptor;
use super::sys::{Ml, MlContext, MlGraph, MlGraphBuilder, MlTensor, navigator_ml};
use crate::web::capabilities::{answer, words};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Device types that gave a context whose graphs are for them, as far as the browser says.
    pub(crate) devices: Vec<String>,
    /// Why there is none.
    pub(crate) reason: Option<String>,
    /// What else the browser says.
    pub(crate) notes: Vec<String>,
}

/// Tries every device type, and tensors shared with WebGPU where there is an adapter.
pub(crate) async fn find(adapter: Option<&GpuAdapter>) -> Findings {
    let mut findings = Findings::default();
    let Some(ml) = navigator_ml() else {
        findings.reason = Some("navigator.ml is undefined".to_owned());
        return findings;
    };
    for device in Device::ALL {
        let name = device.as_str();
        match devices_of(&ml, device).await {
            Ok(devices) if devices.is_empty() || devices.iter().any(|other| other == name) => {
                findings.devices.push(name.to_owned());
            }
            Ok(devices) => findings.notes.push(format!("{name}: its graphs are for {}", devices.join(", "))),
            Err(words) => {
                findings.notes.push(format!("{name}: {words}"));
                findings.reason = Some(words);
            }
        }
    }
    if findings.devices.is_empty() {
        // The reason says it.
        findings.notes.clear();
        return findings;
    }
    findings.reason = None;
    if let Some(adapter) = adapter {
        let shared = share(&ml, adapter).await;
        findings.notes.push(format!("exportToGPU: {}", shared.err().unwrap_or_else(|| "works".to_owned())));
    }
    findings
}

/// The devices that a small graph is for; empty when the browser does not say.
async fn devices_of(ml: &Ml, device: Device) -> Result<Vec<String>, String> {
    let context = answer(create(ml, device).map_err(|error| words(&error))?).await?;
    let context: MlContext = context.unchecked_into();
    let devices = graph_devices(&context).await;
    context.destroy();
    devices
}

/// The devices that the graphs of a context are for; empty when the browser does not say.
pub(super) async fn graph_devices(context: &MlContext) -> Result<Vec<String>, String> {
    let graph: MlGraph = answer(small_graph(context).map_err(|error| words(&error))?).await?.unchecked_into();
    let devices: Array = graph.devices().unwrap_or_default();
    graph.destroy_graph();
    Ok(devices.iter().filter_map(|device| device.as_string()).collect())
}

/// Gives an [`MlGraph`] of one call.
fn small_graph(context: &MlContext) -> Result<Promise, JsValue> {
    let builder = MlGraphBuilder::new(context)?;
    let x = builder.input("x", &descriptor(&Fact::new(DType::F32, vec![1])))?;
    let outputs = Object::new();
    Reflect::set(&outputs, &"y".into(), &builder.identity(&x)?.into())?;
    builder.build(&outputs)
}

/// Makes a tensor that is a buffer of WebGPU too. In a context of its own: failing may cost it.
async fn share(ml: &Ml, adapter: &GpuAdapter) -> Result<(), String> {
    let text = |error: JsValue| words(&error);
    let device: GpuDevice = answer(adapter.request_device().unchecked_into()).await?.unchecked_into();
    let context = answer(create(ml, Device::Gpu).map_err(text)?).await?;
    let context: MlContext = context.unchecked_into();
    let shared = async {
        let descriptor = descriptor(&Fact::new(DType::F32, vec![1]));
        let tensor = answer(context.create_exportable_tensor(&descriptor, &device).map_err(text)?).await?;
        let tensor: MlTensor = tensor.unchecked_into();
        answer(context.export_to_gpu(&tensor).map_err(text)?).await.map(drop)
    }
    .await;
    context.destroy();
    device.destroy();
    shared
}
