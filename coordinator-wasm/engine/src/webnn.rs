//! Models as graphs of the browser's WebNN, one per shape class; where operators are missing, several with steps on wasm
//! between them.
//!
//! What is built is decided in `model::webnn`, natively; here it is handed to the browser.

pub mod bytes;
pub mod device;
pub mod limits;

#[cfg(target_arch = "wasm32")]
mod backend;
#[cfg(target_arch = "wasm32")]
mod context;
#[cfg(target_arch = "wasm32")]
mod graph;
#[cfg(target_arch = "wasm32")]
mod parts;
#[cfg(target_arch = "wasm32")]
mod port;
#[cfg(target_arch = "wasm32")]
mod session;
#[cfg(target_arch = "wasm32")]
pub(crate) mod sys;
#[cfg(target_arch = "wasm32")]
mod trial;
#[cfg(target_arch = "wasm32")]
mod turns;

#[cfg(target_arch = "wasm32")]
pub use self::backend::WebnnBackend;
#[cfg(target_arch = "wasm32")]
pub(crate) use self::trial::find;
