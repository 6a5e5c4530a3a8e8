//! What can be checked about inputs before a worker sees them.

use wire::{DType, Fault, PipelineKind, TensorHeader};

use crate::fault::invalid;
use crate::joined::joined;

/// What the caller passed for one tensor; `None` where it is missing or of the wrong kind.
pub(crate) struct Given<'a> {
    /// `tensor.dtype`.
    pub(crate) dtype: Option<&'a str>,
    /// `tensor.dims`.
    pub(crate) dims: Option<&'a [f64]>,
    /// Kind of the typed array, e.g. `Float32Array`.
    pub(crate) array: Option<&'a str>,
    /// Its length.
    pub(crate) n_elements: usize,
}

/// Refuses names that the model lacks and names that it has but the caller did not give.
pub(crate) fn check_names(names: &[String], specs: &[TensorHeader]) -> Result<(), Fault> {
    let wanted = || {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        format!("the model's inputs are: {}", names.join(", "))
    };
    if let Some(name) = names.iter().find(|name| specs.iter().all(|spec| spec.name != **name)) {
        return Err(invalid("input-name", format!("the model has no input '{name}'")).with_hint(wanted()));
    }
    if let Some(spec) = specs.iter().find(|spec| names.iter().all(|name| *name != spec.name)) {
        return Err(invalid("input-name", format!("input '{}' is missing", spec.name)).with_hint(wanted()));
    }
    Ok(())
}

/// Checks data type, array kind, shape and length of one tensor against the model's contract.
pub(crate) fn check_tensor(spec: &TensorHeader, given: &Given<'_>) -> Result<TensorHeader, Fault> {
    let name = &spec.name;
    let wanted = spec.dtype.as_str();
    let kinds = array_kinds(spec.dtype);
    let refuse = |code: &str, what: String, hint: String| {
        Err(invalid(code, format!("input '{name}': {what}")).with_hint(hint))
    };
    let as_wanted = || format!("give it as {{ dtype: '{wanted}', dims: [...], data: {} }}", kinds[0]);
    let dtype = given.dtype.unwrap_or("missing");
    if dtype != wanted {
        return refuse("input-dtype", format!("dtype is {dtype}, the model takes {wanted}"), as_wanted());
    }
    let array = given.array.unwrap_or("not a typed array");
    if !kinds.contains(&array) {
        return refuse("input-dtype", format!("data is {array}, {wanted} takes {}", kinds[0]), as_wanted());
    }
    let Some(dims) = given.dims.and_then(whole_dims) else {
        return refuse("input-shape", "dims are not an array of whole numbers".to_owned(), as_wanted());
    };
    let fits = dims.len() == spec.dims.len()
        && dims.iter().zip(&spec.dims).all(|(&dim, &wanted)| wanted == 0 || dim == wanted);
    if !fits {
        let (given, wanted) = (dims_text(&dims), dims_text(&spec.dims));
        let hint = "a dimension shown as ? may have any size".to_owned();
        return refuse("input-shape", format!("shape is {given}, the model takes {wanted}"), hint);
    }
    let header = TensorHeader { name: name.clone(), dtype: spec.dtype, dims };
    if header.n_elements() != Some(given.n_elements) {
        let (shape, n_given) = (dims_text(&header.dims), given.n_elements);
        let hint = "the product of dims must be the length of data".to_owned();
        return refuse("input-shape", format!("data has {n_given} elements, shape is {shape}"), hint);
    }
    Ok(header)
}

/// The only key that a pipeline's inputs have, and how to give it.
pub(crate) fn pipeline_input(kind: PipelineKind) -> (&'static str, &'static str) {
    match kind {
        PipelineKind::TextEmbedding => ("texts", "this pipeline runs on { texts: ['...', '...'] }"),
        PipelineKind::ReadText => {
            ("image", "this pipeline runs on { image }: an ImageData, or { width, height, data } in RGBA")
        }
        PipelineKind::DetectSpeech | PipelineKind::WakeWord => {
            ("audio", "this pipeline runs on { audio }: a Float32Array of 16 kHz mono samples")
        }
        PipelineKind::IdentifyFile => ("bytes", "this pipeline runs on { bytes }: a Uint8Array"),
        PipelineKind::WriteTitle => ("text", "this pipeline runs on { text: '...' }"),
    }
}

/// RGBA, height × width × 4.
pub(crate) fn image_spec() -> TensorHeader {
    TensorHeader { name: String::new(), dtype: DType::Uint8, dims: vec![0, 0, 4] }
}

/// 16 kHz mono.
pub(crate) fn audio_spec() -> TensorHeader {
    TensorHeader { name: String::new(), dtype: DType::Float32, dims: vec![0] }
}

/// A file's bytes.
pub(crate) fn bytes_spec() -> TensorHeader {
    TensorHeader { name: String::new(), dtype: DType::Uint8, dims: vec![0] }
}

/// For the record, e.g. `input_ids:1x16,attention_mask:1x16`.
pub(crate) fn describe_shapes(headers: &[TensorHeader]) -> String {
    let shape = |header: &TensorHeader| {
        format!("{}:{}", header.name, joined(header.dims.iter().map(u32::to_string), "x"))
    };
    joined(headers.iter().map(shape), ",")
}

/// Typed arrays that may hold a data type; the first is the one to advise.
fn array_kinds(dtype: DType) -> &'static [&'static str] {
    match dtype {
        DType::Float32 => &["Float32Array"],
        DType::Float16 => &["Uint16Array", "Float16Array"],
        DType::Int64 => &["BigInt64Array"],
        DType::Int32 => &["Int32Array"],
        DType::Int8 => &["Int8Array"],
        DType::Uint8 | DType::Bool => &["Uint8Array", "Uint8ClampedArray"],
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and in range"
)]
fn whole_dims(dims: &[f64]) -> Option<Vec<u32>> {
    let whole =
        |&dim: &f64| (dim.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&dim)).then_some(dim as u32);
    dims.iter().map(whole).collect()
}

/// `[1, ?, 3]`, with `?` for a symbolic dimension.
fn dims_text(dims: &[u32]) -> String {
    let dim = |&dim: &u32| if dim == 0 { "?".to_owned() } else { dim.to_string() };
    format!("[{}]", joined(dims.iter().map(dim), ", "))
}

#[cfg(test)]
mod tests;
