//! Tensors in JSON: `{ dtype, dims, data }`, checked against what the model takes.

use serde::Deserialize;
use serde_json::{Map, Value};
use wire::{DType, Fault, TensorHeader};

use super::{JobInput, invalid};

/// A tensor as a line gives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    dtype: DType,
    dims: Vec<u32>,
    data: Vec<Value>,
}

/// The job of a plain model: a tensor for each of `specs`, and no other.
pub(super) fn model_job(specs: &[TensorHeader], mut object: Map<String, Value>) -> Result<JobInput, Fault> {
    let mut tensors = Vec::with_capacity(specs.len());
    for spec in specs {
        let name = &spec.name;
        let value = object
            .remove(name)
            .ok_or_else(|| invalid("input-name", format!("input \"{name}\" is missing")))?;
        let given = serde_json::from_value(value).map_err(|error| {
            invalid("input-json", format!("input \"{name}\" is not {{ dtype, dims, data }}: {error}"))
        })?;
        tensors.push(check(spec, &given)?);
    }
    if let Some(other) = object.keys().next() {
        return Err(invalid("input-name", format!("the model has no input \"{other}\"")));
    }
    let shape = |(header, _): &(TensorHeader, Vec<u8>)| header.shape_text();
    let n_elements = tensors.iter().filter_map(|(header, _)| header.n_elements()).map(|n| n as u64).sum();
    let shapes = tensors.iter().map(shape).collect::<Vec<_>>().join(",");
    Ok(JobInput { tensors, shapes, n_elements, ..JobInput::default() })
}

/// `[1, ?, 3]`, with `?` for a symbolic dimension.
pub(super) fn dims_text(dims: &[u32]) -> String {
    let dim = |&dim: &u32| if dim == 0 { "?".to_owned() } else { dim.to_string() };
    format!("[{}]", dims.iter().map(dim).collect::<Vec<_>>().join(", "))
}

fn check(spec: &TensorHeader, given: &Given) -> Result<(TensorHeader, Vec<u8>), Fault> {
    let refuse = |code: &str, what: String| Err(invalid(code, format!("input \"{}\": {what}", spec.name)));
    if given.dtype != spec.dtype {
        let (found, wanted) = (given.dtype.as_str(), spec.dtype.as_str());
        return refuse("input-dtype", format!("dtype is {found}, the model takes {wanted}"));
    }
    let fits = given.dims.len() == spec.dims.len()
        && given.dims.iter().zip(&spec.dims).all(|(&dim, &wanted)| wanted == 0 || dim == wanted);
    if !fits {
        let (found, wanted) = (dims_text(&given.dims), dims_text(&spec.dims));
        return refuse("input-shape", format!("shape is {found}, the model takes {wanted}"));
    }
    let header = TensorHeader { name: spec.name.clone(), dtype: spec.dtype, dims: given.dims.clone() };
    if header.n_elements() != Some(given.data.len()) {
        let (n_given, shape) = (given.data.len(), dims_text(&given.dims));
        return refuse("input-shape", format!("data has {n_given} elements, shape is {shape}"));
    }
    let mut bytes = Vec::with_capacity(given.data.len() * spec.dtype.size_bytes());
    for (index, value) in given.data.iter().enumerate() {
        if push(&mut bytes, spec.dtype, value).is_none() {
            let dtype = spec.dtype.as_str();
            return refuse("input-dtype", format!("element {index} is {value}, which is no {dtype}"));
        }
    }
    Ok((header, bytes))
}

/// Appends an element, little-endian; `None` when the value is not of that type. Halves are given as their 16 bits.
fn push(bytes: &mut Vec<u8>, dtype: DType, value: &Value) -> Option<()> {
    match dtype {
        DType::Float32 => {
            #[expect(clippy::cast_possible_truncation, reason = "rounding is what float32 means")]
            let number = value.as_f64()? as f32;
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        DType::Float16 => bytes.extend_from_slice(&u16::try_from(value.as_u64()?).ok()?.to_le_bytes()),
        DType::Int64 => bytes.extend_from_slice(&value.as_i64()?.to_le_bytes()),
        DType::Int32 => bytes.extend_from_slice(&i32::try_from(value.as_i64()?).ok()?.to_le_bytes()),
        DType::Int8 => bytes.extend_from_slice(&i8::try_from(value.as_i64()?).ok()?.to_le_bytes()),
        DType::Uint8 => bytes.push(u8::try_from(value.as_u64()?).ok()?),
        DType::Bool => bytes.push(value.as_bool().map(u8::from).or_else(|| {
            let number = value.as_u64()?;
            (number < 2).then_some(number as u8)
        })?),
    }
    Some(())
}
