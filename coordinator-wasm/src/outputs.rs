//! Output tensors as JavaScript objects, on the buffers that the worker sent.

use js_sys::{ArrayBuffer, BigInt64Array, Float32Array, Int8Array, Int32Array, Uint8Array, Uint16Array};
use wasm_bindgen::prelude::*;
use wire::{DType, Fault, FaultCategory, TensorHeader};

use crate::object::{array, object, set};

/// `{ name: { dtype, dims, data } }`, without copying.
///
/// # Errors
/// `worker-protocol` when headers and buffers do not match.
pub(crate) fn to_object(headers: &[TensorHeader], buffers: &[ArrayBuffer]) -> Result<JsValue, Fault> {
    let broken = |what: String| Fault::new(FaultCategory::Internal, "worker-protocol", what);
    if headers.len() != buffers.len() {
        let (n_headers, n_buffers) = (headers.len(), buffers.len());
        return Err(broken(format!("a worker sent {n_headers} tensor headers with {n_buffers} buffers")));
    }
    let outputs = object(&[]);
    for (header, buffer) in headers.iter().zip(buffers) {
        if header.size_bytes() != Some(buffer.byte_length() as usize) {
            let (name, n_bytes) = (&header.name, buffer.byte_length());
            return Err(broken(format!("output '{name}' has {n_bytes} bytes, which its shape does not")));
        }
        let dims = array(header.dims.iter().map(|&dim| dim.into()));
        let tensor = object(&[
            ("dtype", header.dtype.as_str().into()),
            ("dims", dims),
            ("data", typed_array(header.dtype, buffer)),
        ]);
        set(&outputs, &header.name, &tensor);
    }
    Ok(outputs)
}

/// A typed array of the data type's kind on a buffer.
pub(crate) fn typed_array(dtype: DType, buffer: &ArrayBuffer) -> JsValue {
    match dtype {
        DType::Float32 => Float32Array::new(buffer).into(),
        DType::Float16 => Uint16Array::new(buffer).into(),
        DType::Int64 => BigInt64Array::new(buffer).into(),
        DType::Int32 => Int32Array::new(buffer).into(),
        DType::Int8 => Int8Array::new(buffer).into(),
        DType::Uint8 | DType::Bool => Uint8Array::new(buffer).into(),
    }
}
