//! Runs the kernels of a plan one after another in buffers that runs share.

use std::mem;

use model::op::{Epilogue, Fact};
use model::plan::{Home, Plan, Step};
use model::reference::{self, EvaluationError};
use model::tensor::n_elements;
use model::{DType, Data, DataRef, Tensor, View};

use super::dispatch::{Scratch, run_kernel};
use super::prepare::{Kernel, Weights, choose_kernels};

/// A plan with its kernels.
#[derive(Debug)]
pub(super) struct Executable {
    plan: Plan,
    kernels: Vec<Kernel>,
}

/// Memory that runs of all shape classes share.
#[derive(Debug, Default)]
pub(super) struct Memory {
    buffers: Vec<Data>,
    scratch: Scratch,
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(super) struct ExecutionError {
    /// Kernel and name of the node.
    pub(super) node: (&'static str, String),
    /// What is wrong.
    #[source]
    pub(super) cause: EvaluationError,
}

impl Executable {
    pub(super) fn new(plan: Plan, weights: &mut Weights) -> Self {
        let kernels = choose_kernels(&plan, weights);
        Self { plan, kernels }
    }

    /// Runs every step; inputs are in the plan's order and have its types and shapes. Gives the outputs named in
    /// `wanted`, in that order; names that the plan does not have are left out.
    pub(super) fn run(
        &self,
        inputs: &[View<'_>],
        wanted: &[&str],
        memory: &mut Memory,
    ) -> Result<Vec<Tensor>, ExecutionError> {
        self.reserve(memory);
        let Memory { buffers, scratch } = memory;
        for (step, kernel) in self.plan.steps.iter().zip(&self.kernels) {
            let mut call = Call { plan: &self.plan, step, inputs, buffers, scratch };
            let result =
                if matches!(kernel, Kernel::Reference) { call.reference() } else { call.kernel(kernel) };
            let node = || (step.op.name(), step.name.clone());
            result.map_err(|cause| ExecutionError { node: node(), cause })?;
        }
        let outputs = wanted.iter().filter_map(|name| {
            let (_, value) = self.plan.outputs.iter().find(|(output, _)| output == name)?;
            let view = view_of(&self.plan, *value, inputs, buffers);
            Tensor::new(view.dims.to_vec(), view.data.to_data())
        });
        Ok(outputs.collect())
    }

    /// Makes the shared buffers fit this plan's. Buffers keep what other plans need.
    fn reserve(&self, memory: &mut Memory) {
        for (index, buffer) in self.plan.buffers.iter().enumerate() {
            let fits = memory
                .buffers
                .get(index)
                .is_some_and(|data| data.first(0).dtype() == buffer.dtype && data.len() >= buffer.n_elements);
            if !fits {
                let data = Data::zeros(buffer.dtype, buffer.n_elements);
                match memory.buffers.get_mut(index) {
                    Some(slot) => *slot = data,
                    None => memory.buffers.push(data),
                }
            }
        }
    }
}

fn view_of<'a>(plan: &'a Plan, value: usize, inputs: &[View<'a>], buffers: &'a [Data]) -> View<'a> {
    let value = &plan.values[value];
    let dims = value.fact.dims.as_slice();
    let data = match &value.home {
        Home::Input(index) => inputs[*index].data,
        Home::Constant(tensor) => tensor.data(),
        Home::Buffer(buffer) => buffers[*buffer].first(n_elements(dims)),
    };
    View { dims, data }
}

/// One step being run.
struct Call<'a> {
    plan: &'a Plan,
    step: &'a Step,
    inputs: &'a [View<'a>],
    buffers: &'a mut Vec<Data>,
    scratch: &'a mut Scratch,
}

/// A float operand.
#[derive(Clone, Copy)]
pub(super) struct Floats<'a> {
    pub(super) data: &'a [f32],
    pub(super) dims: &'a [usize],
}

/// The operands of a step while its results' buffers are taken out.
pub(super) struct Operands<'a> {
    pub(super) plan: &'a Plan,
    pub(super) step: &'a Step,
    inputs: &'a [View<'a>],
    buffers: &'a [Data],
    /// Buffers that are taken out: operands in them are computed in place.
    taken: &'a [usize],
}

impl<'a> Operands<'a> {
    pub(super) fn is_in_place(&self, position: usize) -> bool {
        let Some(value) = self.step.inputs.get(position).copied().flatten() else { return false };
        matches!(self.plan.values[value].home, Home::Buffer(buffer) if self.taken.contains(&buffer))
    }

    pub(super) fn view(&self, position: usize) -> Result<View<'a>, EvaluationError> {
        let value = self.step.inputs.get(position).copied().flatten();
        let value = value.ok_or(EvaluationError::Missing(position))?;
        Ok(view_of(self.plan, value, self.inputs, self.buffers))
    }

    pub(super) fn floats(&self, position: usize) -> Result<Floats<'a>, EvaluationError> {
        let View { dims, data } = self.view(position)?;
        let wrong = EvaluationError::DataType { operator: self.step.op.name(), dtype: data.dtype().as_str() };
        data.as_f32().map(|data| Floats { data, dims }).ok_or(wrong)
    }

    pub(super) fn optional(&self, position: usize) -> Result<Option<Floats<'a>>, EvaluationError> {
        match self.step.inputs.get(position) {
            Some(Some(_)) => self.floats(position).map(Some),
            _ => Ok(None),
        }
    }

    /// Bias and residual of an epilogue whose operands start at a position.
    pub(super) fn epilogue(
        &self,
        epilogue: &Epilogue,
        first: usize,
    ) -> Result<[Option<&'a [f32]>; 2], EvaluationError> {
        let bias = if epilogue.has_bias { Some(self.floats(first)?.data) } else { None };
        let at = first + usize::from(epilogue.has_bias);
        let residual = if epilogue.has_residual { Some(self.floats(at)?.data) } else { None };
        Ok([bias, residual])
    }
}

impl Call<'_> {
    fn home(&self, value: usize) -> usize {
        match self.plan.values[value].home {
            Home::Buffer(buffer) => buffer,
            // Results always live in buffers.
            Home::Input(_) | Home::Constant(_) => usize::MAX,
        }
    }

    /// The operator's plain form, whose results are copied into their buffers.
    fn reference(&mut self) -> Result<(), EvaluationError> {
        let operands: Vec<Option<View<'_>>> = self
            .step
            .inputs
            .iter()
            .map(|input| input.map(|value| view_of(self.plan, value, self.inputs, self.buffers)))
            .collect();
        let facts: Vec<Fact> =
            self.step.outputs.iter().map(|&output| self.plan.values[output].fact.clone()).collect();
        let results = reference::evaluate(&self.step.op, &operands, &facts)?;
        for (&output, result) in self.step.outputs.iter().zip(&results) {
            let home = self.home(output);
            copy_to(&mut self.buffers[home], result.data());
        }
        Ok(())
    }

    /// A vector kernel, with the results' buffers taken out while it runs.
    fn kernel(&mut self, kernel: &Kernel) -> Result<(), EvaluationError> {
        let taken: Vec<usize> = self.step.outputs.iter().map(|&output| self.home(output)).collect();
        let mut results: Vec<Data> = taken
            .iter()
            .map(|&home| mem::replace(&mut self.buffers[home], Data::zeros(DType::F32, 0)))
            .collect();
        let operands = Operands {
            plan: self.plan,
            step: self.step,
            inputs: self.inputs,
            buffers: self.buffers,
            taken: &taken,
        };
        let outcome = run_kernel(kernel, &operands, &mut results, self.scratch);
        for (home, data) in taken.into_iter().zip(results) {
            self.buffers[home] = data;
        }
        outcome
    }
}

fn copy_to(buffer: &mut Data, from: DataRef<'_>) {
    let n = from.len();
    match (buffer, from) {
        (Data::F32(to), DataRef::F32(from)) => to[..n].copy_from_slice(from),
        (Data::I64(to), DataRef::I64(from)) => to[..n].copy_from_slice(from),
        (Data::I32(to), DataRef::I32(from)) => to[..n].copy_from_slice(from),
        (Data::U8(to), DataRef::U8(from)) | (Data::Bool(to), DataRef::Bool(from)) => {
            to[..n].copy_from_slice(from)
        }
        (Data::I8(to), DataRef::I8(from)) => to[..n].copy_from_slice(from),
        // A plan gives every value a buffer of its own type.
        (buffer, from) => *buffer = from.to_data(),
    }
}

#[cfg(test)]
mod tests;
