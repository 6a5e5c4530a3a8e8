//! What sessions that run plans have in common: the model, its contract, and a prepared plan per shape class.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use model::{DType as PlanType, Data, Detached, Dim, Fact, Model, ModelError, Plan, Source, ValueContract};
use wire::{DType, Fault, FaultCategory};

use crate::fault;
use crate::tensor::{Tensor, TensorData};
use crate::value::Contract;

/// Shape classes that a session keeps prepared.
const MAX_PREPARED: usize = 16;
/// Lengths that are tried for dimensions the caller chooses, to learn at load whether the model can be planned.
const PROBES: [usize; 5] = [1, 8, 64, 320, 576];

/// What a plan is made for.
pub trait Operand {
    /// Type and shape.
    fn fact(&self) -> Fact;

    /// The tensor, unless its elements are elsewhere.
    fn tensor(&self) -> Option<&model::Tensor>;
}

impl Operand for model::Tensor {
    fn fact(&self) -> Fact {
        Fact::new(self.dtype(), self.dims().to_vec())
    }

    fn tensor(&self) -> Option<&model::Tensor> {
        Some(self)
    }
}

/// A model with its contract, and for each shape class it was run with an `E`: what a backend makes of the plan.
#[derive(Debug)]
pub struct Planned<E> {
    model: Model,
    contract: Contract,
    prepared: RefCell<Prepared<E>>,
}

#[derive(Debug)]
struct Prepared<E> {
    by_key: BTreeMap<Key, Rc<E>>,
    /// Inputs whose elements plans depend on, as far as is known; they are part of the key.
    fixed_inputs: BTreeSet<usize>,
}

/// The dimensions of all inputs, and the elements of some, as text.
type Key = (Vec<Vec<usize>>, String);

impl<E> Default for Prepared<E> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), fixed_inputs: BTreeSet::new() }
    }
}

impl<E> Prepared<E> {
    fn key<O: Operand>(&self, operands: &[O]) -> Key {
        let dims = operands.iter().map(|operand| operand.fact().dims).collect();
        let fixed = self.fixed_inputs.iter().filter_map(|&index| operands.get(index)?.tensor());
        (dims, fixed.map(|operand| format!("{:?};", operand.data())).collect())
    }
}

impl<E> Planned<E> {
    /// Reads an ONNX file.
    ///
    /// Also gives its plan for shapes that fit it, with all the weights that plans for other shapes have; `None` when
    /// none of the shapes that were tried fits.
    ///
    /// # Errors
    /// `not-onnx`, `truncated-model`, `invalid-model`, `unsupported-operator` or `unsupported-type`.
    pub fn load(file: &dyn Source) -> Result<(Self, Option<Plan>), Fault> {
        Self::load_with(file, |detached| Model::load_detached(detached, file))
    }

    /// The same, but large weights stay in the file, and are read there when somebody needs them.
    ///
    /// # Errors
    /// Those of [`Self::load`].
    pub fn load_stored(file: &Arc<dyn Source>) -> Result<(Self, Option<Plan>), Fault> {
        Self::load_with(file.as_ref(), |detached| Model::load_stored(detached, file))
    }

    fn load_with(
        file: &dyn Source,
        load: impl FnOnce(&Detached) -> Result<Model, ModelError>,
    ) -> Result<(Self, Option<Plan>), Fault> {
        let detached = model::detach_weights(file, "weights");
        let contract = Contract::read(&detached.skeleton)?;
        let model = load(&detached).map_err(|error| model_fault(&error))?;
        let plan = probe(&model).map_err(|error| model_fault(&error))?;
        Ok((Self { model, contract, prepared: RefCell::default() }, plan))
    }

    /// Makes plans refer to another form of a weight, as [`Model::replace_weight`] says.
    pub fn replace_weight(&mut self, from: &Arc<model::Tensor>, to: &Arc<model::Tensor>) {
        self.model.replace_weight(from, to);
    }

    /// What the model file declares.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The caller's checked tensors in the order and the types of the plan's inputs.
    ///
    /// # Errors
    /// `input-dtype` or `input-size`.
    pub fn operands(&self, mut inputs: Vec<Tensor>) -> Result<Vec<model::Tensor>, Fault> {
        let mut operands = Vec::with_capacity(inputs.len());
        for declared in &self.contract.inputs {
            // A missing input is refused by the plan.
            let Some(index) = inputs.iter().position(|input| input.name == declared.name) else { continue };
            operands.push(operand(inputs.swap_remove(index))?);
        }
        Ok(operands)
    }

    /// What `prepare` makes of the plan for `operands`, made once per shape class, and for the elements of inputs that decide
    /// shapes.
    ///
    /// # Errors
    /// `input-shape`, `unsupported-operator`, and those of `prepare`.
    pub async fn prepared<O: Operand>(
        &self,
        operands: &[O],
        prepare: impl AsyncFnOnce(Plan) -> Result<E, Fault>,
    ) -> Result<Rc<E>, Fault> {
        let key = self.prepared.borrow().key(operands);
        if let Some(prepared) = self.prepared.borrow().by_key.get(&key) {
            return Ok(Rc::clone(prepared));
        }
        let facts: Vec<Fact> = operands.iter().map(Operand::fact).collect();
        let elements = |index: usize| operands.get(index)?.tensor().cloned();
        let plan = self.model.plan_from(&facts, elements).map_err(|error| model_fault(&error))?;
        self.prepared.borrow_mut().fixed_inputs.extend(&plan.fixed_inputs);
        let made = Rc::new(prepare(plan).await?);
        let mut prepared = self.prepared.borrow_mut();
        if prepared.by_key.len() >= MAX_PREPARED {
            prepared.by_key.clear();
        }
        let key = prepared.key(operands);
        prepared.by_key.insert(key, Rc::clone(&made));
        Ok(made)
    }

    /// Keeps what was made of the plan that [`Self::load`] gave.
    pub fn keep(&self, plan: &Plan, made: E) {
        let dims = plan.inputs.iter().map(|&value| plan.values[value].fact.dims.clone()).collect();
        self.prepared.borrow_mut().by_key.insert((dims, String::new()), Rc::new(made));
    }

    /// True when the file declares every dimension of every input: all plans are alike.
    pub fn is_fixed(&self) -> bool {
        let mut dims = self.contract.inputs.iter().flat_map(|input| input.dims.iter().flatten());
        dims.all(|dim| matches!(dim, Dim::Fixed(_)))
    }

    /// The plan for inputs whose open dimensions all have this length, when there is one.
    pub fn plan_for_length(&self, length: usize) -> Option<Plan> {
        self.model.plan(&facts(&self.model, length)).ok()
    }

    /// Forgets what was prepared, because what it was prepared for is gone.
    pub fn forget(&self) {
        self.prepared.borrow_mut().by_key.clear();
    }
}

/// Plans the model with lengths of our choice. Shapes that do not fit each other prove nothing; an operator in a form
/// that is not supported does. Gives the first plan that fits.
fn probe(model: &Model) -> Result<Option<Plan>, ModelError> {
    for length in PROBES {
        match model.plan(&facts(model, length)) {
            Ok(plan) => return Ok(Some(plan)),
            Err(error @ ModelError::Unsupported { .. }) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Inputs whose open dimensions all have one length.
fn facts(model: &Model, length: usize) -> Vec<Fact> {
    let fact = |contract: &ValueContract| {
        let dtype = contract.dtype.and_then(PlanType::for_element).unwrap_or(PlanType::F32);
        let length = |dim: &Dim| match dim {
            Dim::Fixed(fixed) => *fixed as usize,
            Dim::Symbolic(_) | Dim::Unknown => length,
        };
        Fact::new(dtype, contract.dims.iter().flatten().map(length).collect())
    };
    model.inputs().into_iter().map(fact).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other errors are about the caller's inputs")]
fn model_fault(error: &ModelError) -> Fault {
    match error {
        ModelError::Decode(error) => fault::decode(error),
        ModelError::Structure { .. } => fault::invalid_model(error),
        ModelError::Feature { reason } => fault::unsupported_operator(None, reason),
        ModelError::Unsupported { operator, node, reason, .. } => {
            fault::unsupported_operator(Some((operator, node)), reason)
        }
        _ => Fault::new(FaultCategory::Validation, "input-shape", error.to_string()),
    }
}

/// A caller's tensor in the type that plans compute in.
pub(crate) fn operand(tensor: Tensor) -> Result<model::Tensor, Fault> {
    let dims = tensor.shape();
    let header = tensor.header();
    let data = match tensor.data {
        TensorData::Float32(data) => Data::F32(data),
        TensorData::Int64(data) => Data::I64(data),
        TensorData::Int32(data) => Data::I32(data),
        TensorData::Int8(data) => Data::I8(data),
        TensorData::Uint8(data) => Data::U8(data),
        TensorData::Bool(data) => Data::Bool(data),
        TensorData::Float16(_) => {
            return Err(fault::input_type(&tensor.name, DType::Float16, DType::Float32));
        }
    };
    let n_bytes = data.len() * header.dtype.size_bytes();
    let wrong_size = || fault::input_size(&tensor.name, n_bytes, header.size_bytes());
    model::Tensor::new(dims, data).ok_or_else(wrong_size)
}

/// A plan's outputs under the names that the file gives them.
#[must_use]
pub fn outputs(names: &[&str], outputs: Vec<model::Tensor>) -> Vec<Tensor> {
    names.iter().zip(outputs).map(|(name, value)| output(name, value)).collect()
}

/// A plan's output under the name that the file gives it.
pub(crate) fn output(name: &str, output: model::Tensor) -> Tensor {
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
