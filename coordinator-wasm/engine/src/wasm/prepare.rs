//! Chooses a kernel for every step of a plan, and packs the weights that kernels read.

mod weights;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use model::op::{Binary, StridedRead};
use model::plan::{Home, Plan, Step};
use model::reference::{ResizeSample, pad_source, resize_samples};
use model::{DType, DataRef, Op, ScaledBytes, Tensor};

pub(crate) use self::weights::Weights;
use self::weights::{Form, Packed};
use super::kernel::conv::PackedFilters;
use super::kernel::depthwise::DepthwiseFilters;
use super::kernel::gemm::{PackedColumns, Rows};
use super::kernel::integer_gemm::{Bytes, PackedBytes};
use super::kernel::movement::PaddedAxis;
use super::kernel::recurrent::PackedRecurrent;
use super::kernel::reduce::can_reduce;
use super::kernel::scaled::ScaledColumns;
use super::kernel::transposed::TransposedFilters;

/// What runs a step.
#[derive(Debug)]
pub(super) enum Kernel {
    Unary,
    Binary(Binary),
    Strided(StridedRead),
    Pad(Vec<PaddedAxis>),
    Concat,
    Gather,
    /// Along the first dimension of weights that stay in 8 bits.
    GatherScaled(Arc<Tensor>),
    Softmax,
    LayerNorm,
    ChannelAffine,
    Reduce,
    /// With packed weights, or operands that are packed per call.
    MatMul(Option<Rc<PackedColumns>>),
    ScaledMatMul(Rc<ScaledColumns>),
    Quantized(Rc<PackedBytes>),
    Conv(Rc<PackedFilters>),
    Depthwise(Rc<DepthwiseFilters>),
    /// One set of filters per group.
    ConvTransposed(Rc<Vec<TransposedFilters>>),
    /// What each element along each spatial axis is mixed from.
    Resize(Vec<Vec<ResizeSample>>),
    Pool,
    Attention {
        /// In double precision.
        is_double: bool,
    },
    Recurrent(Rc<PackedRecurrent>),
    /// The operator's plain form in `model::reference`.
    Reference,
}

/// One kernel per step. Released weights that a kernel reads as they were are restored in the plan.
pub(super) fn choose_kernels(plan: &mut Plan, weights: &mut Weights) -> Vec<Kernel> {
    (0..plan.steps.len())
        .map(|index| {
            let kernel = Chooser { plan, step: &plan.steps[index] }.choose(weights);
            let kernel = kernel.unwrap_or(Kernel::Reference);
            restore_operands(plan, index, &kernel, weights);
            kernel
        })
        .collect()
}

fn restore_operands(plan: &mut Plan, index: usize, kernel: &Kernel, weights: &Weights) {
    for position in 0..plan.steps[index].inputs.len() {
        if kernel.packed_operands().contains(&position) {
            continue;
        }
        let Some(value) = plan.steps[index].inputs[position] else { continue };
        if let Home::Constant(tensor) = &plan.values[value].home
            && tensor.is_released()
            && let Some(restored) = weights.restore(tensor)
        {
            plan.values[value].home = Home::Constant(restored);
        }
    }
}

/// Packs the weights of a plan. Each that is read in packed form only is released: `release` learns what takes its
/// place, before the next one is packed.
pub(super) fn pack_weights(
    mut plan: Plan,
    weights: &mut Weights,
    mut release: impl FnMut(&Arc<Tensor>, &Arc<Tensor>),
) {
    let mut n_readers: BTreeMap<*const Tensor, usize> = BTreeMap::new();
    let read = plan.steps.iter().flat_map(|step| step.inputs.iter().flatten().copied());
    for value in read.chain(plan.outputs.iter().map(|&(_, value)| value)) {
        if let Home::Constant(tensor) = &plan.values[value].home {
            *n_readers.entry(Arc::as_ptr(tensor)).or_default() += 1;
        }
    }
    for index in 0..plan.steps.len() {
        let kernel = Chooser { plan: &plan, step: &plan.steps[index] }.choose(weights);
        for &position in kernel.iter().flat_map(Kernel::packed_operands) {
            let chooser = Chooser { plan: &plan, step: &plan.steps[index] };
            let Some(tensor) = chooser.constant(position).map(Arc::clone) else { continue };
            let n_left = n_readers.entry(Arc::as_ptr(&tensor)).or_default();
            *n_left -= 1;
            if *n_left > 0 || tensor.is_released() {
                continue;
            }
            let released = Arc::new(tensor.released());
            weights.rename(&tensor, &released);
            for value in &mut plan.values {
                if let Home::Constant(constant) = &mut value.home
                    && Arc::ptr_eq(constant, &tensor)
                {
                    *constant = Arc::clone(&released);
                }
            }
            release(&tensor, &released);
        }
    }
}

impl Kernel {
    /// The operands that are read in a packed form from which they can be restored.
    pub(super) fn packed_operands(&self) -> &'static [usize] {
        match self {
            Self::MatMul(Some(_))
            | Self::ScaledMatMul(_)
            | Self::Quantized(_)
            | Self::Conv(_)
            | Self::Depthwise(_)
            | Self::ConvTransposed(_) => &[1],
            Self::Recurrent(_) => &[1, 2],
            _ => &[],
        }
    }
}

struct Chooser<'a> {
    plan: &'a Plan,
    step: &'a Step,
}

impl<'a> Chooser<'a> {
    fn value(&self, position: usize) -> Option<usize> {
        self.step.inputs.get(position).copied().flatten()
    }

    fn dims(&self, position: usize) -> &'a [usize] {
        self.value(position).map_or(&[], |value| &self.plan.values[value].fact.dims)
    }

    fn constant(&self, position: usize) -> Option<&'a Arc<Tensor>> {
        match &self.plan.values[self.value(position)?].home {
            Home::Constant(tensor) => Some(tensor),
            Home::Input(_) | Home::Buffer(_) => None,
        }
    }

    /// The elements of a constant that is not released.
    fn floats(&self, position: usize) -> Option<&'a [f32]> {
        self.constant(position).filter(|tensor| !tensor.is_released())?.data().as_f32()
    }

    /// The vector kernel; `None` when only the reference form fits.
    fn choose(&self, weights: &mut Weights) -> Option<Kernel> {
        let fact = |value: usize| &self.plan.values[value].fact;
        let out = fact(self.step.outputs[0]);
        let inputs_are_floats = self.value(0).is_some_and(|value| fact(value).dtype == DType::F32);
        if out.dtype != DType::F32 || !inputs_are_floats {
            return None;
        }
        match &self.step.op {
            Op::Unary(_) => Some(Kernel::Unary),
            Op::Binary(function) => Some(Kernel::Binary(*function)),
            op @ (Op::Transpose(_) | Op::Slice { .. } | Op::Expand) => {
                op.strided_read(self.dims(0), &out.dims).map(Kernel::Strided)
            }
            Op::Pad { before, mode, .. } => {
                let axis = |(axis, &before): (usize, &usize)| {
                    let length = self.dims(0)[axis];
                    let source = |at| pad_source(*mode, before, length, at);
                    PaddedAxis {
                        sources: (0..out.dims[axis]).map(source).collect(),
                        own: before..before + length,
                    }
                };
                Some(Kernel::Pad(before.iter().enumerate().map(axis).collect()))
            }
            Op::Concat { .. } => Some(Kernel::Concat),
            Op::Gather { axis } => Some(self.gather(*axis)),
            Op::Softmax { axis, is_log: false } if axis + 1 == out.dims.len() => Some(Kernel::Softmax),
            Op::LayerNorm { .. } => Some(Kernel::LayerNorm),
            Op::ChannelAffine => Some(Kernel::ChannelAffine),
            Op::Reduce { kind, axes } if can_reduce(*kind, axes) => Some(Kernel::Reduce),
            Op::MatMul { trans_a, trans_b, .. } => self.matmul(*trans_a, *trans_b, weights),
            Op::QuantizedMatMul { .. } => self.quantized(weights),
            Op::Conv { .. } => self.conv(weights),
            Op::ConvTranspose { .. } => self.conv_transposed(weights),
            Op::Pool { .. } => Some(Kernel::Pool),
            Op::Resize { coordinates, mode, scales }
                if matches!(out.dims.len(), 3 | 4) && out.dims[..2] == self.dims(0)[..2] =>
            {
                let samples = |axis: usize| {
                    let (from, to) = (self.dims(0)[axis], out.dims[axis]);
                    resize_samples(*coordinates, *mode, scales[axis], from, to)
                };
                Some(Kernel::Resize((2..out.dims.len()).map(samples).collect()))
            }
            Op::Attention { .. } => Some(Kernel::Attention { is_double: self.plan.quantizes() }),
            Op::Recurrent { .. } => self.recurrent(weights),
            _ => None,
        }
    }

    fn gather(&self, axis: usize) -> Kernel {
        let has_rows = |weights: &ScaledBytes| axis == 0 && weights.axis().is_none_or(|axis| axis == 0);
        match self.constant(0) {
            Some(tensor) if tensor.as_scaled().is_some_and(has_rows) => {
                Kernel::GatherScaled(Arc::clone(tensor))
            }
            _ => Kernel::Gather,
        }
    }

    fn matmul(&self, trans_a: bool, trans_b: bool, weights: &mut Weights) -> Option<Kernel> {
        if self.dims(0).len() < 2 || self.dims(1).len() < 2 {
            return None;
        }
        let (Some(tensor), &[_, n_columns], false) = (self.constant(1), self.dims(1), trans_a) else {
            return Some(Kernel::MatMul(None));
        };
        let form = Form::ScaledColumns { is_transposed: trans_b };
        let pack = |tensors: &[Arc<Tensor>]| {
            let packed = ScaledColumns::new(tensors[0].as_scaled()?, trans_b)?;
            Some(Packed::ScaledColumns(Rc::new(packed)))
        };
        if (tensor.as_scaled().is_some() || weights.has(tensor, &form))
            && let Some(Packed::ScaledColumns(packed)) = weights.get(&[tensor], form, pack)
        {
            return Some(Kernel::ScaledMatMul(packed));
        }
        let packed = weights.get(&[tensor], Form::Columns { is_transposed: trans_b }, |tensors| {
            let rows = Rows::dense(tensors[0].data().as_f32()?, n_columns);
            let packed = if trans_b {
                PackedColumns::from_columns(rows, n_columns)
            } else {
                PackedColumns::from_rows(rows, n_columns)
            };
            Some(Packed::Columns(Rc::new(packed)))
        });
        match packed {
            Some(Packed::Columns(packed)) => Some(Kernel::MatMul(Some(packed))),
            _ => None,
        }
    }

    fn quantized(&self, weights: &mut Weights) -> Option<Kernel> {
        let tensor = self.constant(1)?;
        self.floats(2)?;
        let &[depth, n_columns] = self.dims(1) else { return None };
        let zero_points: Vec<i32> = match self.value(3) {
            Some(_) => self.constant(3)?.data().to_i64()?.into_iter().map(|point| point as i32).collect(),
            None => Vec::new(),
        };
        let pack = |tensors: &[Arc<Tensor>]| {
            let bytes = match tensors[0].data() {
                DataRef::I8(bytes) => Bytes::Signed(bytes),
                DataRef::U8(bytes) => Bytes::Unsigned(bytes),
                _ => return None,
            };
            Some(Packed::Bytes(Rc::new(PackedBytes::new(bytes, depth, n_columns, &zero_points))))
        };
        match weights.get(&[tensor], Form::Bytes { zero_points: zero_points.clone() }, pack) {
            Some(Packed::Bytes(packed)) => Some(Kernel::Quantized(packed)),
            _ => None,
        }
    }

    fn conv(&self, weights: &mut Weights) -> Option<Kernel> {
        let Op::Conv { window, groups, .. } = &self.step.op else { return None };
        let (tensor, dims) = (self.constant(1)?, self.dims(1));
        let (kernel, n_groups) = (window.kernel, *groups);
        let (n_out, n_in) = (dims[0], dims[1]);
        if n_groups > 1 && n_out == n_groups && n_in == 1 {
            let packed = weights.get(&[tensor], Form::DepthwiseFilters, |tensors| {
                let packed = DepthwiseFilters::new(tensors[0].data().as_f32()?, n_out);
                Some(Packed::DepthwiseFilters(Rc::new(packed)))
            });
            return match packed {
                Some(Packed::DepthwiseFilters(packed)) => Some(Kernel::Depthwise(packed)),
                _ => None,
            };
        }
        let packed = weights.get(&[tensor], Form::Filters { n_groups, kernel }, |tensors| {
            let packed = PackedFilters::new(tensors[0].data().as_f32()?, n_in, kernel, n_groups);
            Some(Packed::Filters(Rc::new(packed)))
        });
        match packed {
            Some(Packed::Filters(packed)) => Some(Kernel::Conv(packed)),
            _ => None,
        }
    }

    fn conv_transposed(&self, weights: &mut Weights) -> Option<Kernel> {
        let Op::ConvTranspose { window, groups, .. } = &self.step.op else { return None };
        let (n_groups, n_taps) = (*groups, window.kernel[0] * window.kernel[1]);
        let n_in = self.dims(1)[0] / n_groups;
        let form = Form::TransposedFilters { n_groups, n_taps };
        let packed = weights.get(&[self.constant(1)?], form, |tensors| {
            let data = tensors[0].data().as_f32()?;
            let groups = data.chunks_exact((data.len() / n_groups).max(1));
            let filters = groups.map(|group| TransposedFilters::new(group, n_in, n_taps)).collect();
            Some(Packed::TransposedFilters(Rc::new(filters)))
        });
        match packed {
            Some(Packed::TransposedFilters(packed)) => Some(Kernel::ConvTransposed(packed)),
            _ => None,
        }
    }

    fn recurrent(&self, weights: &mut Weights) -> Option<Kernel> {
        let &Op::Recurrent { cell, direction, hidden_size } = &self.step.op else { return None };
        let mut tensors = vec![self.constant(1)?, self.constant(2)?];
        if self.value(3).is_some() {
            tensors.push(self.constant(3)?);
        }
        let packed = weights.get(&tensors, Form::Recurrent { cell, direction }, |tensors| {
            let floats = |position: usize| tensors.get(position)?.data().as_f32();
            let w = (floats(0)?, tensors[0].dims());
            let packed = PackedRecurrent::new(cell, direction, hidden_size, w, floats(1)?, floats(2));
            Some(Packed::Recurrent(Rc::new(packed)))
        });
        match packed {
            Some(Packed::Recurrent(packed)) => Some(Kernel::Recurrent(packed)),
            _ => None,
        }
    }
}
