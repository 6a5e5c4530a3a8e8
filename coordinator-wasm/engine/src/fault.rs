//! The engine's faults: every code it can answer with, in one place.

use model::DecodeError;
use wire::{DType, Fault, FaultCategory};

use crate::value::ValueInfo;

const RECONVERT: &str =
    "convert the model with operators that the backend knows, or load it on another backend";

/// The bytes are not the ONNX file they should be.
pub(crate) fn decode(error: &DecodeError) -> Fault {
    if matches!(error, DecodeError::NotOnnx { .. }) {
        return Fault::new(FaultCategory::ModelLoad, "not-onnx", format!("the bytes are no model: {error}"))
            .with_hint("pass the bytes of an .onnx file; a server may have answered with an error page");
    }
    if matches!(error, DecodeError::Truncated { .. }) {
        return truncated_model(error);
    }
    invalid_model(error)
}

/// The file's end is missing.
pub(crate) fn truncated_model(cause: impl std::fmt::Display) -> Fault {
    Fault::new(FaultCategory::ModelLoad, "truncated-model", format!("the model is not complete: {cause}"))
        .with_hint("fetch the file again")
}

/// The file is ONNX, but its graph cannot be built.
pub(crate) fn invalid_model(cause: impl std::fmt::Display) -> Fault {
    Fault::new(FaultCategory::ModelLoad, "invalid-model", format!("cannot build the model's graph: {cause}"))
        .with_hint("check the file with onnx.checker.check_model")
}

/// The backend lacks an operator, or a form of it. `node` is the operator and the name of the node, if it has one.
pub(crate) fn unsupported_operator(node: Option<(&str, &str)>, cause: impl std::fmt::Display) -> Fault {
    Fault::new(
        FaultCategory::UnsupportedOperator,
        "unsupported-operator",
        format!("the backend cannot run {}: {cause}", node_text(node)),
    )
    .with_hint(RECONVERT)
}

/// A graph input or output has an element type that the backend cannot hold.
pub(crate) fn unsupported_type(name: &str, element_type: &str) -> Fault {
    Fault::new(
        FaultCategory::UnsupportedOperator,
        "unsupported-type",
        format!("the backend cannot hold \"{name}\", which is {element_type}"),
    )
    .with_hint(RECONVERT)
}

/// An operator failed while the model ran. `node` is the operator and the name of the node, if it is known.
pub(crate) fn operator_failed(node: Option<(&str, &str)>, cause: impl std::fmt::Display) -> Fault {
    Fault::new(
        FaultCategory::UnsupportedOperator,
        "operator-failed",
        format!("the backend failed in {}: {cause}", node_text(node)),
    )
    .with_hint("check that the input shapes and values are ones the model was made for")
}

/// The caller named an input that the graph does not have.
pub(crate) fn unknown_input(name: &str, declared: &[ValueInfo]) -> Fault {
    validation("input-unknown", format!("the model has no input \"{name}\""), list_inputs(declared))
}

/// The caller left out an input.
pub(crate) fn missing_input(name: &str, declared: &[ValueInfo]) -> Fault {
    validation("input-missing", format!("input \"{name}\" is missing"), list_inputs(declared))
}

/// The caller passed an input twice.
pub(crate) fn duplicate_input(name: &str) -> Fault {
    validation(
        "input-duplicate",
        format!("input \"{name}\" is given twice"),
        "pass each input once".to_owned(),
    )
}

/// The element type is not the declared one.
pub(crate) fn input_type(name: &str, actual: DType, expected: DType) -> Fault {
    let (actual, expected) = (actual.as_str(), expected.as_str());
    validation(
        "input-dtype",
        format!("input \"{name}\" is {actual}, the model takes {expected}"),
        format!("pass \"{name}\" as {expected}"),
    )
}

/// The shape does not fit the declared one.
pub(crate) fn input_shape(name: &str, actual: &[u32], expected: &str) -> Fault {
    validation(
        "input-shape",
        format!("input \"{name}\" has shape {}, the model takes {expected}", dims_text(actual)),
        "a named dimension takes any size, the same wherever the name appears".to_owned(),
    )
}

/// The bytes are not as many as the header says.
pub(crate) fn input_size(name: &str, actual: usize, expected: Option<usize>) -> Fault {
    let expected = expected.map_or_else(|| "more than fits into memory".to_owned(), |n| n.to_string());
    validation(
        "input-size",
        format!("input \"{name}\" has {actual} bytes, its type and shape need {expected}"),
        "pass as many elements as the product of the dimensions".to_owned(),
    )
}

/// A 64-bit value does not fit the 32 bits that the backend computes in.
#[cfg(any(test, target_arch = "wasm32", feature = "rten"))]
pub(crate) fn input_range(name: &str, index: usize, value: i64) -> Fault {
    validation(
        "input-range",
        format!("input \"{name}\" has value {value} at index {index}, the backend holds int64 as 32 bits"),
        "pass values between -2147483648 and 2147483647".to_owned(),
    )
}

/// An output has another type than the pipeline reads.
pub(crate) fn output_type(name: &str, actual: DType, expected: DType) -> Fault {
    Fault::new(
        FaultCategory::ModelLoad,
        "output-type",
        format!("output \"{name}\" is {}, the pipeline reads {}", actual.as_str(), expected.as_str()),
    )
    .with_hint("load the model that this pipeline was written for")
}

/// A load request has too many or too few parts.
pub(crate) fn n_parts(expected: usize, actual: usize) -> Fault {
    validation(
        "part-count",
        format!("the request has {actual} parts, {expected} needed"),
        "pass one buffer per part".to_owned(),
    )
}

/// Jobs cannot be computed in one run.
pub(crate) fn batch(reason: impl std::fmt::Display) -> Fault {
    validation("batch", format!("the jobs cannot run as one: {reason}"), "run them one by one".to_owned())
}

/// A part of a pipeline is not what the pipeline was written for.
pub(crate) fn pipeline_part(role: &str, cause: impl std::fmt::Display) -> Fault {
    Fault::new(
        FaultCategory::ModelLoad,
        "pipeline-part",
        format!("pipeline part \"{role}\" does not fit: {cause}"),
    )
    .with_hint("use the parts of the catalogue's pipeline card, in its order")
}

/// The caller's input to a pipeline is not what it takes.
pub(crate) fn pipeline_input(cause: impl Into<String>, hint: &str) -> Fault {
    validation("pipeline-input", cause.into(), hint.to_owned())
}

/// Bytes whose hash is not the one that names them.
pub(crate) fn integrity(role: &str, mismatch: &content::Mismatch) -> Fault {
    Fault::new(FaultCategory::Integrity, "hash-mismatch", format!("part \"{role}\" is damaged: {mismatch}"))
        .with_hint("fetch the file again; if that does not help, its source is wrong")
}

/// Nothing tells what single kernels take.
pub(crate) fn no_profile() -> Fault {
    Fault::new(
        FaultCategory::UnsupportedOperator,
        "no-profile",
        "nothing here tells how long single kernels take: WebNN runs whole graphs, WebGPU needs the adapter's timestamp-query",
    )
    .with_hint("profile the model on wasm, or on WebGPU in another browser")
}

/// Nothing to choose between.
pub(crate) fn no_variants() -> Fault {
    Fault::new(
        FaultCategory::UnsupportedOperator,
        "no-variants",
        "this backend has one variant of each kernel",
    )
    .with_hint("tune models on webgpu")
}

/// The worker cannot run models on this backend.
pub(crate) fn backend_unavailable(backend: wire::Backend) -> Fault {
    Fault::new(
        FaultCategory::UnsupportedOperator,
        "backend-unavailable",
        format!("this worker cannot run models on {}", backend.as_str()),
    )
    .with_hint("use a backend that the worker's capabilities list")
}

/// A run or unload names a key that was never loaded.
pub(crate) fn not_loaded(key: &str) -> Fault {
    validation("not-loaded", format!("no model is loaded under \"{key}\""), "load it first".to_owned())
}

fn node_text(node: Option<(&str, &str)>) -> String {
    node.map_or_else(
        || "one of the model's operators".to_owned(),
        |(operator, name)| format!("operator {operator} (node \"{name}\")"),
    )
}

/// A shape as people write it, e.g. `[1, 16]`.
pub(crate) fn dims_text(dims: &[u32]) -> String {
    let dims: Vec<String> = dims.iter().map(u32::to_string).collect();
    format!("[{}]", dims.join(", "))
}

fn validation(code: &str, message: String, hint: String) -> Fault {
    Fault::new(FaultCategory::Validation, code, message).with_hint(hint)
}

fn list_inputs(declared: &[ValueInfo]) -> String {
    let inputs: Vec<String> = declared.iter().map(ValueInfo::to_string).collect();
    format!("the model's inputs are {}", inputs.join(", "))
}
