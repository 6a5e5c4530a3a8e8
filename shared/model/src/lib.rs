//! Turns a model file into a plan a backend can run.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the operator sets are large and most code is about a few of them"
)]

mod attach;
mod detach;
pub mod dtype;
pub mod fuse;
pub mod graph;
pub mod inspect;
pub mod load;
mod lower;
mod onnx;
pub mod op;
pub mod plan;
pub mod reference;
pub mod tensor;
#[cfg(test)]
mod testing;
pub mod walk;
pub mod webgpu;
pub mod webnn;

pub use attach::{AttachError, attach_weights, side_files};
pub use detach::{Detached, DetachedWeight, Source, detach_weights};
pub use dtype::ElementType;
pub use graph::{Graph, GraphError};
pub use inspect::{Dim, InitializerInfo, Inspection, ValueContract, inspect};
pub use load::{Model, ModelError};
pub use onnx::{DecodeError, WireError};
pub use op::{Fact, Op};
pub use plan::Plan;
pub use tensor::scaled::ScaledBytes;
pub use tensor::{DType, Data, DataRef, Tensor, View};
