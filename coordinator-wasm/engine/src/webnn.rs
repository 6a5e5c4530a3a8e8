//! Models as graphs of the browser's WebNN, one graph per shape class.
//!
//! What is built is decided in `model::webnn`, natively; here it is handed to the browser.

pub mod bytes;
pub mod limits;

#[cfg(target_arch = "wasm32")]
mod backend;
#[cfg(target_arch = "wasm32")]
mod context;
#[cfg(target_arch = "wasm32")]
mod graph;
#[cfg(target_arch = "wasm32")]
mod session;
#[cfg(target_arch = "wasm32")]
pub(crate) mod sys;

#[cfg(target_arch = "wasm32")]
pub use self::backend::WebnnBackend;
