//! Our own kernels on WebAssembly SIMD: models run as plans of `model`, one plan per shape class.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the operator sets are large and most code is about a few of them"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::{DType as PlanType, Data, DataRef, Dim, Fact, Model, ModelError, Plan, View};
use wire::{DType, Fault, FaultCategory};

use crate::backend::{Backend, LocalFuture, RtenBackend, Session};
use crate::fault;
use crate::tensor::{Tensor, TensorData};
use crate::value::ValueInfo;

use self::executor::{Executable, Memory};
use self::prepare::Weights;

mod dispatch;
mod executor;
pub mod kernel;
mod prepare;

/// Shape classes whose plans a session keeps.
const MAX_PLANS: usize = 16;
/// Lengths that are tried for dimensions the caller chooses, to learn at load whether a model's operators are known.
const PROBES: [usize; 5] = [1, 8, 64, 320, 576];

/// The wasm backend: our own kernels, and `rten` for a model that uses an operator which plans do not know.
#[derive(Debug, Default)]
pub struct WasmBackend;

impl Backend for WasmBackend {
    fn kind(&self) -> wire::Backend {
        wire::Backend::Wasm
    }

    fn load(&self, bytes: Vec<u8>) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move {
            match PlanSession::load(&bytes) {
                Ok(session) => Ok(Box::new(session) as Box<dyn Session>),
                Err(fault) if fault.category == FaultCategory::UnsupportedOperator => {
                    RtenBackend.load(bytes).await
                }
                Err(fault) => Err(fault),
            }
        })
    }
}

/// One model with the plans of the shapes it was run with.
struct PlanSession {
    model: Model,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
    metadata: Vec<(String, String)>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    weights: Weights,
    memory: Memory,
    /// By the dimensions of all inputs.
    plans: BTreeMap<Vec<Vec<usize>>, Rc<Executable>>,
}

impl PlanSession {
    fn load(bytes: &[u8]) -> Result<Self, Fault> {
        let inspection = model::inspect(bytes).map_err(|error| fault::decode(&error))?;
        if inspection.opset == 0 && inspection.other_opsets.is_empty() {
            return Err(fault::truncated_model("no operator set follows the graph"));
        }
        let model = Model::load(bytes).map_err(|error| model_fault(&error))?;
        let mut state = State::default();
        if let Some(plan) = probe(&model).map_err(|error| model_fault(&error))? {
            // Packs the weights now, so that the first run finds them packed whatever its shapes are.
            drop(Executable::new(plan, &mut state.weights));
        }
        let values = |contracts: &[model::ValueContract]| -> Result<Vec<ValueInfo>, Fault> {
            let value = |contract: &model::ValueContract| {
                let element_type = contract.dtype.map_or("not a tensor", model::ElementType::as_str);
                let value = ValueInfo::from_contract(contract).filter(|value| value.dtype != DType::Float16);
                value.ok_or_else(|| fault::unsupported_type(&contract.name, element_type))
            };
            contracts.iter().map(value).collect()
        };
        Ok(Self {
            model,
            inputs: values(&inspection.inputs)?,
            outputs: values(&inspection.outputs)?,
            metadata: inspection.metadata,
            state: RefCell::new(state),
        })
    }

    fn compute(&self, inputs: &[Tensor], wanted: &[&str]) -> Result<Vec<Tensor>, Fault> {
        let ordered: Vec<&Tensor> = self
            .inputs
            .iter()
            .filter_map(|declared| inputs.iter().find(|input| input.name == declared.name))
            .collect();
        let dims: Vec<Vec<usize>> = ordered.iter().map(|input| input.shape()).collect();
        let views: Vec<View<'_>> = ordered
            .iter()
            .zip(&dims)
            .map(|(input, dims)| data_of(input).map(|data| View { dims, data }))
            .collect::<Result<_, _>>()?;
        let mut state = self.state.borrow_mut();
        let State { weights, memory, plans } = &mut *state;
        let executable = match plans.get(&dims) {
            Some(executable) => Rc::clone(executable),
            None => {
                let facts: Vec<Fact> =
                    views.iter().map(|view| Fact::new(view.data.dtype(), view.dims.to_vec())).collect();
                let plan = self.model.plan(&facts).map_err(|error| model_fault(&error))?;
                let executable = Rc::new(Executable::new(plan, weights));
                if plans.len() >= MAX_PLANS {
                    plans.clear();
                }
                plans.insert(dims.clone(), Rc::clone(&executable));
                executable
            }
        };
        let outputs = executable.run(&views, wanted, memory).map_err(|error| {
            let (operator, node) = &error.node;
            fault::operator_failed(Some((operator, node)), &error)
        })?;
        Ok(wanted.iter().zip(outputs).map(|(name, output)| from_output(name, output)).collect())
    }
}

impl Session for PlanSession {
    fn inputs(&self) -> &[ValueInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[ValueInfo] {
        &self.outputs
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn run<'a>(
        &'a self,
        inputs: Vec<Tensor>,
        wanted: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Tensor>, Fault>> {
        Box::pin(async move { self.compute(&inputs, wanted) })
    }
}

/// Plans the model with lengths of our choice. Shapes that do not fit each other prove nothing; an operator that is
/// not known does. Gives the first plan that fits.
fn probe(model: &Model) -> Result<Option<Plan>, ModelError> {
    for length in PROBES {
        let fact = |contract: &model::ValueContract| {
            let dtype = contract.dtype.and_then(PlanType::for_element).unwrap_or(PlanType::F32);
            let dims = contract.dims.iter().flatten();
            let length = |dim: &Dim| match dim {
                Dim::Fixed(fixed) => *fixed as usize,
                Dim::Symbolic(_) | Dim::Unknown => length,
            };
            Fact::new(dtype, dims.map(length).collect())
        };
        let facts: Vec<Fact> = model.inputs().into_iter().map(fact).collect();
        match model.plan(&facts) {
            Err(error @ ModelError::Unsupported { .. }) => return Err(error),
            Ok(plan) => return Ok(Some(plan)),
            Err(_) => {}
        }
    }
    Ok(None)
}

fn model_fault(error: &ModelError) -> Fault {
    match error {
        ModelError::Decode(error) => fault::decode(error),
        ModelError::Structure { .. } => fault::invalid_model(error),
        ModelError::Feature { reason } => fault::unsupported_operator(None, reason),
        ModelError::Unsupported { operator, node, reason, .. } => {
            fault::unsupported_operator(Some((operator, node)), reason)
        }
        ModelError::Invalid { .. } | ModelError::Input { .. } => {
            Fault::new(FaultCategory::Validation, "input-shape", error.to_string())
        }
    }
}

fn data_of(tensor: &Tensor) -> Result<DataRef<'_>, Fault> {
    Ok(match &tensor.data {
        TensorData::Float32(data) => DataRef::F32(data),
        TensorData::Int64(data) => DataRef::I64(data),
        TensorData::Int32(data) => DataRef::I32(data),
        TensorData::Int8(data) => DataRef::I8(data),
        TensorData::Uint8(data) => DataRef::U8(data),
        TensorData::Bool(data) => DataRef::Bool(data),
        TensorData::Float16(_) => {
            return Err(fault::input_type(&tensor.name, DType::Float16, DType::Float32));
        }
    })
}

fn from_output(name: &str, output: model::Tensor) -> Tensor {
    let dims = output.dims().to_vec();
    let data = match output.into_data() {
        Data::F32(data) => TensorData::Float32(data),
        Data::I64(data) => TensorData::Int64(data),
        Data::I32(data) => TensorData::Int32(data),
        Data::U8(data) => TensorData::Uint8(data),
        Data::I8(data) => TensorData::Int8(data),
        Data::Bool(data) => TensorData::Bool(data),
    };
    Tensor::new(name, &dims, data)
}
