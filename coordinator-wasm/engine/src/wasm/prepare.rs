//! Chooses a kernel for every step of a plan, and packs the weights that kernels read.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use model::op::{Binary, StridedRead};
use model::plan::{Home, Plan, Step};
use model::{DType, DataRef, Op, Tensor};

use super::kernel::conv::PackedFilters;
use super::kernel::depthwise::DepthwiseFilters;
use super::kernel::gemm::{PackedColumns, Rows};
use super::kernel::integer_gemm::{Bytes, PackedBytes};
use super::kernel::recurrent::PackedRecurrent;
use super::kernel::reduce::can_reduce;
use super::kernel::transposed::TransposedFilters;

/// What runs a step.
#[derive(Debug)]
pub(super) enum Kernel {
    Unary,
    Binary(Binary),
    Strided(StridedRead),
    Concat,
    Gather,
    Softmax,
    LayerNorm,
    ChannelAffine,
    Reduce,
    /// With packed weights, or operands that are packed per call.
    MatMul(Option<Rc<PackedColumns>>),
    Quantized(Rc<PackedBytes>),
    Conv(Rc<PackedFilters>),
    Depthwise(Rc<DepthwiseFilters>),
    /// One set of filters per group.
    ConvTransposed(Rc<Vec<TransposedFilters>>),
    Resize,
    Pool,
    Attention,
    Recurrent(Rc<PackedRecurrent>),
    /// The operator's plain form in `model::reference`.
    Reference,
}

/// Packed weights of a model, shared by its shape classes.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// By the address of the weight, which the cache keeps alive, and how it is packed.
    packed: BTreeMap<(*const Tensor, String), (Arc<Tensor>, Packed)>,
}

#[derive(Debug, Clone)]
enum Packed {
    Columns(Rc<PackedColumns>),
    Bytes(Rc<PackedBytes>),
    Filters(Rc<PackedFilters>),
    DepthwiseFilters(Rc<DepthwiseFilters>),
    TransposedFilters(Rc<Vec<TransposedFilters>>),
    Recurrent(Rc<PackedRecurrent>),
}

impl Weights {
    fn get(
        &mut self,
        tensor: &Arc<Tensor>,
        how: String,
        pack: impl FnOnce() -> Option<Packed>,
    ) -> Option<Packed> {
        let key = (Arc::as_ptr(tensor), how);
        if let Some((_, packed)) = self.packed.get(&key) {
            return Some(packed.clone());
        }
        let packed = pack()?;
        self.packed.insert(key, (Arc::clone(tensor), packed.clone()));
        Some(packed)
    }
}

/// One kernel per step.
pub(super) fn choose_kernels(plan: &Plan, weights: &mut Weights) -> Vec<Kernel> {
    plan.steps
        .iter()
        .map(|step| Chooser { plan, step }.choose(weights).unwrap_or(Kernel::Reference))
        .collect()
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

    fn floats(&self, position: usize) -> Option<&'a [f32]> {
        self.constant(position)?.data().as_f32()
    }

    /// True when the plan quantizes results as it runs.
    fn quantizes(&self) -> bool {
        self.plan.steps.iter().any(|step| matches!(step.op, Op::QuantizedMatMul { .. } | Op::DynamicQuantize))
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
            Op::Concat { .. } => Some(Kernel::Concat),
            Op::Gather { .. } => Some(Kernel::Gather),
            Op::Softmax { axis, is_log: false } if axis + 1 == out.dims.len() => Some(Kernel::Softmax),
            Op::LayerNorm { .. } => Some(Kernel::LayerNorm),
            Op::ChannelAffine => Some(Kernel::ChannelAffine),
            Op::Reduce { kind, axes } if can_reduce(*kind, axes) => Some(Kernel::Reduce),
            Op::MatMul { trans_b, .. } => self.matmul(*trans_b, weights),
            Op::QuantizedMatMul { .. } => self.quantized(weights),
            Op::Conv { .. } => self.conv(weights),
            Op::ConvTranspose { .. } => self.conv_transposed(weights),
            Op::Pool { .. } => Some(Kernel::Pool),
            Op::Resize { .. } if out.dims.len() > 2 && out.dims[..2] == self.dims(0)[..2] => {
                Some(Kernel::Resize)
            }
            // What is quantized next must round like the exact value: one step is worth thousands of float errors,
            // and those of attention scores are the largest.
            Op::Attention { .. } if self.quantizes() => None,
            Op::Attention { .. } => Some(Kernel::Attention),
            Op::Recurrent { .. } => self.recurrent(weights),
            _ => None,
        }
    }

    fn matmul(&self, trans_b: bool, weights: &mut Weights) -> Option<Kernel> {
        if self.dims(0).len() < 2 || self.dims(1).len() < 2 {
            return None;
        }
        let (Some(tensor), &[n_rows, n_columns]) = (self.constant(1), self.dims(1)) else {
            return Some(Kernel::MatMul(None));
        };
        let how = format!("columns {n_rows} {n_columns} {trans_b}");
        let packed = weights.get(tensor, how, || {
            let rows = Rows::dense(tensor.data().as_f32()?, n_columns);
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
        let pack = || {
            let bytes = match tensor.data() {
                DataRef::I8(bytes) => Bytes::Signed(bytes),
                DataRef::U8(bytes) => Bytes::Unsigned(bytes),
                _ => return None,
            };
            Some(Packed::Bytes(Rc::new(PackedBytes::new(bytes, depth, n_columns, &zero_points))))
        };
        match weights.get(tensor, format!("bytes {zero_points:?}"), pack) {
            Some(Packed::Bytes(packed)) => Some(Kernel::Quantized(packed)),
            _ => None,
        }
    }

    fn conv(&self, weights: &mut Weights) -> Option<Kernel> {
        let Op::Conv { window, groups, .. } = &self.step.op else { return None };
        let data = self.floats(1)?;
        let (tensor, dims) = (self.constant(1)?, self.dims(1));
        let (n_out, n_in) = (dims[0], dims[1]);
        if *groups > 1 && n_out == *groups && n_in == 1 {
            let pack = || Some(Packed::DepthwiseFilters(Rc::new(DepthwiseFilters::new(data, n_out))));
            return match weights.get(tensor, "depthwise filters".to_owned(), pack) {
                Some(Packed::DepthwiseFilters(packed)) => Some(Kernel::Depthwise(packed)),
                _ => None,
            };
        }
        let pack = || Some(Packed::Filters(Rc::new(PackedFilters::new(data, n_in, window.kernel, *groups))));
        match weights.get(tensor, format!("filters {groups} {n_in} {:?}", window.kernel), pack) {
            Some(Packed::Filters(packed)) => Some(Kernel::Conv(packed)),
            _ => None,
        }
    }

    fn conv_transposed(&self, weights: &mut Weights) -> Option<Kernel> {
        let Op::ConvTranspose { window, groups, .. } = &self.step.op else { return None };
        let data = self.floats(1)?;
        let n_in = self.dims(1)[0] / groups;
        let per_group = (data.len() / groups).max(1);
        let n_taps = window.kernel[0] * window.kernel[1];
        let pack = || {
            let groups = data.chunks_exact(per_group);
            let filters = groups.map(|group| TransposedFilters::new(group, n_in, n_taps)).collect();
            Some(Packed::TransposedFilters(Rc::new(filters)))
        };
        match weights.get(self.constant(1)?, format!("transposed filters {groups} {n_taps}"), pack) {
            Some(Packed::TransposedFilters(packed)) => Some(Kernel::ConvTransposed(packed)),
            _ => None,
        }
    }

    fn recurrent(&self, weights: &mut Weights) -> Option<Kernel> {
        let Op::Recurrent { cell, direction, hidden_size } = &self.step.op else { return None };
        let (w, r) = (self.floats(1)?, self.floats(2)?);
        let bias = match self.value(3) {
            Some(_) => Some(self.floats(3)?),
            None => None,
        };
        // The recurrence weights and bias belong to the input weights, so their addresses are part of the key.
        let how = format!("recurrent {cell:?} {direction:?} {:p} {:?}", r, bias.map(<[f32]>::as_ptr));
        let pack = || {
            let packed = PackedRecurrent::new(*cell, *direction, *hidden_size, (w, self.dims(1)), r, bias);
            Some(Packed::Recurrent(Rc::new(packed)))
        };
        match weights.get(self.constant(1)?, how, pack) {
            Some(Packed::Recurrent(packed)) => Some(Kernel::Recurrent(packed)),
            _ => None,
        }
    }
}
