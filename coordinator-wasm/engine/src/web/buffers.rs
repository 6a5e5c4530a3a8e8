//! `ArrayBuffer`s to files, and to tensors and back with one copy each way: into wasm memory, out of it.

use js_sys::{
    Array, ArrayBuffer, BigInt64Array, Float32Array, Int8Array, Int32Array, Uint8Array, Uint16Array,
};
use model::Source;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Blob, FileReaderSync, FileSystemReadWriteOptions, FileSystemSyncAccessHandle};
use wire::engine::Part;
use wire::{DType, Fault, TensorHeader};

use crate::backend::File;
use crate::fault;
use crate::tensor::{Tensor, TensorData};
use crate::web::sys::OpenedFile;

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

/// A file that the browser has, which is read when its bytes are needed.
struct StoredFile {
    /// Fast, until `worker.js` closes it after the load; none where another worker has it, or the page keeps a blob.
    access: Option<FileSystemSyncAccessHandle>,
    blob: Blob,
}

impl StoredFile {
    fn read_blob(&self, offset: usize, target: &mut [u8]) -> Result<(), JsValue> {
        let end = offset + target.len();
        let slice = self.blob.slice_with_f64_and_f64(offset as f64, end as f64)?;
        let bytes = Uint8Array::new(&FileReaderSync::new()?.read_as_array_buffer(&slice)?.into());
        if bytes.length() as usize == target.len() {
            bytes.copy_to(target);
            return Ok(());
        }
        Err(JsValue::NULL)
    }
}

impl Source for StoredFile {
    fn n_bytes(&self) -> usize {
        self.blob.size() as usize
    }

    fn read(&self, offset: usize, target: &mut [u8]) {
        let options = FileSystemReadWriteOptions::new();
        options.set_at(offset as f64);
        let n_expected = target.len() as f64;
        let read = |access: &FileSystemSyncAccessHandle| {
            let n_read = access.read_with_u8_array_and_options(target, &options);
            n_read.ok() == Some(n_expected)
        };
        if !self.access.as_ref().is_some_and(read) && self.read_blob(offset, target).is_err() {
            // Somebody emptied the storage: the page replaces the worker and fetches the file again.
            wasm_bindgen::throw_str("a stored model file cannot be read any more");
        }
    }
}

/// Each part with its file: a buffer, a blob, or a handle on a stored file that `worker.js` opened.
pub(super) fn parts(parts: Vec<Part>, files: &Array) -> Result<Vec<(Part, File)>, Fault> {
    if files.length() as usize != parts.len() {
        return Err(fault::n_parts(parts.len(), files.length() as usize));
    }
    parts.into_iter().zip(files.iter()).map(|(part, given)| Ok((part, file(given)?))).collect()
}

fn file(given: JsValue) -> Result<File, Fault> {
    let unreadable = |_: JsValue| super::unreadable("a file is neither a buffer nor stored");
    Ok(match given.dyn_into::<ArrayBuffer>() {
        Ok(buffer) => Box::new(PageFile(Uint8Array::new(&buffer))),
        Err(given) => Box::new(match given.dyn_into::<Blob>() {
            Ok(blob) => StoredFile { access: None, blob },
            Err(given) => {
                let access: OpenedFile = given.dyn_into().map_err(unreadable)?;
                let blob = access.blob();
                StoredFile { access: Some(access.into()), blob }
            }
        }),
    })
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
