//! The packed weights of a model: kernels read them, and what they were packed from is released.

use std::rc::Rc;
use std::sync::Arc;

use model::op::{Cell, Direction};
use model::tensor::n_elements;
use model::{DType, Data, Tensor};

use crate::wasm::kernel::conv::PackedFilters;
use crate::wasm::kernel::depthwise::DepthwiseFilters;
use crate::wasm::kernel::gemm::PackedColumns;
use crate::wasm::kernel::integer_gemm::PackedBytes;
use crate::wasm::kernel::padded::Size;
use crate::wasm::kernel::recurrent::PackedRecurrent;
use crate::wasm::kernel::scaled::ScaledColumns;
use crate::wasm::kernel::transposed::TransposedFilters;

/// Packed weights of a model, shared by its shape classes.
#[derive(Debug, Default)]
pub(crate) struct Weights {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// What was packed; each may be released by now.
    tensors: Vec<Arc<Tensor>>,
    form: Form,
    packed: Packed,
}

/// How weights are packed.
#[derive(Debug, PartialEq)]
pub(super) enum Form {
    /// The right side of a product, its rows or its columns.
    Columns { is_transposed: bool },
    /// The same in 8 bits.
    ScaledColumns { is_transposed: bool },
    /// Likewise, for products with quantized operands.
    Bytes { zero_points: Vec<i32> },
    /// Of a convolution.
    Filters { n_groups: usize, kernel: Size },
    /// Of a convolution with one channel per group.
    DepthwiseFilters,
    /// Of a transposed convolution.
    TransposedFilters { n_groups: usize, n_taps: usize },
    /// Input weights, recurrence weights and, where a layer has one, the bias.
    Recurrent { cell: Cell, direction: Direction },
}

#[derive(Debug, Clone)]
pub(super) enum Packed {
    Columns(Rc<PackedColumns>),
    ScaledColumns(Rc<ScaledColumns>),
    Bytes(Rc<PackedBytes>),
    Filters(Rc<PackedFilters>),
    DepthwiseFilters(Rc<DepthwiseFilters>),
    TransposedFilters(Rc<Vec<TransposedFilters>>),
    Recurrent(Rc<PackedRecurrent>),
}

impl Weights {
    /// The packed form of some weights, packed now when it is not there. `None` when they have no such form.
    pub(super) fn get(
        &mut self,
        tensors: &[&Arc<Tensor>],
        form: Form,
        pack: impl FnOnce(&[Arc<Tensor>]) -> Option<Packed>,
    ) -> Option<Packed> {
        if let Some(packed) = self.find(tensors, &form) {
            return Some(packed.clone());
        }
        let whole = |tensor: &&Arc<Tensor>| {
            if tensor.is_released() { self.restore(tensor) } else { Some(Arc::clone(tensor)) }
        };
        let packed = pack(&tensors.iter().map(whole).collect::<Option<Vec<_>>>()?)?;
        let tensors = tensors.iter().copied().map(Arc::clone).collect();
        self.entries.push(Entry { tensors, form, packed: packed.clone() });
        Some(packed)
    }

    pub(super) fn has(&self, tensor: &Arc<Tensor>, form: &Form) -> bool {
        self.find(&[tensor], form).is_some()
    }

    fn find(&self, tensors: &[&Arc<Tensor>], form: &Form) -> Option<&Packed> {
        let is_same = |entry: &&Entry| {
            let mut pairs = entry.tensors.iter().zip(tensors);
            entry.tensors.len() == tensors.len()
                && pairs.all(|(own, given)| Arc::ptr_eq(own, given))
                && entry.form == *form
        };
        self.entries.iter().find(is_same).map(|entry| &entry.packed)
    }

    /// The elements of a released weight, from a packed form.
    pub(in crate::wasm) fn restore(&self, tensor: &Arc<Tensor>) -> Option<Arc<Tensor>> {
        self.entries.iter().find_map(|entry| {
            let position = entry.tensors.iter().position(|own| Arc::ptr_eq(own, tensor))?;
            entry.restore(position).map(Arc::new)
        })
    }

    /// Keeps the packed forms of one weight as those of another.
    pub(super) fn rename(&mut self, from: &Arc<Tensor>, to: &Arc<Tensor>) {
        let tensors = self.entries.iter_mut().flat_map(|entry| &mut entry.tensors);
        tensors.filter(|own| Arc::ptr_eq(own, from)).for_each(|own| *own = Arc::clone(to));
    }
}

impl Entry {
    /// The weight at a position of [`Self::tensors`] as it was packed.
    fn restore(&self, position: usize) -> Option<Tensor> {
        let tensor = &self.tensors[position];
        let dims = tensor.dims();
        let n_columns = dims.last().copied().unwrap_or(1);
        let floats = |element: &dyn Fn(usize) -> f32| Data::F32((0..n_elements(dims)).map(element).collect());
        let place = |index: usize, is_transposed: bool| {
            let (row, column) = (index / n_columns, index % n_columns);
            if is_transposed { (column, row) } else { (row, column) }
        };
        let data = match (&self.packed, &self.form) {
            (Packed::Columns(packed), &Form::Columns { is_transposed }) => floats(&|index| {
                let (row, column) = place(index, is_transposed);
                packed.element(row, column)
            }),
            (Packed::ScaledColumns(packed), &Form::ScaledColumns { is_transposed }) => floats(&|index| {
                let (row, column) = place(index, is_transposed);
                packed.element(row, column)
            }),
            (Packed::Bytes(packed), _) => {
                let bytes = (0..n_elements(dims)).map(|index| {
                    let (row, column) = place(index, false);
                    packed.element(row, column)
                });
                match tensor.dtype() {
                    DType::I8 => Data::I8(bytes.collect()),
                    DType::U8 => Data::U8(bytes.map(|byte| byte.cast_unsigned() ^ 0x80).collect()),
                    _ => return None,
                }
            }
            (Packed::Filters(packed), _) => floats(&|index| packed.weight(index)),
            (Packed::DepthwiseFilters(packed), _) => floats(&|index| packed.weight(index)),
            (Packed::TransposedFilters(groups), _) => {
                let n_in_group = n_elements(dims) / groups.len();
                floats(&|index| groups[index / n_in_group].weight(index % n_in_group))
            }
            (Packed::Recurrent(packed), _) if position == 0 => floats(&|index| packed.input_weight(index)),
            (Packed::Recurrent(packed), _) if position == 1 => {
                floats(&|index| packed.recurrence_weight(index))
            }
            _ => return None,
        };
        Tensor::new(dims.to_vec(), data)
    }
}
