//! The edge to JavaScript: what `worker.js` calls, and nothing that decides.

mod buffers;
pub(crate) mod capabilities;
mod memory;
#[cfg(feature = "profile")]
pub mod profile;
pub(crate) mod promise;
pub(crate) mod sys;

use js_sys::{Array, ArrayBuffer};
use wasm_bindgen::prelude::*;
use wire::{EngineReply, EngineRequest, Fault, FaultCategory, Reply, Request};

use crate::backend::Backend;
use crate::engine::{Engine, Platform};
use crate::tensor::Tensor;
#[cfg(not(feature = "rten"))]
use crate::webnn::{WebnnBackend, device::Device};

/// The engine of this worker.
#[wasm_bindgen(js_name = Engine)]
pub struct EngineHandle {
    engine: Engine,
}

#[wasm_bindgen(js_class = Engine)]
impl EngineHandle {
    /// An engine without models.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first message to the page: what this worker can do.
    pub async fn ready(&self) -> Message {
        let found = capabilities::detect().await;
        message(0, self.engine.ready(found), Vec::new())
    }

    /// Runs kernels for `millis`, so that the browser has fast code for them when a model comes.
    #[cfg(not(feature = "rten"))]
    #[wasm_bindgen(js_name = warmUp)]
    pub fn warm_up(&self, millis: f64) {
        let end = sys::now_micros() + (millis * 1000.0) as u64;
        crate::wasm::warm_up::warm_up(|| sys::now_micros() >= end);
    }

    /// Answers one request.
    pub async fn handle(&self, header: String, buffers: Array) -> Message {
        let request: EngineRequest = match serde_json::from_str(&header) {
            Ok(request) => request,
            Err(error) => return message(id_of(&header), failed(unreadable(error)), Vec::new()),
        };
        let (reply, outputs) = self.answer(request.request, &buffers).await;
        message(request.id, reply, outputs)
    }

    async fn answer(&self, request: Request, buffers: &Array) -> (Reply, Vec<Tensor>) {
        match request {
            Request::Load { key, backend, pipeline, parts } => {
                let parts = || buffers::parts(parts, buffers);
                (self.engine.load(key, backend, pipeline, parts).await, Vec::new())
            }
            Request::Run { key, params, inputs } => match buffers::tensors(inputs, buffers) {
                Ok(inputs) => self.engine.run(&key, params, inputs).await,
                Err(fault) => (failed(fault), Vec::new()),
            },
            Request::Profile { key, inputs } => match buffers::tensors(inputs, buffers) {
                Ok(inputs) => (self.engine.profile(&key, inputs).await, Vec::new()),
                Err(fault) => (failed(fault), Vec::new()),
            },
            Request::Tune { key, inputs, budget_millis } => match buffers::tensors(inputs, buffers) {
                Ok(inputs) => (self.engine.tune(&key, inputs, budget_millis).await, Vec::new()),
                Err(fault) => (failed(fault), Vec::new()),
            },
            Request::RunBatch { key, n_jobs, inputs } => {
                // Without a buffer for each job there is none to run.
                let of_all = vec![inputs; n_jobs.min(buffers.length()) as usize].concat();
                match buffers::tensors(of_all, buffers) {
                    Ok(inputs) => self.engine.run_batch(&key, n_jobs as usize, inputs).await,
                    Err(fault) => (failed(fault), Vec::new()),
                }
            }
            Request::Unload { key } => (self.engine.unload(&key), Vec::new()),
            Request::Ping => (self.engine.ping(), Vec::new()),
        }
    }
}

impl Default for EngineHandle {
    fn default() -> Self {
        memory::keep_panics();
        let platform = Platform { now_micros: sys::now_micros, memory_bytes: memory::size_bytes };
        Self { engine: Engine::new(platform, backends()) }
    }
}

/// One message to the page: `{ header, buffers }`.
#[wasm_bindgen(getter_with_clone)]
pub struct Message {
    /// JSON of a `wire::EngineReply`.
    #[wasm_bindgen(readonly)]
    pub header: String,
    /// One `ArrayBuffer` per output tensor.
    #[wasm_bindgen(readonly)]
    pub buffers: Vec<ArrayBuffer>,
}

/// Message of the last panic; `worker.js` asks after a trap.
#[wasm_bindgen(js_name = lastPanic)]
pub fn last_panic() -> Option<String> {
    memory::last_panic()
}

/// Size of the allocation that failed, bytes; 0 when none did. `worker.js` asks after a trap.
#[wasm_bindgen(js_name = failedAllocationBytes)]
pub fn failed_allocation_bytes() -> usize {
    memory::failed_allocation_bytes()
}

/// The engine's backends, the preferred first.
#[cfg(not(feature = "rten"))]
fn backends() -> Vec<Box<dyn Backend>> {
    vec![
        Box::new(crate::wasm::WasmBackend),
        Box::new(WebnnBackend::new(Device::Cpu)),
        Box::new(WebnnBackend::new(Device::Gpu)),
        Box::new(WebnnBackend::new(Device::Npu)),
        Box::<crate::webgpu::WebgpuBackend>::default(),
    ]
}

/// The backend of the fallback build, which has no other.
#[cfg(feature = "rten")]
fn backends() -> Vec<Box<dyn Backend>> {
    vec![Box::new(crate::backend::RtenBackend)]
}

fn failed(fault: Fault) -> Reply {
    Reply::Failed { fault }
}

/// The message is not one that the engine reads.
fn unreadable(cause: impl std::fmt::Display) -> Fault {
    Fault::new(FaultCategory::Validation, "message", format!("cannot read the request: {cause}"))
        .with_hint("page and worker must come from the same bundle")
}

/// The id of a request that is unreadable otherwise, so that it is answered all the same; 0 when even that fails.
fn id_of(header: &str) -> u32 {
    let header: Option<serde_json::Value> = serde_json::from_str(header).ok();
    header.and_then(|header| u32::try_from(header.get("id")?.as_u64()?).ok()).unwrap_or_default()
}

fn message(id: u32, reply: Reply, outputs: Vec<Tensor>) -> Message {
    let buffers = outputs.into_iter().map(buffers::from_tensor).collect();
    // Every type in a reply has a JSON form.
    let header = serde_json::to_string(&EngineReply { id, reply }).unwrap_or_default();
    Message { header, buffers }
}

#[cfg(test)]
mod tests;
