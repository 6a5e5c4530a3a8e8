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
mod parts;
mod quantize;
mod recurrent;
mod rows;
mod sample;
mod shader;
mod variant;
mod window;

pub use pack::{Packing, Wide, elements, from_elements};
pub use variant::{Choices, Shape, Tunable, UnknownVariant, Variant};

/// Parts of tensors begin at multiples of this, bytes: the largest element that kernels read.
const PART_ALIGNMENT: u64 = 16;

/// What the adapter can do, as far as the choice of kernels depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The adapter is a CPU: few lanes, caches that need no help, slow barriers.
    pub is_software: bool,
    /// Compiling a large kernel takes as long as many runs of a small model: SwiftShader.
    pub compiles_slowly: bool,
    /// `maxStorageBufferBindingSize`.
    pub max_binding_bytes: u64,
    /// `maxBufferSize`.
    pub max_buffer_bytes: u64,
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

impl Target {
    /// Most bytes of one part of a tensor.
    fn part_bytes(&self) -> u64 {
        (self.max_binding_bytes.min(self.max_buffer_bytes) / PART_ALIGNMENT).max(1) * PART_ALIGNMENT
    }

    /// Parts of a tensor of a size.
    fn n_parts(&self, size_bytes: u64) -> usize {
        size_bytes.div_ceil(self.part_bytes()).max(1) as usize
    }
}

impl Default for Target {
    /// The limits that every WebGPU adapter has.
    fn default() -> Self {
        Self {
            is_software: false,
            compiles_slowly: false,
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
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
    /// Bytes of every part of a tensor but the last one.
    pub part_bytes: u64,
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

/// A storage buffer. A tensor that is larger than the adapter binds has several.
#[derive(Debug, Clone)]
pub struct Buffer {
    /// Bytes, a multiple of 16 and not 0.
    pub size_bytes: u64,
    /// Where it begins in the tensor that it holds a part of; 0 for a whole one.
    pub offset_bytes: u64,
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
    /// Indices into [`Program::buffers`]; the elements are at the front of what these hold one after the other.
    pub buffers: Vec<usize>,
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
    /// A kernel needs more, or larger, buffers than the adapter lets it bind.
    #[error(
        "{operator} of node `{node}` binds {n_buffers} buffers: {tensor} of {size_bytes} bytes takes {n_parts} \
         (maxStorageBufferBindingSize, maxBufferSize: {part_bytes}), the adapter binds {limit} \
         (maxStorageBuffersPerShaderStage)"
    )]
    TooLarge {
        /// Name of the operator.
        operator: &'static str,
        /// Name of the node.
        node: String,
        /// The largest tensor that the kernel binds.
        tensor: String,
        /// Its size.
        size_bytes: u64,
        /// Its parts.
        n_parts: usize,
        /// Most that a part can have, bytes.
        part_bytes: u64,
        /// Buffers that the kernel binds.
        n_buffers: usize,
        /// Most that the adapter binds.
        limit: usize,
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
