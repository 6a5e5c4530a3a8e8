//! The faults of this backend: every code it adds to the engine's.

use model::webgpu::{LowerError, Wide};
use wire::{Fault, FaultCategory};

const OTHER_BACKEND: &str = "load the model on another backend";

/// The browser, or the machine, has no adapter for this worker.
pub(super) fn no_adapter(cause: &str) -> Fault {
    Fault::new(FaultCategory::DeviceLost, "no-adapter", format!("there is no WebGPU adapter: {cause}"))
        .with_hint(OTHER_BACKEND)
}

/// The device is gone.
pub(super) fn device_lost(cause: &str) -> Fault {
    Fault::new(FaultCategory::DeviceLost, "device-lost", format!("the WebGPU device was lost: {cause}"))
        .with_hint("run again: a new device is requested, and gets the model's weights again")
}

/// The device did not answer.
pub(super) fn timeout(what: &str, limit_millis: i32) -> Fault {
    Fault::new(
        FaultCategory::Timeout,
        "webgpu-timeout",
        format!("the WebGPU device did not {what} within {} s", limit_millis / 1000),
    )
    .with_hint("the GPU process may hang: restart the browser, or load the model on another backend")
}

/// The device has no memory left; `used_bytes` are in our buffers.
pub(super) fn out_of_memory(cause: &str, used_bytes: u64) -> Fault {
    Fault::new(
        FaultCategory::OutOfMemory,
        "webgpu-out-of-memory",
        format!("the WebGPU device is out of memory with {} MB in use: {cause}", used_bytes / 1_000_000),
    )
    .with_hint("unload other models, or run smaller batches")
}

/// The browser refuses what the backend asks for: a bug in tabpool or in the browser.
pub(super) fn refused(cause: &str) -> Fault {
    Fault::new(FaultCategory::Internal, "webgpu-validation", format!("WebGPU refused a call: {cause}"))
        .with_hint(OTHER_BACKEND)
}

/// The worker's address asks for something that does not exist.
pub(super) fn settings(name: &str, cause: impl std::fmt::Display) -> Fault {
    Fault::new(
        FaultCategory::Validation,
        "webgpu-settings",
        format!("the worker's parameter {name}: {cause}"),
    )
    .with_hint("`tabpool tune` lists the variants of an adapter")
}

/// The model has no program on this device.
pub(super) fn lowering(error: &LowerError) -> Fault {
    let code = match error {
        LowerError::Unsupported { .. } => "unsupported-operator",
        LowerError::TooLarge { .. } => "webgpu-limit",
    };
    Fault::new(
        FaultCategory::UnsupportedOperator,
        code,
        format!("the webgpu backend cannot run the model: {error}"),
    )
    .with_hint(OTHER_BACKEND)
}

/// An input has a value that 32 bits do not hold.
pub(super) fn wide_input(index: usize, wide: &Wide) -> Fault {
    Fault::new(
        FaultCategory::Validation,
        "input-range",
        format!("input {index}: {wide}, which the webgpu backend holds int64 as"),
    )
    .with_hint("pass values between -2147483648 and 2147483647")
}

/// A weight has a value that 32 bits do not hold.
pub(super) fn wide_weight(wide: &Wide) -> Fault {
    Fault::new(
        FaultCategory::UnsupportedOperator,
        "unsupported-operator",
        format!("the webgpu backend cannot run the model: a constant is out of range: {wide}"),
    )
    .with_hint(OTHER_BACKEND)
}
