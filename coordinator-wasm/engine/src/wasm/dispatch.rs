//! Calls a kernel with the operands of a step.

use model::op::{Binary, Epilogue};
use model::reference::{EvaluationError, ResizeSample};
use model::tensor::{broadcast, broadcast_strides, n_elements, strides};
use model::walk::rows;
use model::{Data, Op, View};

use super::executor::{Floats, Operands};
use super::kernel::attention::{self, Head, Mask};
use super::kernel::conv;
use super::kernel::depthwise::{self, depthwise};
use super::kernel::elementwise::{self, Side};
use super::kernel::gemm::{Addends, PackedColumns, Rows, RowsMut, gemm};
use super::kernel::integer_gemm::{
    self, Bytes, PackedBytes, PackedDifferences, integer_gemm, quantize_dynamic,
};
use super::kernel::padded::{Image, Size, Window};
use super::kernel::pool::pool;
use super::kernel::reduce::reduce;
use super::kernel::resample::resize_axis;
use super::kernel::scaled::scaled_gemm;
use super::kernel::simd::{F32x4, LANES};
use super::kernel::transposed::{Channels, TransposedFilters, add_transposed};
use super::kernel::{movement, norm, recurrent};
use super::layout::axis_with_channels_last;
use super::prepare::Kernel;

/// Memory that kernels share between calls.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    columns: PackedColumns,
    turned: Vec<f32>,
    attention: attention::Scratch,
    double_attention: attention::DoubleScratch,
    conv: conv::Scratch,
    depthwise: depthwise::Scratch,
    products: Vec<f32>,
    resized: Vec<f32>,
    quantized: Vec<u8>,
    differences: PackedDifferences,
    factors: Vec<f32>,
    recurrent: recurrent::Scratch,
}

/// Runs a kernel; `results` are the buffers of the step's results.
pub(super) fn run_kernel(
    kernel: &Kernel,
    operands: &Operands<'_>,
    results: &mut [Data],
    scratch: &mut Scratch,
) -> Result<(), EvaluationError> {
    let step = operands.step;
    let fact = |index: usize| &operands.plan.values[step.outputs[index]].fact;
    let dims = operands.arrangement.result.as_slice();
    // Axes are the model's.
    let axis_of = |axis: usize, rank: usize| {
        if operands.arrangement.is_channels_last { axis_with_channels_last(axis, rank) } else { axis }
    };
    let mut outs = results.iter_mut().enumerate().map(|(index, data)| match data {
        Data::F32(data) => &mut data[..n_elements(&fact(index).dims)],
        Data::I64(_) | Data::I32(_) | Data::U8(_) | Data::I8(_) | Data::Bool(_) => &mut [],
    });
    let wrong_shape = EvaluationError::Shape { operator: step.op.name() };
    let Some(out) = outs.next() else { return Err(wrong_shape) };
    // Kernels that work in place start with a copy of their first operand where it is not already.
    let start_with_first = |out: &mut [f32]| -> Result<(), EvaluationError> {
        if !operands.is_in_place(0) {
            out.copy_from_slice(operands.floats(0)?.data);
        }
        Ok(())
    };
    match (kernel, &step.op) {
        (Kernel::Unary, Op::Unary(functions)) => {
            start_with_first(out)?;
            elementwise::apply(functions, out);
        }
        (Kernel::Binary(function), _) => run_binary(*function, operands, dims, out)?,
        (Kernel::Strided(read), _) => movement::strided(read, dims, operands.floats(0)?.data, out),
        (Kernel::Pad(axes), _) => {
            let fill = operands.optional(1)?.and_then(|fill| fill.data.first().copied()).unwrap_or(0.0);
            movement::pad(axes, fill, operands.floats(0)?.data, out);
        }
        (Kernel::Concat, Op::Concat { axis }) => {
            let parts = (0..step.inputs.len()).map(|position| Ok(operands.floats(position)?.data));
            movement::concat(axis_of(*axis, dims.len()), dims, &parts.collect::<Result<Vec<_>, _>>()?, out);
        }
        (Kernel::Gather, Op::Gather { axis }) => {
            let x = operands.floats(0)?;
            let positions = positions(operands.view(1)?, x.dims[*axis])?;
            movement::gather(*axis, x.dims, &positions, x.data, out);
        }
        (Kernel::GatherScaled(weights), _) => {
            let (dims, indices) = (weights.dims(), operands.view(1)?);
            let n_inner = n_elements(&dims[1..]).max(1);
            let bytes = weights.as_scaled().ok_or(wrong_shape)?;
            for (row, out) in positions(indices, dims[0])?.into_iter().zip(out.chunks_exact_mut(n_inner)) {
                bytes.read(row * n_inner, out);
            }
        }
        (Kernel::Softmax, _) => {
            start_with_first(out)?;
            let n = dims.last().copied().unwrap_or(1).max(1);
            out.chunks_exact_mut(n).for_each(norm::softmax);
        }
        (Kernel::LayerNorm, Op::LayerNorm { epsilon, is_rms, .. }) => {
            let (x, scale) = (operands.floats(0)?.data, operands.floats(1)?.data);
            let bias = operands.optional(2)?.map(|bias| bias.data);
            let n = scale.len().max(1);
            for (x, y) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
                norm::layer_norm(x, scale, bias, *epsilon, *is_rms, y);
            }
        }
        (Kernel::ChannelAffine, _) => {
            start_with_first(out)?;
            let (scale, shift) = (operands.floats(1)?.data, operands.floats(2)?.data);
            let n_inner = n_elements(&dims[axis_of(1, dims.len()) + 1..]).max(1);
            elementwise::channel_affine(scale, shift, n_inner, out);
        }
        (Kernel::Reduce, Op::Reduce { kind, axes }) => {
            let x = operands.floats(0)?;
            let axes: Vec<usize> = axes.iter().map(|&axis| axis_of(axis, x.dims.len())).collect();
            reduce(*kind, x.dims, &axes, x.data, out);
        }
        (Kernel::MatMul(packed), _) => run_matmul(packed.as_deref(), operands, dims, scratch, out)?,
        (Kernel::ScaledMatMul(weights), Op::MatMul { epilogue, .. }) => {
            let x = operands.floats(0)?;
            let (depth, n_columns) = (x.dims[x.dims.len() - 1], dims[dims.len() - 1]);
            let [column_bias, residual] = operands.epilogue(epilogue, 2)?;
            let rows = Rows { data: x.data, stride: depth, n_rows: out.len() / n_columns.max(1) };
            let (addends, target) =
                (Addends { column_bias, residual }, RowsMut { data: &mut *out, stride: n_columns });
            scaled_gemm(rows, weights, addends, target, &mut scratch.columns);
            elementwise::apply(&epilogue.activations, out);
        }
        (Kernel::Quantized(weights), Op::QuantizedMatMul { epilogue }) => {
            let (x, scales) = (operands.floats(0)?.data, operands.floats(2)?.data);
            run_quantized(x, weights, scales, scratch, out);
            let [bias, residual] = operands.epilogue(epilogue, 4)?;
            add_rows(bias, residual, out);
            elementwise::apply(&epilogue.activations, out);
        }
        (Kernel::Conv(_) | Kernel::Depthwise(_), Op::Conv { window, epilogue, .. }) => {
            Images::new(operands, window, epilogue, dims)?.conv(kernel, scratch, out);
        }
        (Kernel::ConvTransposed(groups), Op::ConvTranspose { window, epilogue, .. }) => {
            Images::new(operands, window, epilogue, dims)?.conv_transposed(groups, scratch, out);
        }
        (Kernel::Pool, Op::Pool { kind, window }) => {
            let x = operands.floats(0)?;
            let (window, size, out_width) = (kernel_window(window), size_of(x.dims), size_of(dims)[1]);
            let images = x.data.chunks_exact(n_elements(&x.dims[1..]).max(1));
            for (data, out) in images.zip(out.chunks_exact_mut(n_elements(&dims[1..]).max(1))) {
                pool(*kind, &window, Image { data, size }, out_width, out);
            }
        }
        (Kernel::Resize(samples), _) => {
            run_resize(operands.floats(0)?, samples, dims, &mut scratch.resized, out);
        }
        (&Kernel::Attention { is_double }, Op::Attention { .. }) => {
            run_attention(operands, is_double, scratch, out)?;
        }
        (Kernel::Recurrent(weights), _) => {
            let x = operands.floats(0)?;
            let &[n_steps, n_batch, _] = x.dims else { return Err(wrong_shape) };
            let Some(h) = outs.next() else { return Err(wrong_shape) };
            let mut no_cell = [];
            let c = outs.next().unwrap_or(&mut no_cell);
            for (state, position) in [(&mut *h, 5), (&mut *c, 6)] {
                match operands.optional(position)? {
                    Some(initial) if !state.is_empty() => state.copy_from_slice(initial.data),
                    _ => state.fill(0.0),
                }
            }
            weights.run(x.data, [n_steps, n_batch], &mut scratch.recurrent, out, [h, c]);
        }
        _ => return Err(wrong_shape),
    }
    Ok(())
}

/// Indices counted from the front, checked.
fn positions(indices: View<'_>, length: usize) -> Result<Vec<usize>, EvaluationError> {
    let indices = indices.data.to_i64().ok_or(EvaluationError::Missing(1))?;
    let position = |index: i64| {
        let from_front = if index < 0 { index + length as i64 } else { index };
        let position = usize::try_from(from_front).ok().filter(|&position| position < length);
        position.ok_or(EvaluationError::Index { index, length })
    };
    indices.into_iter().map(position).collect()
}

/// An operand with the strides it is read with; `None` when it is the result's own memory.
type MaybeRead<'a> = Option<(&'a [f32], Vec<isize>)>;

fn run_binary(
    function: Binary,
    operands: &Operands<'_>,
    dims: &[usize],
    out: &mut [f32],
) -> Result<(), EvaluationError> {
    let read = |position: usize| -> Result<MaybeRead<'_>, EvaluationError> {
        if operands.is_in_place(position) {
            return Ok(None);
        }
        let operand = operands.floats(position)?;
        let strides = broadcast_strides(operand.dims, dims);
        Ok(Some((operand.data, strides.into_iter().map(|stride| stride as isize).collect())))
    };
    let (left, mut right) = (read(0)?, read(1)?);
    let copied;
    if left.is_none() && right.is_none() {
        // Both operands are the result's own memory: x + x, x · x.
        copied = out.to_vec();
        right = Some((&copied, strides(dims).into_iter().map(|stride| stride as isize).collect()));
    }
    elementwise::binary(function, dims, side(&left), side(&right), out);
    Ok(())
}

/// What an operand becomes when it may be the result's own memory.
fn side<'a>(operand: &'a MaybeRead<'a>) -> Side<'a> {
    match operand {
        Some((data, strides)) => Side::Read(data, strides),
        None => Side::InPlace,
    }
}

/// Adds a bias per column and a residual to complete rows.
fn add_rows(bias: Option<&[f32]>, residual: Option<&[f32]>, out: &mut [f32]) {
    if let Some(bias) = bias {
        for row in out.chunks_exact_mut(bias.len().max(1)) {
            row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
    }
    if let Some(residual) = residual {
        out.iter_mut().zip(residual).for_each(|(x, residual)| *x += residual);
    }
}

fn run_matmul(
    packed: Option<&PackedColumns>,
    operands: &Operands<'_>,
    dims: &[usize],
    scratch: &mut Scratch,
    out: &mut [f32],
) -> Result<(), EvaluationError> {
    let Op::MatMul { trans_a, trans_b, epilogue } = &operands.step.op else {
        return Err(EvaluationError::Shape { operator: "matmul" });
    };
    let a = operands.floats(0)?;
    let [column_bias, residual] = operands.epilogue(epilogue, 2)?;
    let (a_batch, a_matrix) = a.dims.split_at(a.dims.len() - 2);
    let n_columns = dims[dims.len() - 1];
    let Scratch { columns, turned, .. } = scratch;
    if let (Some(columns), false) = (packed, *trans_a) {
        let rows = Rows { data: a.data, stride: a_matrix[1], n_rows: out.len() / n_columns.max(1) };
        let target = RowsMut { data: &mut *out, stride: n_columns };
        gemm(rows, columns, Addends { column_bias, residual }, target);
        elementwise::apply(&epilogue.activations, out);
        return Ok(());
    }
    let b = operands.floats(1)?;
    let (b_batch, b_matrix) = b.dims.split_at(b.dims.len() - 2);
    let batch = broadcast(a_batch, b_batch).unwrap_or_default();
    let per_matrix = |batch_dims: &[usize], matrix: &[usize]| -> Vec<isize> {
        let n = n_elements(matrix);
        broadcast_strides(batch_dims, &batch).into_iter().map(|stride| (stride * n) as isize).collect()
    };
    let (a_strides, b_strides) = (per_matrix(a_batch, a_matrix), per_matrix(b_batch, b_matrix));
    let n_result = dims[dims.len() - 2] * n_columns;
    let mut packed_from = None;
    rows(&batch, [0, 0], [&a_strides, &b_strides], |row| {
        for index in 0..row.length {
            let offset = |side: usize| row.offsets[side] + index * row.steps[side] as usize;
            let matrix = &a.data[offset(0)..offset(0) + n_elements(a_matrix)];
            let a_rows = if *trans_a {
                turn(matrix, a_matrix[1], turned);
                Rows::dense(turned, a_matrix[0])
            } else {
                Rows { data: matrix, stride: a_matrix[1], n_rows: a_matrix[0] }
            };
            if packed_from != Some(offset(1)) {
                let b_rows = Rows { data: &b.data[offset(1)..], stride: b_matrix[1], n_rows: b_matrix[0] };
                if *trans_b {
                    columns.repack_columns(b_rows, b_matrix[1], 1.0);
                } else {
                    columns.repack_rows(b_rows, b_matrix[1]);
                }
                packed_from = Some(offset(1));
            }
            let first = (row.start + index) * n_result;
            let residual = residual.map(|residual| &residual[first..first + n_result]);
            let target = RowsMut { data: &mut out[first..first + n_result], stride: n_columns };
            gemm(a_rows, columns, Addends { column_bias, residual }, target);
        }
    });
    elementwise::apply(&epilogue.activations, out);
    Ok(())
}

/// The transpose of a matrix with rows of `n_columns`.
fn turn(matrix: &[f32], n_columns: usize, turned: &mut Vec<f32>) {
    turned.clear();
    turned.extend((0..n_columns).flat_map(|column| matrix[column..].iter().step_by(n_columns)));
}

/// `x · weights` with x quantized to 8 bits, rescaled.
fn run_quantized(x: &[f32], weights: &PackedBytes, scales: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
    let Scratch { quantized, differences, factors, .. } = scratch;
    let (scale, zero_point) = quantize_dynamic(x, quantized);
    differences.fill(Bytes::Unsigned(quantized), weights.depth(), &[i32::from(zero_point)]);
    let n_columns = weights.n_columns();
    factors.clear();
    factors.extend(scales.iter().cycle().take(n_columns).map(|column_scale| scale * column_scale));
    // Whole tiles read a factor for each of their columns.
    factors.resize(n_columns.next_multiple_of(integer_gemm::TILE_COLUMNS), 0.0);
    integer_gemm(differences, weights, |row, column, width, sums| {
        let (factors, _) = factors[column..].as_chunks::<LANES>();
        let cells = out[row * n_columns + column..][..width].chunks_mut(LANES);
        for ((cells, factors), sums) in cells.zip(factors).zip(sums) {
            let rescaled = sums.to_floats().mul(F32x4::load(factors));
            match cells.as_mut_array::<LANES>() {
                Some(cells) => rescaled.store(cells),
                None => rescaled.store_partial(cells),
            }
        }
    });
}

fn run_attention(
    operands: &Operands<'_>,
    is_double: bool,
    scratch: &mut Scratch,
    out: &mut [f32],
) -> Result<(), EvaluationError> {
    let &Op::Attention { scale, zeroes_undefined, heads_inside } = &operands.step.op else {
        return Err(EvaluationError::Shape { operator: "attention" });
    };
    let [q, k, v] = [operands.floats(0)?, operands.floats(1)?, operands.floats(2)?];
    let mask = operands.optional(3)?;
    let heads_and_length =
        |dims: &[usize]| if heads_inside { (dims[2], dims[1]) } else { (dims[1], dims[2]) };
    let ((n_heads, n_queries), (_, n_keys)) = (heads_and_length(q.dims), heads_and_length(k.dims));
    // First element and row stride of one head.
    let place = |dims: &[usize], width: usize, batch: usize, head: usize| {
        let (_, length) = heads_and_length(dims);
        if heads_inside {
            ((batch * length * n_heads + head) * width, n_heads * width)
        } else {
            ((batch * n_heads + head) * length * width, width)
        }
    };
    let head_rows = |operand: Floats<'_>, batch: usize, head: usize| {
        let (first, stride) = place(operand.dims, operand.dims[3], batch, head);
        let (_, n_rows) = heads_and_length(operand.dims);
        (first, stride, n_rows)
    };
    let score_dims = [q.dims[0], n_heads, n_queries, n_keys];
    let mask = mask.map(|mask| (mask.data, broadcast_strides(mask.dims, &score_dims)));
    for batch in 0..q.dims[0] {
        for head in 0..n_heads {
            let [queries, keys, values] = [q, k, v].map(|operand| {
                let (first, stride, n_rows) = head_rows(operand, batch, head);
                Rows { data: &operand.data[first..], stride, n_rows }
            });
            let mask = mask.as_ref().map(|(data, strides)| Mask {
                data: &data[batch * strides[0] + head * strides[1]..],
                query_stride: strides[2],
                key_stride: strides[3],
            });
            let (width, v_width) = (q.dims[3], v.dims[3]);
            let (first, stride) = place(q.dims, v_width, batch, head);
            let target = RowsMut { data: &mut out[first..], stride };
            let head = Head { queries, keys, values, width, v_width, scale, zeroes_undefined, mask };
            if is_double {
                attention::attention_in_double(head, target, &mut scratch.double_attention);
            } else {
                attention::attention(head, target, &mut scratch.attention);
            }
        }
    }
    Ok(())
}

fn kernel_window(window: &model::op::Window) -> Window {
    let model::op::Window { kernel, strides, dilations, pads_begin, pads_end } = *window;
    Window { kernel, strides, dilations, pads_begin, pads_end }
}

/// Height and width of images with their channels last; one-dimensional ones have height 1.
fn size_of(dims: &[usize]) -> Size {
    match *dims {
        [_, width, _] => [1, width],
        [_, height, width, _] => [height, width],
        _ => [0, 0],
    }
}

/// The operands of a convolution.
struct Images<'a> {
    x: Floats<'a>,
    window: Window,
    epilogue: &'a Epilogue,
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
    dims: &'a [usize],
}

impl<'a> Images<'a> {
    fn new(
        operands: &Operands<'a>,
        window: &model::op::Window,
        epilogue: &'a Epilogue,
        dims: &'a [usize],
    ) -> Result<Self, EvaluationError> {
        let x = operands.floats(0)?;
        let [bias, residual] = operands.epilogue(epilogue, 2)?;
        Ok(Self { x, window: kernel_window(window), epilogue, bias, residual, dims })
    }

    /// Inputs and outputs of the batch.
    fn each<'b>(&self, out: &'b mut [f32]) -> impl Iterator<Item = (Image<'a>, &'b mut [f32])> + use<'a, 'b> {
        let size = size_of(self.x.dims);
        let images = self.x.data.chunks_exact(n_elements(&self.x.dims[1..]).max(1));
        let outs = out.chunks_exact_mut(n_elements(&self.dims[1..]).max(1));
        images.map(move |data| Image { data, size }).zip(outs)
    }

    fn conv(&self, kernel: &Kernel, scratch: &mut Scratch, out: &mut [f32]) {
        for (n, (image, out)) in self.each(out).enumerate() {
            let residual = self.residual.map(|residual| &residual[n * out.len()..(n + 1) * out.len()]);
            let addends = Addends { column_bias: self.bias, residual };
            match kernel {
                Kernel::Conv(filters) => {
                    conv::conv(image, filters, &self.window, addends, out, &mut scratch.conv)
                }
                Kernel::Depthwise(filters) => {
                    depthwise(image, filters, &self.window, addends, out, &mut scratch.depthwise);
                }
                _ => {}
            }
            elementwise::apply(&self.epilogue.activations, out);
        }
    }

    fn conv_transposed(&self, groups: &[TransposedFilters], scratch: &mut Scratch, out: &mut [f32]) {
        let n_out = self.dims.last().copied().unwrap_or(1).max(1);
        match self.bias {
            Some(bias) => out.chunks_exact_mut(n_out).for_each(|pixel| pixel.copy_from_slice(bias)),
            None => out.fill(0.0),
        }
        let channels = |group: usize, n_all: usize| Channels { first: group * n_all / groups.len(), n_all };
        let size = size_of(self.dims);
        for (image, out) in self.each(out) {
            for (group, filters) in groups.iter().enumerate() {
                let places = [channels(group, image.n_channels()), channels(group, n_out)];
                add_transposed(image, filters, &self.window, places, out, size, &mut scratch.products);
            }
        }
        add_rows(None, self.residual, out);
        elementwise::apply(&self.epilogue.activations, out);
    }
}

/// One axis after another, with what is between them in `resized`.
fn run_resize(
    x: Floats<'_>,
    samples: &[Vec<ResizeSample>],
    dims: &[usize],
    resized: &mut Vec<f32>,
    out: &mut [f32],
) {
    let changed: Vec<usize> = (1..dims.len() - 1).filter(|&axis| x.dims[axis] != dims[axis]).collect();
    match changed[..] {
        [] => out.copy_from_slice(x.data),
        [axis] => resize_axis(x.data, x.dims, axis, &samples[axis - 1], out),
        [row, column, ..] => {
            let between = [&dims[..=row], &x.dims[row + 1..]].concat();
            resized.resize(n_elements(&between), 0.0);
            resize_axis(x.data, x.dims, row, &samples[row - 1], resized);
            resize_axis(resized, &between, column, &samples[column - 1], out);
        }
    }
}
