//! `ArrayBuffer`s to files, and to tensors and back with one copy each way: into wasm memory, out of it.

use js_sys::{
    Array, ArrayBuffer, BigInt64Array, Float32Array, Int8Array, Int32Array, Uint8Array, Uint16Array,
};
use model::Source;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{FileSystemReadWriteOptions, FileSystemSyncAccessHandle};
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

/// A file in the origin's private storage, which is read when its bytes are needed.
struct StoredFile {
    access: FileSystemSyncAccessHandle,
    n_bytes: usize,
}

impl Source for StoredFile {
    fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    fn read(&self, offset: usize, target: &mut [u8]) {
        let options = FileSystemReadWriteOptions::new();
        options.set_at(offset as f64);
        let n_expected = target.len() as f64;
        let n_read = self.access.read_with_u8_array_and_options(target, &options);
        if n_read.ok() != Some(n_expected) {
            // Somebody emptied the storage: the page replaces the worker and fetches the file again.
            wasm_bindgen::throw_str("a stored model file cannot be read any more");
        }
    }
}

/// Each part with its file: a buffer, or a handle on a stored file that `worker.js` opened.
pub(super) fn parts(parts: Vec<Part>, files: &Array) -> Result<Vec<(Part, File)>, Fault> {
    if files.length() as usize != parts.len() {
        return Err(fault::n_parts(parts.len(), files.length() as usize));
    }
    parts.into_iter().zip(files.iter()).map(|(part, given)| Ok((part, file(given)?))).collect()
}

fn file(given: JsValue) -> Result<File, Fault> {
    let stored = match given.dyn_into::<ArrayBuffer>() {
        Ok(buffer) => return Ok(Box::new(PageFile(Uint8Array::new(&buffer)))),
        Err(given) => given.dyn_into::<FileSystemSyncAccessHandle>(),
    };
    let unreadable = |_: JsValue| super::unreadable("a file is neither a buffer nor stored");
    let access = stored.map_err(unreadable)?;
    let n_bytes = access.get_size().map_err(unreadable)? as usize;
    Ok(Box::new(StoredFile { access, n_bytes }))
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
