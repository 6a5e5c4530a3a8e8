//! Operators that move elements to places known ahead: gathers and scatters with constant indices.

use crate::graph::ValueId;
use crate::lower::movement::{pad_constant, slice, transpose};
use crate::lower::shape::{checked_size, filled, generated};
use crate::lower::{Call, Reason, axis, depends, invalid, length, unsupported};
use crate::op::{Fact, Op, ScatterMode};
use crate::tensor::{DType, Data, n_elements, strides};

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let output = match call.node.op_type.as_str() {
        "Compress" => compress(call)?,
        "ReverseSequence" => reverse_sequence(call)?,
        "CenterCropPad" => center_crop_pad(call)?,
        "Col2Im" => columns_to_image(call)?,
        "MaxUnpool" => max_unpool(call)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

/// Numbers that an attribute lists; `n` defaults where it is absent.
fn listed(call: &Call<'_>, name: &str, default: i64, n: usize) -> Result<Vec<usize>, Reason> {
    let given = call.node.attributes.ints(name).map_or_else(|| vec![default; n], <[i64]>::to_vec);
    if given.len() != n {
        return invalid(format!("`{name}` has {} numbers, expected {n}", given.len()));
    }
    given.into_iter().map(length).collect()
}

/// Slices at constant positions along an axis.
fn take(call: &mut Call<'_>, x: ValueId, axis: usize, positions: Vec<i64>) -> Result<ValueId, Reason> {
    let mut fact = call.graph.fact(x).clone();
    fact.dims[axis] = positions.len();
    let positions = generated(call, vec![positions.len()], Data::I64(positions))?;
    call.emit(Op::Gather { axis }, &[Some(x), Some(positions)], fact)
}

fn compress(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (mut x, condition) = (call.input(0)?, call.input(1)?);
    let Some(flags) = call.graph.constant(condition).and_then(|tensor| tensor.data().to_i64()) else {
        return Err(depends(condition, "what it keeps"));
    };
    let dims = call.dims(x);
    let axis = if call.node.attributes.has("axis") {
        axis(call.node.attributes.int("axis", 0), dims.len())?
    } else {
        x = call.reshape(x, vec![n_elements(&dims)])?;
        0
    };
    let n = call.dims(x)[axis];
    let positions = (0..n as i64).zip(flags).filter(|&(_, flag)| flag != 0).map(|(position, _)| position);
    take(call, x, axis, positions.collect())
}

fn reverse_sequence(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let lengths =
        call.ints(1, "its lengths")?.ok_or(Reason::Invalid("its lengths are missing".to_owned()))?;
    let dims = call.dims(x);
    let attributes = &call.node.attributes;
    let time_axis = match (attributes.int("time_axis", 0), attributes.int("batch_axis", 1)) {
        (0, 1) => 0,
        (1, 0) => 1,
        _ => return invalid("its axes are not the first two"),
    };
    let &[first, second, ref rest @ ..] = &dims[..] else { return invalid("it needs two dimensions") };
    if lengths.len() != dims[1 - time_axis]
        || lengths.iter().any(|&one| one < 0 || one > dims[time_axis] as i64)
    {
        return invalid("its lengths do not fit its input");
    }
    let position = |index: usize| {
        let at = [(index / second) as i64, (index % second) as i64];
        let (time, batch) = (at[time_axis], at[1 - time_axis] as usize);
        let time = if time < lengths[batch] { lengths[batch] - 1 - time } else { time };
        if time_axis == 0 { time * second as i64 + batch as i64 } else { (batch * second) as i64 + time }
    };
    let positions = (0..first * second).map(position).collect();
    let rows = call.reshape(x, [&[first * second], rest].concat())?;
    let rows = take(call, rows, 0, positions)?;
    call.reshape(rows, dims)
}

fn center_crop_pad(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let shape = call.ints(1, "its shape")?.ok_or(Reason::Invalid("its shape is missing".to_owned()))?;
    let mut dims = call.dims(x);
    let rank = dims.len();
    let over = match call.node.attributes.ints("axes") {
        Some(given) => given.iter().map(|&one| axis(one, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if shape.len() != over.len() {
        return invalid(format!("{} lengths for {} axes", shape.len(), over.len()));
    }
    let (mut starts, mut before, mut after) = (vec![0; rank], vec![0; rank], vec![0; rank]);
    for (&axis, wanted) in over.iter().zip(shape) {
        let wanted = length(wanted)?;
        let (missing, surplus) = (wanted.saturating_sub(dims[axis]), dims[axis].saturating_sub(wanted));
        starts[axis] = surplus / 2;
        dims[axis] -= surplus;
        before[axis] = missing / 2;
        after[axis] = missing - missing / 2;
    }
    let cropped = slice(call, x, starts, vec![1; rank], dims)?;
    pad_constant(call, cropped, before, after)
}

/// Adds up columns of overlapping blocks where they belong in the padded image, then crops the padding.
fn columns_to_image(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let lengths = |index: usize, what: &str| -> Result<Vec<usize>, Reason> {
        call.ints(index, what)?.unwrap_or_default().into_iter().map(length).collect()
    };
    let (image, block) = (lengths(1, "its image's shape")?, lengths(2, "its blocks' shape")?);
    let n = image.len();
    let (dilations, strides_of) = (listed(call, "dilations", 1, n)?, listed(call, "strides", 1, n)?);
    let pads = listed(call, "pads", 0, 2 * n)?;
    let &[n_batch, n_rows, n_blocks] = &call.dims(x)[..] else {
        return invalid("its input does not have 3 dimensions");
    };
    let padded: Vec<usize> = (0..n).map(|axis| image[axis] + pads[axis] + pads[n + axis]).collect();
    let mut counts = Vec::with_capacity(n);
    for axis in 0..n {
        let reach = dilations[axis] * block.get(axis).copied().unwrap_or(0).saturating_sub(1) + 1;
        match padded[axis].checked_sub(reach) {
            Some(room) if strides_of[axis] > 0 => counts.push(room / strides_of[axis] + 1),
            _ => return invalid("its blocks do not fit the image"),
        }
    }
    let n_taps = n_elements(&block);
    if block.len() != n || n_taps == 0 || n_rows % n_taps != 0 || n_elements(&counts) != n_blocks {
        return invalid(format!("{n_rows} rows of {n_blocks} columns are no blocks of {image:?}"));
    }
    let n_channels = n_rows / n_taps;
    checked_size(&[n_taps, n_blocks])?;
    let (tap_strides, block_strides, image_strides) = (strides(&block), strides(&counts), strides(&padded));
    let position = |index: usize| {
        let (tap, at) = (index / n_blocks, index % n_blocks);
        let along = |axis: usize| {
            let tap = tap / tap_strides[axis] % block[axis] * dilations[axis];
            (at / block_strides[axis] % counts[axis] * strides_of[axis] + tap) * image_strides[axis]
        };
        (0..n).map(along).sum::<usize>() as i64
    };
    let n_planes = n_batch * n_channels;
    let positions = Data::I64((0..n_taps * n_blocks).map(position).collect());
    let positions = generated(call, vec![n_taps * n_blocks, 1], positions)?;
    let n_pixels = checked_size(&padded)?;
    let zeros = filled(call, vec![n_pixels, n_planes], 0.0)?;
    let columns = call.reshape(x, vec![n_planes, n_taps * n_blocks])?;
    let columns = transpose(call, columns, vec![1, 0])?;
    let fact = Fact::new(DType::F32, vec![n_pixels, n_planes]);
    let inputs = [Some(zeros), Some(positions), Some(columns)];
    let summed = call.emit(Op::ScatterNd(ScatterMode::Add), &inputs, fact)?;
    let planes = transpose(call, summed, vec![1, 0])?;
    let planes = call.reshape(planes, [&[n_batch, n_channels], &padded[..]].concat())?;
    let starts = [&[0, 0], &pads[..n]].concat();
    slice(call, planes, starts, vec![1; n + 2], [&[n_batch, n_channels], &image[..]].concat())
}

/// Puts elements back where max pooling took them from.
fn max_unpool(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, positions) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(x, &[DType::F32])?;
    let mut dims = call.dims(x);
    let n = dims.len().saturating_sub(2);
    let (kernel, strides) = (listed(call, "kernel_shape", 1, n)?, listed(call, "strides", 1, n)?);
    let pads = listed(call, "pads", 0, 2 * n)?;
    let n_elements_in = n_elements(&dims);
    for axis in 0..n {
        let spread = dims[axis + 2].saturating_sub(1) * strides[axis] + kernel[axis];
        match spread.checked_sub(pads[axis] + pads[n + axis]) {
            Some(length) => dims[axis + 2] = length,
            None => return invalid("its pads are longer than the result"),
        }
    }
    let n_elements_out = checked_size(&dims)?;
    let zeros = filled(call, vec![n_elements_out], 0.0)?;
    let flat = call.reshape(x, vec![n_elements_in])?;
    let positions = call.reshape(positions, vec![n_elements_in])?;
    let op = Op::ScatterElements { axis: 0, mode: ScatterMode::Replace };
    let fact = Fact::new(DType::F32, vec![n_elements_out]);
    let placed = call.emit(op, &[Some(zeros), Some(positions), Some(flat)], fact)?;
    let placed = call.reshape(placed, dims.clone())?;
    let Some(wanted) = call.ints(2, "its shape")? else { return Ok(placed) };
    let wanted: Vec<usize> = wanted.into_iter().map(length).collect::<Result<_, _>>()?;
    if wanted.len() != dims.len() || wanted.iter().zip(&dims).any(|(wanted, dim)| wanted < dim) {
        return unsupported("a shape smaller than its windows cover");
    }
    let after = wanted.iter().zip(&dims).map(|(wanted, dim)| wanted - dim).collect();
    pad_constant(call, placed, vec![0; dims.len()], after)
}
