//! Where a run happened: browser, backend, adapter, precision.

use serde::{Deserialize, Serialize};

/// What executes a model inside one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// WebGPU compute.
    Webgpu,
    /// WebNN graphs on the processor.
    Webnn,
    /// WebNN graphs on a GPU.
    #[serde(rename = "webnn-gpu")]
    WebnnGpu,
    /// WebNN graphs on a neural processor.
    #[serde(rename = "webnn-npu")]
    WebnnNpu,
    /// WebAssembly SIMD.
    Wasm,
}

impl Backend {
    /// Every backend, in declaration order.
    pub const ALL: [Self; 5] = [Self::Webgpu, Self::Webnn, Self::WebnnGpu, Self::WebnnNpu, Self::Wasm];

    /// Stable name: the one in JSON, in the database and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webgpu => "webgpu",
            Self::Webnn => "webnn",
            Self::WebnnGpu => "webnn-gpu",
            Self::WebnnNpu => "webnn-npu",
            Self::Wasm => "wasm",
        }
    }
}

/// Numeric precision of the weights as the model file holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// 8-bit integer.
    Int8,
    /// Nobody said: a caller's own file, or a pipeline whose files differ.
    Unknown,
}

impl Precision {
    /// Every precision, in declaration order.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Int8, Self::Unknown];

    /// Stable name: the one in JSON and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
            Self::Unknown => "unknown",
        }
    }
}

/// The browser as the launcher and the page know it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Browser {
    /// Short name: `chromium`, `firefox`, `webkit`, `chromium-webnn`, `edge`, `unknown`.
    pub name: String,
    /// Full version, e.g. `156.0.8078.79`; empty when unknown.
    pub version: String,
    /// `navigator.userAgent`.
    #[serde(default)]
    pub user_agent: String,
}

/// `GPUAdapterInfo`, as far as the browser tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Adapter {
    /// E.g. `google`; empty when the browser hides it.
    pub vendor: String,
    /// E.g. `swiftshader`; empty when the browser hides it.
    pub architecture: String,
    /// Free text; empty when the browser hides it.
    pub description: String,
    /// `isFallbackAdapter`: true when the adapter renders in software.
    pub is_fallback: bool,
}

/// What one worker can do, found by trying.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// The SIMD build this worker loaded: `relaxed-simd` or `simd128`.
    pub wasm_build: String,
    /// Backends that the engine can run models on in this worker.
    pub backends: Vec<Backend>,
    /// The WebGPU adapter, when one answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// Why WebGPU is not there, in the browser's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webgpu_reason: Option<String>,
    /// WebNN device types, `cpu`, `gpu`, `npu`, that gave a context whose graphs are for them as far as the browser says.
    #[serde(default)]
    pub webnn_devices: Vec<String>,
    /// Why WebNN is not there, in the browser's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webnn_reason: Option<String>,
    /// What else the browser says about WebNN: device types that are another in truth, tensors that it shares with WebGPU.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webnn_notes: Vec<String>,
    /// `crossOriginIsolated`: shared memory may be used.
    pub cross_origin_isolated: bool,
}
