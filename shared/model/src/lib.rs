//! Turns a model file into a plan a backend can run.

mod detach;
pub mod dtype;
pub mod inspect;
mod onnx;

pub use detach::{Detached, detach_weights};
pub use dtype::ElementType;
pub use inspect::{Dim, InitializerInfo, Inspection, ValueContract, inspect};
pub use onnx::{DecodeError, WireError};
