//! Plan to program: which calls of the builder compute each step.
//!
//! Convolutions and pooling want images in the layout that the context prefers. A value is kept in the layout that it
//! was computed in and converted when somebody needs the other, once; element-wise steps take what they get.

use crate::op::{Epilogue, Fact, Op};
use crate::plan::{Home, Plan, Roots, Step};

use crate::webnn::builder::{Builder, Reason, refuse};
use crate::webnn::limits::{Layout, Limits};
use crate::webnn::program::{OperandId, Program};

mod attention;
mod elementwise;
mod linear;
mod movement;
mod quantized;
mod recurrent;
mod reduction;
mod resample;
mod scaled;
mod window;

/// Index of a value in [`Plan::values`].
type ValueId = usize;

/// A step that a context cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Name of the operator.
    pub operator: &'static str,
    /// Name of the node in the model file.
    pub node: String,
    /// What the context lacks.
    pub reason: String,
}

/// The calls that compute a plan in a context with given limits.
///
/// # Errors
/// The first step that the context cannot do.
pub fn lower(plan: &Plan, limits: &Limits) -> Result<Program, Refusal> {
    let mut lowering = Lowering {
        plan,
        builder: Builder::new(limits),
        slots: vec![Slot::default(); plan.values.len()],
        owners: vec![None; plan.buffers.len()],
        roots: Roots::of(plan),
    };
    let edge = |operator: &'static str| {
        move |reason: Reason| Refusal { operator, node: String::new(), reason: reason.0 }
    };
    for &input in &plan.inputs {
        let operand = lowering.builder.input(&plan.values[input].fact).map_err(edge("input"))?;
        lowering.slots[input].planar = Some(operand);
    }
    for (index, step) in plan.steps.iter().enumerate() {
        lowering.builder.step = index;
        lowering.step(step).map_err(|reason| Refusal {
            operator: step.op.name(),
            node: step.name.clone(),
            reason: reason.0,
        })?;
    }
    lowering.outputs().map_err(edge("output"))?;
    Ok(lowering.builder.program)
}

/// Where a value is in the program.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// As the plan has it.
    planar: Option<OperandId>,
    /// Four-dimensional and in the context's layout for images; height is 1 where the plan has none.
    image: Option<OperandId>,
}

struct Lowering<'a> {
    plan: &'a Plan,
    builder: Builder<'a>,
    slots: Vec<Slot>,
    /// By buffer: the value that was written there last.
    owners: Vec<Option<ValueId>>,
    roots: Roots,
}

impl Lowering<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Reason> {
        match &step.op {
            Op::Unary(functions) => self.unary(step, functions),
            Op::Binary(function) => self.binary(step, *function),
            Op::Where => self.choose(step),
            Op::Cast => self.cast(step),
            Op::Transpose(permutation) => self.transpose(step, permutation),
            Op::Slice { starts, steps } => self.slice(step, starts, steps),
            Op::Expand => self.expand(step),
            Op::Tile => self.tile(step),
            Op::Concat { axis } => self.concat(step, *axis),
            Op::Gather { axis } => self.gather(step, *axis),
            Op::GatherElements { axis } => self.gather_elements(step, *axis),
            Op::GatherNd { batch_dims } => self.gather_nd(step, *batch_dims),
            Op::ScatterNd(mode) => self.scatter_nd(step, *mode),
            Op::ScatterElements { axis, mode } => self.scatter_elements(step, *axis, *mode),
            Op::Pad { before, after, mode } => self.pad(step, before, after, *mode),
            Op::Resize { coordinates, mode, scales } => self.resize(step, *coordinates, *mode, scales),
            Op::Trilu { upper, diagonal } => self.triangular(step, *upper, *diagonal),
            Op::OneHot { axis } => self.one_hot(step, *axis),
            Op::CumSum { axis, is_exclusive, is_reverse } => {
                self.cumulative_sum(step, *axis, *is_exclusive, *is_reverse)
            }
            Op::Reduce { kind, axes } => self.reduce(step, *kind, axes),
            Op::ArgReduce { axis, is_max, takes_last } => self.arg_reduce(step, *axis, *is_max, *takes_last),
            Op::Softmax { axis, is_log } => self.softmax(step, *axis, *is_log),
            Op::Hardmax { axis } => self.hardmax(step, *axis),
            Op::LayerNorm { axis, epsilon, is_rms } => self.layer_norm(step, *axis, *epsilon, *is_rms),
            Op::GroupNorm { n_groups, epsilon } => self.group_norm(step, *n_groups, *epsilon),
            Op::ChannelAffine => self.channel_affine(step),
            Op::LpNorm { axis, p } => self.lp_norm(step, *axis, *p),
            Op::LocalResponseNorm { size, alpha, beta, bias } => {
                self.local_response_norm(step, *size, [*alpha, *beta, *bias])
            }
            Op::MatMul { trans_a, trans_b, epilogue } => self.matmul(step, [*trans_a, *trans_b], epilogue),
            Op::MatMulInteger => self.matmul_integer(step),
            Op::QuantizedMatMul { epilogue } => self.quantized_matmul(step, epilogue),
            Op::Attention { scale, zeroes_undefined, heads_inside } => {
                self.attention(step, *scale, *zeroes_undefined, *heads_inside)
            }
            Op::Conv { window, groups, epilogue } => self.conv(step, window, *groups, epilogue),
            Op::ConvTranspose { window, groups, epilogue } => {
                self.conv_transpose(step, window, *groups, epilogue)
            }
            Op::Pool { kind, window } => self.pool(step, *kind, window),
            Op::Recurrent { cell, direction, hidden_size } => {
                self.recurrent(step, *cell, *direction, *hidden_size)
            }
            Op::DynamicQuantize => self.dynamic_quantize(step),
            Op::Quantize { .. } if self.is_done(step) => Ok(()),
            Op::Quantize { axis } => self.quantize(step, *axis),
            Op::Dequantize { axis } => self.dequantize(step, *axis),
            Op::Einsum { inputs, output, lengths } => self.einsum(step, inputs, output, lengths),
            other => refuse(format!("{} has no lowering to WebNN", other.name())),
        }
    }

    fn fact(&self, value: ValueId) -> &Fact {
        &self.plan.values[value].fact
    }

    fn dims(&self, value: ValueId) -> Vec<usize> {
        self.fact(value).dims.clone()
    }

    /// The result of a step.
    fn result(&self, step: &Step) -> (ValueId, Fact) {
        let value = step.outputs[0];
        (value, self.fact(value).clone())
    }

    /// An operand's value.
    fn value(step: &Step, position: usize) -> Result<ValueId, Reason> {
        match step.inputs.get(position).copied().flatten() {
            Some(value) => Ok(value),
            None => refuse(format!("operand {position} is missing")),
        }
    }

    fn optional(step: &Step, position: usize) -> Option<ValueId> {
        step.inputs.get(position).copied().flatten()
    }

    /// An operand as the plan has it.
    fn operand(&mut self, step: &Step, position: usize) -> Result<OperandId, Reason> {
        self.planar(Self::value(step, position)?)
    }

    /// A value as the plan has it.
    fn planar(&mut self, value: ValueId) -> Result<OperandId, Reason> {
        if let Some(operand) = self.slots[value].planar {
            return Ok(operand);
        }
        let dims = self.dims(value);
        let operand = match (self.slots[value].image, &self.plan.values[value].home) {
            (Some(image), _) => {
                let from_image: &[usize] = match self.builder.limits.layout {
                    Layout::Nchw => &[0, 1, 2, 3],
                    Layout::Nhwc => &[0, 3, 1, 2],
                };
                let four = self.builder.transpose(image, from_image)?;
                self.builder.reshape(four, &dims)?
            }
            (None, Home::Constant(tensor)) => self.builder.constant(tensor, dims, None)?,
            (None, Home::Input(index)) => {
                let input = self.planar(self.plan.inputs[*index])?;
                self.builder.reshape(input, &dims)?
            }
            (None, Home::Buffer(buffer)) => {
                let Some(owner) = self.owners[*buffer].filter(|&owner| owner != value) else {
                    return refuse("it reads what nothing has computed");
                };
                let owned = self.planar(owner)?;
                self.builder.reshape(owned, &dims)?
            }
        };
        self.slots[value].planar = Some(operand);
        Ok(operand)
    }

    /// True when a value is at hand only in the layout for images.
    fn is_image(&self, value: ValueId) -> bool {
        self.slots[value].image.is_some() && self.slots[value].planar.is_none()
    }

    /// A value of three or four dimensions as an image.
    fn image(&mut self, value: ValueId) -> Result<OperandId, Reason> {
        if let Some(operand) = self.slots[value].image {
            return Ok(operand);
        }
        let rank = self.dims(value).len();
        let operand = self.image_of_rank(value, rank)?;
        self.slots[value].image = Some(operand);
        Ok(operand)
    }

    /// A value that broadcasts to one of `rank` dimensions, as an image.
    fn image_of_rank(&mut self, value: ValueId, rank: usize) -> Result<OperandId, Reason> {
        if self.dims(value).len() == rank && self.slots[value].image.is_some() {
            return self.image(value);
        }
        let mut dims = vec![1; rank.saturating_sub(self.dims(value).len())];
        dims.extend(self.dims(value));
        let four = match dims[..] {
            [n, channels, width] => vec![n, channels, 1, width],
            [_, _, _, _] => dims,
            _ => return refuse(format!("an image has 3 or 4 dimensions, not {rank}")),
        };
        let permutation: &[usize] = match self.builder.limits.layout {
            Layout::Nchw => &[0, 1, 2, 3],
            Layout::Nhwc => &[0, 2, 3, 1],
        };
        self.turned(value, &four, permutation)
    }

    /// A value in the shape `dims`, transposed; a constant is turned before the context gets it.
    fn turned(&mut self, value: ValueId, dims: &[usize], permutation: &[usize]) -> Result<OperandId, Reason> {
        if let Home::Constant(tensor) = &self.plan.values[value].home
            && tensor.dims() == dims
        {
            let turned = permutation.iter().map(|&axis| dims[axis]).collect();
            return self.builder.constant(tensor, turned, Some(permutation.to_vec()));
        }
        let planar = self.planar(value)?;
        let reshaped = self.builder.reshape(planar, dims)?;
        self.builder.transpose(reshaped, permutation)
    }

    /// The axis of an image that holds a dimension of a value of three or four dimensions.
    fn image_axis(&self, axis: usize, rank: usize) -> usize {
        let of_four = if rank == 3 && axis == 2 { 3 } else { axis };
        match self.builder.limits.layout {
            Layout::Nchw => of_four,
            Layout::Nhwc => [0, 3, 1, 2][of_four],
        }
    }

    /// One number per dimension, in the order of an image's axes.
    fn per_image_axis(&self, numbers: &[usize], of_height: usize) -> Vec<usize> {
        let mut turned = vec![of_height; 4];
        for (axis, &number) in numbers.iter().enumerate() {
            turned[self.image_axis(axis, numbers.len())] = number;
        }
        turned
    }

    /// Operands that broadcast to a result of `rank` dimensions: all as images when one of them is only that.
    fn alike(&mut self, values: &[ValueId], rank: usize) -> Result<(bool, Vec<OperandId>), Reason> {
        let is_image = (3..=4).contains(&rank)
            && values.iter().any(|&value| self.is_image(value) && self.dims(value).len() == rank);
        let operands = values
            .iter()
            .map(|&value| {
                let is_scalar = self.dims(value).len() < 2 && self.fact(value).n_elements() == 1;
                if is_image && !is_scalar { self.image_of_rank(value, rank) } else { self.planar(value) }
            })
            .collect::<Result<_, _>>()?;
        Ok((is_image, operands))
    }

    /// Puts a result in its place.
    fn put(&mut self, value: ValueId, is_image: bool, operand: OperandId) {
        let slot = &mut self.slots[value];
        if is_image {
            slot.image = Some(operand);
        } else {
            slot.planar = Some(operand);
        }
        if let Home::Buffer(buffer) = self.plan.values[value].home {
            self.owners[buffer] = Some(value);
        }
    }

    /// Puts a result in its place, in the shape that the plan has for it.
    fn finish(&mut self, value: ValueId, operand: OperandId) -> Result<(), Reason> {
        let dims = self.dims(value);
        let operand = self.builder.reshape(operand, &dims)?;
        self.put(value, false, operand);
        Ok(())
    }

    /// What follows a product with its bias: the residual, then the activations.
    fn epilogue(
        &mut self,
        step: &Step,
        epilogue: &Epilogue,
        first: usize,
        is_image: bool,
        product: OperandId,
    ) -> Result<OperandId, Reason> {
        let mut x = product;
        if epilogue.has_residual {
            let value = Self::value(step, first + usize::from(epilogue.has_bias))?;
            let residual = if is_image { self.image(value)? } else { self.planar(value)? };
            let dims = self.builder.dims(x);
            let residual = if is_image { residual } else { self.builder.reshape(residual, &dims)? };
            x = self.builder.binary("add", x, residual)?;
        }
        self.chain(&epilogue.activations, x)
    }

    /// Outputs must be results of calls, each under one name.
    fn outputs(&mut self) -> Result<(), Reason> {
        for (name, value) in &self.plan.outputs {
            let mut operand = self.planar(*value)?;
            let dtype = self.fact(*value).dtype;
            operand = self.builder.cast(operand, dtype)?;
            let program = &self.builder.program;
            let is_result = program.calls.iter().any(|call| call.results.contains(&operand));
            let is_named = program.outputs.iter().any(|(_, other)| *other == operand);
            if !is_result || is_named {
                operand = self.builder.unary("identity", operand)?;
            }
            self.builder.program.outputs.push((name.clone(), operand));
        }
        Ok(())
    }
}
