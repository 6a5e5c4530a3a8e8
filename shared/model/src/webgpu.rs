//! Plans as WebGPU dispatches: which kernel runs each step, on which buffers, with which numbers.
//!
//! Everything here is data; the engine encodes it. On the GPU every element has 32 bits: floats, or signed integers for all
//! other types. 64-bit integers are narrowed: constants and inputs that do not fit are refused, sums and products of those that
//! do wrap at 32 bits, which indices, lengths and masks never reach. Weights of quantized products keep their bytes.

use std::sync::Arc;

use crate::Plan;
use crate::tensor::{DType, Tensor};

mod arena;
mod display;
mod elementwise;
mod expression;
mod linear;
mod lower;
mod movement;
mod pack;
mod quantize;
mod recurrent;
mod rows;
mod sample;
mod shader;
mod variant;
mod window;

pub use pack::{Packing, Wide, elements, from_elements};
pub use variant::{Choices, Shape, Tunable, UnknownVariant, Variant};

/// What the adapter can do, as far as the choice of kernels depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The adapter is a CPU: few lanes, caches that need no help, slow barriers.
    pub is_software: bool,
    /// Compiling a large kernel takes as long as many runs of a small model: SwiftShader.
    pub compiles_slowly: bool,
    /// `maxStorageBufferBindingSize`.
    pub max_binding_bytes: u64,
    /// `maxStorageBuffersPerShaderStage`.
    pub max_storage_buffers: usize,
    /// `maxComputeWorkgroupsPerDimension`.
    pub max_workgroups: u32,
    /// Feature `shader-f16`.
    pub has_f16: bool,
    /// Feature `subgroups`.
    pub has_subgroups: bool,
    /// Variants to use instead of the default ones.
    pub choices: Choices,
}

impl Default for Target {
    /// The limits that every WebGPU adapter has.
    fn default() -> Self {
        Self {
            is_software: false,
            compiles_slowly: false,
            max_binding_bytes: 128 << 20,
            max_storage_buffers: 8,
            max_workgroups: 65_535,
            has_f16: false,
            has_subgroups: false,
            choices: Choices::default(),
        }
    }
}

/// A plan for one device.
#[derive(Debug, Clone)]
pub struct Program {
    /// WGSL texts, each once; the entry point is `main`.
    pub shaders: Vec<String>,
    /// Kernel calls, in order.
    pub dispatches: Vec<Dispatch>,
    /// Storage buffers.
    pub buffers: Vec<Buffer>,
    /// What the caller gets, in the order of the model's outputs.
    pub outputs: Vec<Output>,
    /// What could be computed in other ways.
    pub tunables: Vec<Tunable>,
}

/// One kernel call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// Name of the node in the model file.
    pub node: String,
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Index into [`Program::shaders`].
    pub shader: usize,
    /// Contents of the uniform buffer at binding 0; empty when nothing is bound there.
    pub params: Vec<u32>,
    /// Indices into [`Program::buffers`], from binding 1 on.
    pub bindings: Vec<usize>,
    /// Workgroups along each dimension.
    pub workgroups: [u32; 3],
    /// Multiplications and additions, as the plan estimates them for the node; 0 for calls that prepare the node's last one.
    pub n_flops: u64,
}

/// A storage buffer.
#[derive(Debug, Clone)]
pub struct Buffer {
    /// Bytes, a multiple of 16 and not 0.
    pub size_bytes: u64,
    /// What it holds when a run starts.
    pub content: Content,
}

/// What a buffer holds when a run starts.
#[derive(Debug, Clone)]
pub enum Content {
    /// The caller's input with this index.
    Input(usize),
    /// A weight, always.
    Constant(Arc<Tensor>, Packing),
    /// Nothing.
    Scratch,
}

/// Where a result is after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Name in the model file.
    pub name: String,
    /// Index into [`Program::buffers`]; the elements are at its front.
    pub buffer: usize,
    /// Element type; on the GPU each takes 32 bits.
    pub dtype: DType,
    /// Shape.
    pub dims: Vec<usize>,
}

/// Why a plan has no program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// There is no kernel for a form of an operator.
    #[error("{operator} of node `{node}` has no WebGPU kernel: {reason}")]
    Unsupported {
        /// Name of the operator.
        operator: &'static str,
        /// Name of the node.
        node: String,
        /// What is missing.
        reason: String,
    },
    /// A tensor is larger than the adapter lets a kernel bind.
    #[error("node `{node}` needs a tensor of {needed_bytes} bytes, the adapter binds {limit_bytes}")]
    TooLarge {
        /// Name of the node.
        node: String,
        /// Size of the tensor.
        needed_bytes: u64,
        /// The adapter's limit.
        limit_bytes: u64,
    },
}

impl Program {
    /// Lowers a plan.
    ///
    /// # Errors
    /// A step has no kernel, or a tensor does not fit the device.
    pub fn new(plan: &Plan, target: &Target) -> Result<Self, LowerError> {
        lower::lower(plan, target)
    }

    /// Bytes of the buffers that hold weights.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        let weights = |buffer: &&Buffer| matches!(buffer.content, Content::Constant(..));
        self.buffers.iter().filter(weights).map(|buffer| buffer.size_bytes).sum()
    }

    /// Bytes of all other buffers.
    #[must_use]
    pub fn working_bytes(&self) -> u64 {
        self.buffers.iter().map(|buffer| buffer.size_bytes).sum::<u64>() - self.weight_bytes()
    }
}

#[cfg(test)]
mod tests;
