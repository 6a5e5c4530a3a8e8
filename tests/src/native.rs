//! Runs models on the wasm backend's code and its fallback, compiled natively.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use engine::backend::{self, Backend as _, RtenBackend, Session};
use engine::tensor::{Tensor, TensorData};
use engine::wasm::WasmBackend;
use wire::{DType, Fault};

use crate::node_case::WireTensor;

/// Loads an ONNX file, with the fallback when it has an operator that plans lack, as the worker does.
///
/// # Errors
/// The backend's own faults.
pub fn load(bytes: Vec<u8>) -> Result<Box<dyn Session>, Fault> {
    match finish(WasmBackend.load(Box::new(bytes.clone()))) {
        Err(fault) if fault.code == "unsupported-operator" => finish(RtenBackend.load(Box::new(bytes))),
        outcome => outcome,
    }
}

/// Checks the inputs and computes every output.
///
/// # Errors
/// The engine's own faults.
pub fn run(session: &dyn Session, inputs: &[WireTensor]) -> Result<Vec<WireTensor>, Fault> {
    let outputs = finish(backend::run_all(session, inputs.iter().map(from_wire).collect()))?;
    Ok(outputs.into_iter().map(to_wire).collect())
}

/// The result of a future that never waits, as those of the wasm backend.
///
/// # Panics
/// It waits.
pub fn finish<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits for something that nobody will do"),
    }
}

/// The engine's form of a tensor.
#[must_use]
pub fn from_wire(tensor: &WireTensor) -> Tensor {
    fn elements<const N: usize, T>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|&chunk| from(chunk)).collect()
    }
    let bytes = &tensor.bytes;
    let data = match tensor.header.dtype {
        DType::Float32 => TensorData::Float32(elements(bytes, f32::from_le_bytes)),
        DType::Float16 => TensorData::Float16(elements(bytes, u16::from_le_bytes)),
        DType::Int64 => TensorData::Int64(elements(bytes, i64::from_le_bytes)),
        DType::Int32 => TensorData::Int32(elements(bytes, i32::from_le_bytes)),
        DType::Int8 => TensorData::Int8(elements(bytes, i8::from_le_bytes)),
        DType::Uint8 => TensorData::Uint8(bytes.clone()),
        DType::Bool => TensorData::Bool(bytes.clone()),
    };
    Tensor { name: tensor.header.name.clone(), dims: tensor.header.dims.clone(), data }
}

/// The travelling form of a tensor.
#[must_use]
pub fn to_wire(tensor: Tensor) -> WireTensor {
    let header = tensor.header();
    let bytes = match tensor.data {
        TensorData::Float32(data) => data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        TensorData::Float16(data) => data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        TensorData::Int64(data) => data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        TensorData::Int32(data) => data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        TensorData::Int8(data) => data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        TensorData::Uint8(data) | TensorData::Bool(data) => data,
    };
    WireTensor { header, bytes }
}
