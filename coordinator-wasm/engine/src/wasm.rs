//! Our own executor for WebAssembly SIMD.

pub mod kernel;
