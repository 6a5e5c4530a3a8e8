//! The fallback of the wasm backend: models with operators that plans do not know run as a whole through `rten`.
//!
//! `rten` holds `int64` and `bool` as `int32`. Inputs are narrowed, and outputs are widened back to the type that the
//! file declares.

mod adapt;

use rten::{
    LoadError, LoadErrorKind, Model, ModelOptions, NodeId, RunError, RunErrorKind, Value, ValueOrView,
};
use rten_tensor::{Layout as _, Tensor as RtenTensor};
use wire::{DType, Fault, FaultCategory};

use self::adapt::{Adapted, adapt};
use super::{Backend, File, LocalFuture, Session};
use crate::fault;
use crate::tensor::{Tensor, TensorData};
use crate::value::{Contract, ValueInfo};

/// Name by which a file without its weights refers to them. `rten` insists on the extension.
const WEIGHTS_LOCATION: &str = "weights.data";

/// Runs models through `rten` on the calling thread.
#[derive(Debug, Default)]
pub struct RtenBackend;

impl Backend for RtenBackend {
    fn kind(&self) -> wire::Backend {
        wire::Backend::Wasm
    }

    fn detail(&self) -> String {
        format!("rten {}", crate::SIMD_BUILD)
    }

    fn load(&self, file: File) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move {
            RtenSession::load(file.to_bytes()).map(|session| Box::new(session) as Box<dyn Session>)
        })
    }
}

/// One model in `rten`.
struct RtenSession {
    model: Model,
    contract: Contract,
    /// Name and operator of every node.
    nodes: Vec<(String, String)>,
}

impl RtenSession {
    fn load(bytes: Vec<u8>) -> Result<Self, Fault> {
        let contract = Contract::read(&bytes)?;
        let mut values = contract.inputs.iter().chain(&contract.outputs);
        if let Some(half) = values.find(|value| value.dtype == DType::Float16) {
            return Err(fault::unsupported_type(&half.name, half.dtype.as_str()));
        }
        let detached = model::detach_weights(&bytes, WEIGHTS_LOCATION);
        // The file's buffer becomes the storage of the weights.
        let weights = detached.compact(bytes);
        let Adapted { file, nodes } = adapt(&detached.skeleton)?;
        // Weights are not prepacked: it takes a third of the load again and a copy of the larger weights, and saves a
        // few percent of a warm run.
        let mut options = ModelOptions::with_all_ops();
        options.external_data(WEIGHTS_LOCATION, weights);
        let model = options.load(file).map_err(|error| load_fault(&error, &nodes))?;
        Ok(Self { model, contract, nodes })
    }

    fn compute(&self, inputs: Vec<Tensor>, wanted: &[&str]) -> Result<Vec<Tensor>, Fault> {
        let inputs = inputs
            .into_iter()
            .map(|input| Ok((self.node(&input.name)?, into_value(input)?.into())))
            .collect::<Result<Vec<(NodeId, ValueOrView)>, Fault>>()?;
        let ids = wanted.iter().map(|name| self.node(name)).collect::<Result<Vec<NodeId>, Fault>>()?;
        let values = self.model.run(inputs, &ids, None).map_err(|error| run_fault(&error, &self.nodes))?;
        wanted.iter().zip(values).map(|(name, value)| from_value(self.output(name)?, value)).collect()
    }

    fn node(&self, name: &str) -> Result<NodeId, Fault> {
        self.model.node_id(name).map_err(fault::invalid_model)
    }

    fn output(&self, name: &str) -> Result<&ValueInfo, Fault> {
        self.contract
            .output(name)
            .ok_or_else(|| fault::invalid_model(format_args!("it has no output \"{name}\"")))
    }
}

impl Session for RtenSession {
    fn contract(&self) -> &Contract {
        &self.contract
    }

    fn run<'a>(
        &'a self,
        inputs: Vec<Tensor>,
        wanted: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Tensor>, Fault>> {
        Box::pin(async move { self.compute(inputs, wanted) })
    }
}

fn load_fault(error: &LoadError, nodes: &[(String, String)]) -> Fault {
    if error.kind() != LoadErrorKind::OperatorInvalid {
        return fault::invalid_model(error);
    }
    let node = error.node().and_then(|name| find_node(nodes, name));
    fault::unsupported_operator(node, error)
}

fn run_fault(error: &RunError, nodes: &[(String, String)]) -> Fault {
    if error.kind() == RunErrorKind::InvalidInput {
        return Fault::new(FaultCategory::Validation, "input-shape", error.to_string());
    }
    let node = error.node_path().into_iter().flatten().last().and_then(|name| find_node(nodes, name));
    fault::operator_failed(node, error)
}

/// Operator and name of a node: `rten` knows the name, the file says which operator it is.
fn find_node<'a>(nodes: &'a [(String, String)], name: &str) -> Option<(&'a str, &'a str)> {
    nodes.iter().find(|node| node.0 == name).map(|node| (node.1.as_str(), node.0.as_str()))
}

/// Moves `float32`, `int32` and 8-bit data, narrows the rest.
fn into_value(tensor: Tensor) -> Result<Value, Fault> {
    let shape = tensor.shape();
    match tensor.data {
        TensorData::Float32(data) => value(shape, data),
        TensorData::Int32(data) => value(shape, data),
        TensorData::Int8(data) => value(shape, data),
        TensorData::Uint8(data) => value(shape, data),
        TensorData::Int64(data) => value(shape, narrow(&tensor.name, &data)?),
        TensorData::Bool(data) => value(shape, data.iter().map(|&byte| i32::from(byte != 0)).collect()),
        TensorData::Float16(_) => Err(fault::input_type(&tensor.name, DType::Float16, DType::Float32)),
    }
}

fn narrow(name: &str, data: &[i64]) -> Result<Vec<i32>, Fault> {
    let narrow = |(index, &wide): (usize, &i64)| {
        i32::try_from(wide).map_err(|_out_of_range| fault::input_range(name, index, wide))
    };
    data.iter().enumerate().map(narrow).collect()
}

fn value<T>(shape: Vec<usize>, data: Vec<T>) -> Result<Value, Fault>
where
    Value: From<RtenTensor<T>>,
{
    Value::from_shape(shape, data).map_err(|error| fault::operator_failed(None, error))
}

/// Gives `value` the type that `output` declares.
fn from_value(output: &ValueInfo, value: Value) -> Result<Tensor, Fault> {
    let shape = value.shape();
    let data = match (value, output.dtype) {
        (Value::FloatTensor(tensor), DType::Float32) => TensorData::Float32(tensor.into_data()),
        (Value::Int32Tensor(tensor), DType::Int32) => TensorData::Int32(tensor.into_data()),
        (Value::Int8Tensor(tensor), DType::Int8) => TensorData::Int8(tensor.into_data()),
        (Value::UInt8Tensor(tensor), DType::Uint8) => TensorData::Uint8(tensor.into_data()),
        (Value::Int32Tensor(tensor), DType::Int64) => {
            TensorData::Int64(tensor.into_data().into_iter().map(i64::from).collect())
        }
        (Value::Int32Tensor(tensor), DType::Bool) => {
            TensorData::Bool(tensor.into_data().into_iter().map(|value| u8::from(value != 0)).collect())
        }
        (value, expected) => {
            let cause =
                format!("output \"{}\" is {}, declared {}", output.name, value.dtype(), expected.as_str());
            return Err(fault::operator_failed(None, cause));
        }
    };
    Ok(Tensor::new(&output.name, &shape, data))
}

#[cfg(test)]
mod tests;
