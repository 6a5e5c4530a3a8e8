//! Runs models inside one worker or iframe.
//!
//! [`engine::Engine`] is the whole of it: it answers the requests of `wire::engine` with a [`backend::Backend`] and the
//! chains in [`pipeline`]. Everything but `web` is plain Rust and tested natively; `web` is the edge to JavaScript.

/// The SIMD instructions that this build computes with.
pub const SIMD_BUILD: &str = if cfg!(target_feature = "relaxed-simd") {
    "relaxed-simd"
} else if cfg!(target_feature = "simd128") {
    "simd128"
} else {
    "native"
};

pub mod backend;
mod batch;
pub mod check;
pub mod engine;
mod fault;
pub mod kept;
pub mod pipeline;
pub mod planned;
pub mod tensor;
#[cfg(test)]
mod testing;
mod tokenizer;
pub mod value;
pub mod wasm;
#[cfg(target_arch = "wasm32")]
pub mod web;
#[cfg(all(target_arch = "wasm32", not(feature = "rten")))]
mod webgpu;
pub mod webnn;
