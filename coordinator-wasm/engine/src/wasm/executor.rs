//! Runs the kernels of a plan one after another in buffers that runs share.

use std::mem;

use model::op::{Epilogue, Fact};
use model::plan::{Home, Plan, Step};
use model::reference::{self, EvaluationError};
use model::tensor::n_elements;
use model::{DType, Data, DataRef, Tensor, View};
use wire::Fault;

use super::dispatch::{Scratch, run_kernel};
use super::layout::{Arrangement, arrange, turn};
use super::prepare::{Kernel, Weights, choose_kernels};
use crate::fault;

/// A plan with its kernels.
#[derive(Debug)]
pub(crate) struct Executable {
    plan: Plan,
    kernels: Vec<Kernel>,
    arrangements: Vec<Arrangement>,
}

/// Memory that runs of all shape classes share.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    buffers: Vec<Data>,
    scratch: Scratch,
    /// Operands of the running step that had to be turned, by position.
    turned: Vec<Vec<f32>>,
    /// Its result before it is turned.
    unturned: Vec<f32>,
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct ExecutionError {
    /// Kernel and name of the node.
    pub(super) node: (&'static str, String),
    /// What is wrong.
    #[source]
    pub(super) cause: EvaluationError,
}

impl ExecutionError {
    /// The same for the caller.
    pub(crate) fn fault(&self) -> Fault {
        let (operator, node) = &self.node;
        fault::operator_failed(Some((operator, node)), self)
    }
}

impl Executable {
    pub(crate) fn new(mut plan: Plan, weights: &mut Weights) -> Self {
        let kernels = choose_kernels(&mut plan, weights);
        let arrangements = arrange(&plan, &kernels);
        Self { plan, kernels, arrangements }
    }

    /// Runs every step; inputs are in the plan's order and have its types and shapes. Gives the outputs named in
    /// `wanted`, in that order; names that the plan does not have are left out.
    pub(crate) fn run(
        &self,
        inputs: &[View<'_>],
        wanted: &[&str],
        memory: &mut Memory,
    ) -> Result<Vec<Tensor>, ExecutionError> {
        self.reserve(memory);
        let Memory { buffers, scratch, turned, unturned } = memory;
        let steps = self.plan.steps.iter().zip(self.kernels.iter().zip(&self.arrangements));
        for (step, (kernel, arrangement)) in steps {
            let stopwatch = super::profile::Stopwatch::start();
            let mut call =
                Call { plan: &self.plan, step, arrangement, inputs, buffers, scratch, turned, unturned };
            call.turn_operands();
            let result =
                if matches!(kernel, Kernel::Reference) { call.reference() } else { call.kernel(kernel) };
            if let Some(stopwatch) = stopwatch {
                stopwatch.stop(step);
            }
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
    arrangement: &'a Arrangement,
    inputs: &'a [View<'a>],
    buffers: &'a mut Vec<Data>,
    scratch: &'a mut Scratch,
    turned: &'a mut Vec<Vec<f32>>,
    unturned: &'a mut Vec<f32>,
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
    pub(super) arrangement: &'a Arrangement,
    inputs: &'a [View<'a>],
    buffers: &'a [Data],
    turned: &'a [Vec<f32>],
    /// Buffers that are taken out: operands in them are computed in place.
    taken: &'a [usize],
}

impl<'a> Operands<'a> {
    pub(super) fn is_in_place(&self, position: usize) -> bool {
        let Some(value) = self.step.inputs.get(position).copied().flatten() else { return false };
        !self.is_turned(position)
            && matches!(self.plan.values[value].home, Home::Buffer(buffer) if self.taken.contains(&buffer))
    }

    fn is_turned(&self, position: usize) -> bool {
        self.arrangement.turned.iter().any(|turn| turn.position == position)
    }

    /// An operand as the kernel sees it.
    pub(super) fn view(&self, position: usize) -> Result<View<'a>, EvaluationError> {
        let value = self.step.inputs.get(position).copied().flatten();
        let value = value.ok_or(EvaluationError::Missing(position))?;
        let dims = self.arrangement.operands[position].as_slice();
        let data = if self.is_turned(position) {
            DataRef::F32(&self.turned[position][..n_elements(dims)])
        } else {
            view_of(self.plan, value, self.inputs, self.buffers).data
        };
        Ok(View { dims, data })
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

    fn turn_operands(&mut self) {
        for operand in &self.arrangement.turned {
            let Some(value) = self.step.inputs[operand.position] else { continue };
            if let DataRef::F32(x) = view_of(self.plan, value, self.inputs, self.buffers).data {
                if self.turned.len() <= operand.position {
                    self.turned.resize_with(operand.position + 1, Vec::new);
                }
                let turned = &mut self.turned[operand.position];
                turned.resize(x.len(), 0.0);
                turn(&operand.dims, operand.to_channels_last, x, turned);
            }
        }
    }

    fn operands<'b>(&'b self, taken: &'b [usize]) -> Operands<'b> {
        Operands {
            plan: self.plan,
            step: self.step,
            arrangement: self.arrangement,
            inputs: self.inputs,
            buffers: self.buffers,
            turned: self.turned,
            taken,
        }
    }

    /// The operator's plain form, whose results are copied into their buffers.
    fn reference(&mut self) -> Result<(), EvaluationError> {
        let operands = self.operands(&[]);
        let present =
            |(position, input): (usize, &Option<usize>)| input.map(|_| operands.view(position)).transpose();
        let views: Vec<Option<View<'_>>> =
            self.step.inputs.iter().enumerate().map(present).collect::<Result<_, _>>()?;
        let facts: Vec<Fact> =
            self.step.outputs.iter().map(|&output| self.plan.values[output].fact.clone()).collect();
        let results = reference::evaluate(&self.step.op, &views, &facts)?;
        for (&output, result) in self.step.outputs.iter().zip(&results) {
            let home = self.home(output);
            copy_to(&mut self.buffers[home], result.data());
        }
        Ok(())
    }

    /// A vector kernel, with the results' buffers taken out while it runs.
    fn kernel(&mut self, kernel: &Kernel) -> Result<(), EvaluationError> {
        if self.arrangement.turns_result {
            return self.kernel_turned(kernel);
        }
        let taken: Vec<usize> = self.step.outputs.iter().map(|&output| self.home(output)).collect();
        let mut results: Vec<Data> = taken
            .iter()
            .map(|&home| mem::replace(&mut self.buffers[home], Data::zeros(DType::F32, 0)))
            .collect();
        let mut scratch = mem::take(self.scratch);
        let outcome = run_kernel(kernel, &self.operands(&taken), &mut results, &mut scratch);
        *self.scratch = scratch;
        for (home, data) in taken.into_iter().zip(results) {
            self.buffers[home] = data;
        }
        outcome
    }

    /// A kernel with one result, which is then turned into its buffer.
    fn kernel_turned(&mut self, kernel: &Kernel) -> Result<(), EvaluationError> {
        let output = self.step.outputs[0];
        let dims = &self.plan.values[output].fact.dims;
        let n = n_elements(dims);
        let mut unturned = mem::take(self.unturned);
        unturned.resize(n, 0.0);
        let mut results = [Data::F32(unturned)];
        let mut scratch = mem::take(self.scratch);
        let outcome = run_kernel(kernel, &self.operands(&[]), &mut results, &mut scratch);
        *self.scratch = scratch;
        let [Data::F32(unturned)] = results else { return outcome };
        let home = self.home(output);
        if let Data::F32(buffer) = &mut self.buffers[home] {
            turn(dims, false, &unturned, &mut buffer[..n]);
        }
        *self.unturned = unturned;
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
