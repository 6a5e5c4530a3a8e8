//! `ArrayBuffer`s to files, and to tensors and back with one copy each way: into wasm memory, out of it.

use js_sys::{
    Array, ArrayBuffer, BigInt64Array, Float32Array, Int8Array, Int32Array, Uint8Array, Uint16Array,
};
use model::Source;
use wasm_bindgen::JsCast as _;
use wire::engine::Part;
use wire::{DType, Fault, TensorHeader};

use crate::backend::File;
use crate::fault;
use crate::tensor::{Tensor, TensorData};

/// A file that stays outside of wasm memory, which never shrinks.
struct PageFile(Uint8Array);

impl Source for PageFile {
    fn n_bytes(&self) -> usize {
        self.0.length() as usize
    }

    fn read(&self, offset: usize, target: &mut [u8]) {
        // Files have less than 4 GB: more does not fit an `ArrayBuffer` in every browser.
        self.0.subarray(offset as u32, (offset + target.len()) as u32).copy_to(target);
    }
}

/// Each part with its file.
pub(super) fn parts(parts: Vec<Part>, buffers: &Array) -> Result<Vec<(Part, File)>, Fault> {
    let buffers = array_buffers(parts.len(), buffers)?;
    let file = |buffer: ArrayBuffer| Box::new(PageFile(Uint8Array::new(&buffer))) as File;
    Ok(parts.into_iter().zip(buffers).map(|(part, buffer)| (part, file(buffer))).collect())
}

/// Each header with its elements.
pub(super) fn tensors(headers: Vec<TensorHeader>, buffers: &Array) -> Result<Vec<Tensor>, Fault> {
    let buffers = array_buffers(headers.len(), buffers)?;
    headers.into_iter().zip(buffers).map(|(header, buffer)| tensor(header, &buffer)).collect()
}

fn tensor(header: TensorHeader, buffer: &ArrayBuffer) -> Result<Tensor, Fault> {
    let n_bytes = buffer.byte_length() as usize;
    if header.size_bytes() != Some(n_bytes) {
        return Err(fault::input_size(&header.name, n_bytes, header.size_bytes()));
    }
    let data = match header.dtype {
        DType::Float32 => TensorData::Float32(Float32Array::new(buffer).to_vec()),
        DType::Float16 => TensorData::Float16(Uint16Array::new(buffer).to_vec()),
        DType::Int64 => TensorData::Int64(BigInt64Array::new(buffer).to_vec()),
        DType::Int32 => TensorData::Int32(Int32Array::new(buffer).to_vec()),
        DType::Int8 => TensorData::Int8(Int8Array::new(buffer).to_vec()),
        DType::Uint8 => TensorData::Uint8(Uint8Array::new(buffer).to_vec()),
        DType::Bool => TensorData::Bool(Uint8Array::new(buffer).to_vec()),
    };
    Ok(Tensor { name: header.name, dims: header.dims, data })
}

/// The elements in a buffer that can be transferred.
pub(super) fn from_tensor(tensor: Tensor) -> ArrayBuffer {
    match tensor.data {
        TensorData::Float32(data) => Float32Array::from(data.as_slice()).buffer(),
        TensorData::Float16(data) => Uint16Array::from(data.as_slice()).buffer(),
        TensorData::Int64(data) => BigInt64Array::from(data.as_slice()).buffer(),
        TensorData::Int32(data) => Int32Array::from(data.as_slice()).buffer(),
        TensorData::Int8(data) => Int8Array::from(data.as_slice()).buffer(),
        TensorData::Uint8(data) | TensorData::Bool(data) => Uint8Array::from(data.as_slice()).buffer(),
    }
}

fn array_buffers(n_needed: usize, buffers: &Array) -> Result<Vec<ArrayBuffer>, Fault> {
    let buffers: Vec<ArrayBuffer> = buffers
        .iter()
        .map(|buffer| buffer.dyn_into().map_err(|_other| super::unreadable("a buffer is not an ArrayBuffer")))
        .collect::<Result<_, _>>()?;
    if buffers.len() == n_needed { Ok(buffers) } else { Err(fault::n_parts(n_needed, buffers.len())) }
}
