//! From steps to dispatches: follows which tensor each value is, and lets each step's family choose kernels.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::arena::{self, Life};
use super::elementwise::Chain;
use super::expression::element;
use super::sample::Regions;
use super::shader::{Declaration, Definitions, Param, assemble};
use super::variant::{Shape, Tunable, Variant};
use super::{Buffer, Content, Dispatch, LowerError, Output, Packing, Program, Target};
use crate::graph::ValueId;
use crate::op::{Epilogue, Op};
use crate::plan::{Home, Plan, Step};
use crate::tensor::{DType, Tensor, n_elements};

/// Kernels with much work per invocation.
const HEAVY: [&str; 15] = [
    "matmul",
    "quantized-matmul",
    "attention",
    "attention-any",
    "attention-scores",
    "attention-weights",
    "attention-values",
    "softmax",
    "norm",
    "rms-norm",
    "reduce",
    "range",
    "lstm",
    "gru",
    "gru-reset",
];

/// Index of a tensor: one computation's result, an input, or a constant.
pub(super) type TensorId = usize;

/// What a tensor is.
#[derive(Debug, Clone)]
enum Source {
    Input(usize),
    Constant(Arc<Tensor>, Packing),
    Computed,
}

#[derive(Debug, Clone)]
struct TensorInfo {
    source: Source,
    size_bytes: u64,
    /// Steps and outputs that read it.
    n_uses: usize,
    /// Its value in the plan, if it has one.
    value: Option<ValueId>,
}

/// A tensor with the type and shape by which a step knows it.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) tensor: TensorId,
    pub(super) dtype: DType,
    pub(super) dims: Vec<usize>,
}

impl Operand {
    pub(super) fn n(&self) -> usize {
        n_elements(&self.dims)
    }

    /// The same elements with another shape.
    pub(super) fn with_dims(&self, dims: &[usize]) -> Self {
        Self { dims: dims.to_vec(), ..self.clone() }
    }
}

/// One kernel call being put together.
pub(super) struct Call {
    kernel: &'static str,
    template: Cow<'static, str>,
    definitions: Definitions,
    params: Vec<(String, Param)>,
    declarations: Vec<Declaration>,
    tensors: Vec<TensorId>,
}

impl Call {
    pub(super) fn new(kernel: &'static str, template: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kernel,
            template: template.into(),
            definitions: Definitions::new(),
            params: Vec::new(),
            declarations: Vec::new(),
            tensors: Vec::new(),
        }
    }

    pub(super) fn define(mut self, name: &str, value: impl ToString) -> Self {
        self.definitions.insert(name.to_owned(), value.to_string());
        self
    }

    /// Defines a name when a condition holds.
    pub(super) fn flag(self, name: &str, is_set: bool) -> Self {
        if is_set { self.define(name, 1) } else { self }
    }

    pub(super) fn uint(mut self, name: impl Into<String>, value: usize) -> Self {
        self.params.push((name.into(), Param::Uint(value as u32)));
        self
    }

    pub(super) fn int(mut self, name: impl Into<String>, value: isize) -> Self {
        self.params.push((name.into(), Param::Int(value as i32)));
        self
    }

    pub(super) fn float(mut self, name: impl Into<String>, value: f32) -> Self {
        self.params.push((name.into(), Param::Float(value)));
        self
    }

    /// Constants of functions: `f0`, `f1` and so on.
    pub(super) fn floats(mut self, values: &[f32]) -> Self {
        for (index, &value) in values.iter().enumerate() {
            self = self.float(format!("f{index}"), value);
        }
        self
    }

    pub(super) fn push_int(&mut self, name: String, value: isize) {
        self.params.push((name, Param::Int(value as i32)));
    }

    pub(super) fn set_template(&mut self, template: String) {
        self.template = template.into();
    }

    /// One parameter per value: `name0`, `name1` and so on.
    pub(super) fn uints(mut self, name: &str, values: impl IntoIterator<Item = usize>) -> Self {
        for (index, value) in values.into_iter().enumerate() {
            self = self.uint(format!("{name}{index}"), value);
        }
        self
    }

    pub(super) fn read(self, name: &str, operand: &Operand) -> Self {
        self.bind(name, element(operand.dtype), operand.tensor, false)
    }

    pub(super) fn write(self, name: &str, operand: &Operand) -> Self {
        self.bind(name, element(operand.dtype), operand.tensor, true)
    }

    /// An optional operand; the flag of the same name in capitals says whether it is there.
    pub(super) fn read_optional(self, name: &str, operand: Option<&Operand>) -> Self {
        match operand {
            Some(operand) => self.flag(&name.to_uppercase(), true).read(name, operand),
            None => self,
        }
    }

    pub(super) fn bind(
        mut self,
        name: &str,
        element: &'static str,
        tensor: TensorId,
        is_written: bool,
    ) -> Self {
        self.declarations.push(Declaration { name: name.to_owned(), element, is_written, n_parts: 1 });
        self.tensors.push(tensor);
        self
    }
}

/// A dispatch on tensors, before these have buffers.
struct Draft {
    dispatch: Dispatch,
    tensors: Vec<TensorId>,
}

/// The state of lowering one plan.
pub(super) struct Lowering<'p> {
    pub(super) plan: &'p Plan,
    pub(super) target: Target,
    tensors: Vec<TensorInfo>,
    constants: BTreeMap<(*const Tensor, Packing), TensorId>,
    /// Element-wise results that nobody has needed in memory yet.
    pub(super) chains: BTreeMap<TensorId, Chain>,
    shaders: Vec<String>,
    shader_indices: BTreeMap<String, usize>,
    drafts: Vec<Draft>,
    tunables: BTreeMap<Shape, Tunable>,
    /// The step being lowered.
    node: (&'static str, String),
}

/// One step with the tensors that its values are.
pub(super) struct LoweredStep<'p> {
    pub(super) op: &'p Op,
    inputs: Vec<Option<Operand>>,
    pub(super) outputs: Vec<Operand>,
}

impl LoweredStep<'_> {
    /// An operand that must be there.
    pub(super) fn input(&self, position: usize) -> Result<&Operand, String> {
        self.optional(position).ok_or_else(|| format!("operand {position} is missing"))
    }

    pub(super) fn optional(&self, position: usize) -> Option<&Operand> {
        self.inputs.get(position).and_then(Option::as_ref)
    }

    /// Bias and residual, the first of which has this position.
    pub(super) fn epilogue(&self, epilogue: &Epilogue, first: usize) -> [Option<&Operand>; 2] {
        let residual = first + usize::from(epilogue.has_bias);
        [
            self.optional(first).filter(|_| epilogue.has_bias),
            self.optional(residual).filter(|_| epilogue.has_residual),
        ]
    }

    pub(super) fn n_inputs(&self) -> usize {
        self.inputs.len()
    }

    pub(super) fn output(&self) -> &Operand {
        &self.outputs[0]
    }
}

pub(super) fn lower(plan: &Plan, target: &Target) -> Result<Program, LowerError> {
    let mut lowering = Lowering::new(plan, target.clone());
    let (steps, outputs) = lowering.resolve()?;
    for (step, lowered) in plan.steps.iter().zip(steps) {
        lowering.node = (step.op.name(), step.name.clone());
        if lowered.outputs.iter().all(|output| output.n() == 0) {
            continue;
        }
        let n_before = lowering.drafts.len();
        lowering.step(&lowered).map_err(|failure| lowering.error(failure))?;
        if let Some(draft) = lowering.drafts.get_mut(n_before..).and_then(|added| added.last_mut()) {
            draft.dispatch.n_flops = step.cost.n_flops;
        }
    }
    for output in &outputs {
        lowering.materialise(output.tensor).map_err(|failure| lowering.error(failure))?;
    }
    lowering.finish(outputs)
}

/// Why a step could not be lowered.
pub(super) enum Failure {
    Unsupported(String),
    /// A kernel binds too much, of which this is the largest.
    TooLarge {
        tensor: TensorId,
        n_buffers: usize,
    },
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Unsupported(reason)
    }
}

impl<'p> Lowering<'p> {
    fn new(plan: &'p Plan, target: Target) -> Self {
        Self {
            plan,
            target,
            tensors: Vec::new(),
            constants: BTreeMap::new(),
            chains: BTreeMap::new(),
            shaders: Vec::new(),
            shader_indices: BTreeMap::new(),
            drafts: Vec::new(),
            tunables: BTreeMap::new(),
            node: ("", String::new()),
        }
    }

    fn error(&self, failure: Failure) -> LowerError {
        let (operator, node) = self.node.clone();
        match failure {
            Failure::Unsupported(reason) => LowerError::Unsupported { operator, node, reason },
            Failure::TooLarge { tensor, n_buffers } => {
                let info = &self.tensors[tensor];
                let named = info.value.map(|value| format!("`{}`", self.plan.values[value].name));
                LowerError::TooLarge {
                    operator,
                    node,
                    tensor: named.unwrap_or_else(|| "an intermediate tensor".to_owned()),
                    size_bytes: info.size_bytes,
                    n_parts: self.n_parts(tensor),
                    part_bytes: self.target.part_bytes(),
                    n_buffers,
                    limit: self.target.max_storage_buffers,
                }
            }
        }
    }

    /// Finds out which tensor every operand is. A plan says only in which buffer a value lies; the tensor is what was
    /// written there last.
    fn resolve(&mut self) -> Result<(Vec<LoweredStep<'p>>, Vec<Operand>), LowerError> {
        let plan = self.plan;
        let inputs: Vec<TensorId> = plan
            .inputs
            .iter()
            .enumerate()
            .map(|(index, &value)| self.add(Source::Input(index), plan.values[value].fact.n_elements() * 4))
            .collect();
        let mut current: Vec<Option<TensorId>> = vec![None; plan.buffers.len()];
        let mut steps = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            self.node = (step.op.name(), step.name.clone());
            let operands = self.operands(step, &inputs, &current)?;
            let outputs = step.outputs.iter().map(|&value| {
                let fact = &plan.values[value].fact;
                let tensor = self.add(Source::Computed, fact.n_elements() * 4);
                self.tensors[tensor].value = Some(value);
                if let Home::Buffer(buffer) = plan.values[value].home {
                    current[buffer] = Some(tensor);
                }
                Operand { tensor, dtype: fact.dtype, dims: fact.dims.clone() }
            });
            let outputs = outputs.collect();
            steps.push(LoweredStep { op: &step.op, inputs: operands, outputs });
        }
        let outputs = plan
            .outputs
            .iter()
            .map(|&(_, value)| self.operand(value, &inputs, &current))
            .collect::<Result<_, _>>()?;
        Ok((steps, outputs))
    }

    fn operands(
        &mut self,
        step: &Step,
        inputs: &[TensorId],
        current: &[Option<TensorId>],
    ) -> Result<Vec<Option<Operand>>, LowerError> {
        let operand =
            |value: &Option<ValueId>| value.map(|value| self.operand(value, inputs, current)).transpose();
        step.inputs.iter().map(operand).collect()
    }

    fn operand(
        &mut self,
        value: ValueId,
        inputs: &[TensorId],
        current: &[Option<TensorId>],
    ) -> Result<Operand, LowerError> {
        let plan = self.plan;
        let fact = &plan.values[value].fact;
        let tensor = match &plan.values[value].home {
            Home::Input(index) => Some(inputs[*index]),
            Home::Constant(tensor) => Some(self.constant(tensor, Packing::Elements)),
            Home::Buffer(buffer) => current.get(*buffer).copied().flatten(),
        };
        let tensor = tensor.ok_or_else(|| {
            self.error(Failure::Unsupported(format!("`{}` is never computed", plan.values[value].name)))
        })?;
        self.tensors[tensor].n_uses += 1;
        self.tensors[tensor].value.get_or_insert(value);
        Ok(Operand { tensor, dtype: fact.dtype, dims: fact.dims.clone() })
    }

    fn add(&mut self, source: Source, size_bytes: usize) -> TensorId {
        let size_bytes = (size_bytes as u64).next_multiple_of(16).max(16);
        self.tensors.push(TensorInfo { source, size_bytes, n_uses: 0, value: None });
        self.tensors.len() - 1
    }

    /// Buffers that hold a tensor.
    pub(super) fn n_parts(&self, tensor: TensorId) -> usize {
        self.target.n_parts(self.tensors[tensor].size_bytes)
    }

    /// A constant in a layout, once however often it is asked for.
    pub(super) fn constant(&mut self, tensor: &Arc<Tensor>, packing: Packing) -> TensorId {
        let key = (Arc::as_ptr(tensor), packing);
        if let Some(&id) = self.constants.get(&key) {
            return id;
        }
        let size_bytes = packing.size_bytes(tensor.n_elements());
        let id = self.add(Source::Constant(Arc::clone(tensor), packing), size_bytes);
        self.constants.insert(key, id);
        id
    }

    /// The constant that an operand is.
    pub(super) fn constant_of(&self, operand: &Operand) -> Option<Arc<Tensor>> {
        match &self.tensors[operand.tensor].source {
            Source::Constant(tensor, _) => Some(Arc::clone(tensor)),
            Source::Input(_) | Source::Computed => None,
        }
    }

    /// True when exactly one step or output reads a tensor.
    pub(super) fn has_one_use(&self, tensor: TensorId) -> bool {
        self.tensors[tensor].n_uses == 1
    }

    /// A tensor for values between the kernels of one step.
    pub(super) fn temporary(&mut self, dtype: DType, dims: &[usize]) -> Operand {
        let tensor = self.add(Source::Computed, n_elements(dims) * 4);
        Operand { tensor, dtype, dims: dims.to_vec() }
    }

    /// Adds a call with `n` invocations: the parameter of that name comes first.
    pub(super) fn emit(&mut self, mut call: Call, n: usize) -> Result<(), Failure> {
        if n == 0 {
            return Ok(());
        }
        call.params.insert(0, ("n".to_owned(), Param::Uint(n as u32)));
        let chosen = call.definitions.get("WG").and_then(|size| size.parse().ok());
        // Invocations with much to do spread over all cores of a software adapter; on a GPU all fill its lanes.
        let spreads = self.target.is_software && HEAVY.contains(&call.kernel);
        let workgroup_size = chosen.unwrap_or(if spreads { 8 } else { 64 });
        call.definitions.insert("WG".to_owned(), workgroup_size.to_string());
        self.emit_groups(call, n.div_ceil(workgroup_size), n)
    }

    /// Adds a call with `n` lines, or with a workgroup for each of them: the parameter of that name comes first.
    pub(super) fn emit_lines(&mut self, mut call: Call, variant: Variant, n: usize) -> Result<(), Failure> {
        if n == 0 || variant != Variant::SharedLines {
            return self.emit(call, n);
        }
        call.params.insert(0, ("n".to_owned(), Param::Uint(n as u32)));
        self.emit_groups(call, n, n)
    }

    fn emit_groups(&mut self, call: Call, n_groups: usize, n: usize) -> Result<(), Failure> {
        let limit = self.target.max_workgroups as usize;
        let n_rows = n_groups.div_ceil(limit);
        if n_rows > limit || u32::try_from(n).is_err() {
            return Err(Failure::Unsupported(format!("{n} invocations are more than a dispatch can have")));
        }
        let workgroups = [n_groups.div_ceil(n_rows) as u32, n_rows as u32, 1];
        self.emit_workgroups(call, workgroups)
    }

    /// How to compute a shape; noted, so that others can be measured.
    pub(super) fn variant(&mut self, shape: Shape) -> Variant {
        let variant = shape.choose(&self.target);
        self.tunables.entry(shape).or_insert(Tunable { shape, variant, n_calls: 0 }).n_calls += 1;
        variant
    }

    /// Adds a call with a number of workgroups along each dimension.
    pub(super) fn emit_workgroups(&mut self, call: Call, workgroups: [u32; 3]) -> Result<(), Failure> {
        let Call { kernel, template, definitions, params, mut declarations, tensors } = call;
        for (&tensor, buffer) in tensors.iter().zip(&mut declarations) {
            self.materialise(tensor)?;
            buffer.n_parts = self.n_parts(tensor);
        }
        let n_buffers = declarations.iter().map(|buffer| buffer.n_parts).sum();
        let largest = tensors.iter().copied().max_by_key(|&tensor| self.tensors[tensor].size_bytes);
        if let Some(tensor) = largest.filter(|_| n_buffers > self.target.max_storage_buffers) {
            return Err(Failure::TooLarge { tensor, n_buffers });
        }
        let text = assemble(&template, &definitions, &params, &declarations, self.target.part_bytes());
        let shader = *self.shader_indices.entry(text).or_insert_with_key(|text| {
            self.shaders.push(text.clone());
            self.shaders.len() - 1
        });
        let params = params.iter().map(|(_, param)| param.bits()).collect();
        let node = self.node.1.clone();
        let dispatch =
            Dispatch { node, kernel, shader, params, bindings: Vec::new(), workgroups, n_flops: 0 };
        self.drafts.push(Draft { dispatch, tensors });
        Ok(())
    }

    fn finish(self, outputs: Vec<Operand>) -> Result<Program, LowerError> {
        // Every part of a tensor lives, and has its buffer, for itself.
        let part_bytes = self.target.part_bytes();
        let mut parts: Vec<(TensorId, u64)> = Vec::new();
        let mut of_tensor: Vec<Range<usize>> = Vec::with_capacity(self.tensors.len());
        for tensor in 0..self.tensors.len() {
            let first = parts.len();
            parts.extend((0..self.n_parts(tensor) as u64).map(|part| (tensor, part * part_bytes)));
            of_tensor.push(first..parts.len());
        }
        let size_bytes = |part: usize| {
            let (tensor, offset) = parts[part];
            (self.tensors[tensor].size_bytes - offset).min(part_bytes)
        };
        let mut lives: Vec<Option<Life>> = vec![None; parts.len()];
        let touched = self
            .drafts
            .iter()
            .enumerate()
            .flat_map(|(index, draft)| draft.tensors.iter().map(move |&tensor| (tensor, index)));
        let kept = outputs.iter().map(|output| (output.tensor, self.drafts.len()));
        for (tensor, index) in touched.chain(kept) {
            if !matches!(self.tensors[tensor].source, Source::Computed) {
                continue;
            }
            for part in of_tensor[tensor].clone() {
                let size_bytes = size_bytes(part);
                let life = lives[part].get_or_insert(Life { first: index, last: index, size_bytes });
                life.last = life.last.max(index);
            }
        }
        let (slots, sizes) = arena::assign(&lives);
        let scratch = |size_bytes| Buffer { size_bytes, offset_bytes: 0, content: Content::Scratch };
        let mut buffers: Vec<Buffer> = sizes.into_iter().map(scratch).collect();
        let mut places: Vec<Option<usize>> = slots;
        let mut place = |tensor: TensorId| -> Vec<usize> {
            let place_part = |part: usize| {
                *places[part].get_or_insert_with(|| {
                    let content = match &self.tensors[tensor].source {
                        Source::Input(index) => Content::Input(*index),
                        Source::Constant(tensor, packing) => Content::Constant(Arc::clone(tensor), *packing),
                        Source::Computed => Content::Scratch,
                    };
                    let offset_bytes = parts[part].1;
                    buffers.push(Buffer { size_bytes: size_bytes(part), offset_bytes, content });
                    buffers.len() - 1
                })
            };
            of_tensor[tensor].clone().map(place_part).collect()
        };
        let dispatches = self
            .drafts
            .into_iter()
            .map(|Draft { dispatch, tensors }| Dispatch {
                bindings: tensors.into_iter().flat_map(&mut place).collect(),
                ..dispatch
            })
            .collect();
        let outputs = outputs
            .into_iter()
            .zip(&self.plan.outputs)
            .map(|(output, (name, _))| Output {
                name: name.clone(),
                buffers: place(output.tensor),
                dtype: output.dtype,
                dims: output.dims,
            })
            .collect();
        let tunables = self.tunables.into_values().collect();
        Ok(Program { shaders: self.shaders, dispatches, buffers, outputs, tunables, part_bytes })
    }

    fn step(&mut self, step: &LoweredStep<'_>) -> Result<(), Failure> {
        match step.op {
            Op::Unary(_)
            | Op::Binary(_)
            | Op::Where
            | Op::Cast
            | Op::Reshape
            | Op::Transpose(_)
            | Op::Slice { .. }
            | Op::Expand
            | Op::ChannelAffine
            | Op::Quantize { .. }
            | Op::Dequantize { .. } => self.elementwise(step),
            Op::Tile
            | Op::Concat { .. }
            | Op::Gather { .. }
            | Op::GatherElements { .. }
            | Op::GatherNd { .. }
            | Op::ScatterNd(_)
            | Op::ScatterElements { .. }
            | Op::Pad { .. }
            | Op::Trilu { .. }
            | Op::OneHot { .. } => self.movement(step),
            Op::CumSum { .. }
            | Op::Reduce { .. }
            | Op::ArgReduce { .. }
            | Op::TopK { .. }
            | Op::Softmax { .. }
            | Op::Hardmax { .. }
            | Op::LayerNorm { .. }
            | Op::GroupNorm { .. }
            | Op::LpNorm { .. }
            | Op::LocalResponseNorm { .. } => self.rows(step),
            Op::MatMul { .. } | Op::Attention { .. } | Op::Einsum { .. } => self.linear(step),
            Op::MatMulInteger | Op::QuantizedMatMul { .. } | Op::DynamicQuantize => self.quantized(step),
            Op::Recurrent { cell, direction, hidden_size } => {
                self.recurrent(step, *cell, *direction, *hidden_size)
            }
            Op::GridSample { mode, padding, aligns_corners } => {
                self.grid_sample(step, *mode, *padding, *aligns_corners)
            }
            &Op::RoiAlign { is_max, half_pixel, n_samples, scale } => {
                self.roi_align(step, &Regions { is_max, half_pixel, n_samples, scale })
            }
            _ => self.window(step),
        }
    }
}
