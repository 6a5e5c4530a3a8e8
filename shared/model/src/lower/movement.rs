//! Operators that move elements.

use crate::graph::ValueId;
use crate::lower::{Call, Reason, axes, axis, depends, invalid, length, unsupported};
use crate::op::{Fact, Op, PadMode, ScatterMode};
use crate::tensor::{DType, DataRef, broadcast};

const INDICES: [DType; 2] = [DType::I64, DType::I32];

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let output = match call.node.op_type.as_str() {
        "Transpose" => transpose_node(call)?,
        "Concat" => concat_node(call)?,
        "Slice" => slice_node(call)?,
        "Split" => return split(call).map(Some),
        "Gather" => gather(call)?,
        "GatherElements" => gather_elements(call)?,
        "GatherND" => gather_nd(call)?,
        "ScatterND" => scatter_nd(call)?,
        "ScatterElements" | "Scatter" => scatter_elements(call)?,
        "Expand" => expand(call)?,
        "Tile" => tile(call)?,
        "Pad" => pad(call)?,
        "Trilu" => trilu(call)?,
        "OneHot" => one_hot(call)?,
        "DepthToSpace" => depth_to_space(call)?,
        "SpaceToDepth" => space_to_depth(call)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

pub(super) fn transpose(call: &mut Call<'_>, x: ValueId, perm: Vec<usize>) -> Result<ValueId, Reason> {
    let fact = call.graph.fact(x);
    let fact = Fact::new(fact.dtype, perm.iter().map(|&axis| fact.dims[axis]).collect());
    call.emit(Op::Transpose(perm), &[Some(x)], fact)
}

fn transpose_node(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let rank = call.dims(x).len();
    let perm = match call.node.attributes.ints("perm") {
        Some(perm) => perm.iter().map(|&one| axis(one, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return invalid(format!("{perm:?} is not a permutation of {rank} dimensions"));
    }
    transpose(call, x, perm)
}

fn concat_node(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let rank = call.dims(call.input(0)?).len();
    let axis = axis(call.node.attributes.int("axis", 1), rank)?;
    let parts = (0..call.n_inputs()).map(|index| call.input(index)).collect::<Result<Vec<_>, _>>()?;
    concat(call, &parts, axis)
}

/// Values one after another along an axis.
pub(super) fn concat(call: &mut Call<'_>, parts: &[ValueId], axis: usize) -> Result<ValueId, Reason> {
    let mut fact = call.graph.fact(parts[0]).clone();
    let mut inputs = Vec::with_capacity(parts.len());
    let mut joined = 0;
    for (index, &input) in parts.iter().enumerate() {
        let other = call.graph.fact(input);
        let fits = other.dtype == fact.dtype
            && other.dims.len() == fact.dims.len()
            && (0..fact.dims.len()).all(|one| one == axis || other.dims[one] == fact.dims[one]);
        if !fits {
            return invalid(format!("input {index} of shape {:?} does not fit {:?}", other.dims, fact.dims));
        }
        joined += other.dims[axis];
        inputs.push(Some(input));
    }
    fact.dims[axis] = joined;
    call.emit(Op::Concat { axis }, &inputs, fact)
}

/// A slice with a step along each dimension, already in range.
pub(super) fn slice(
    call: &mut Call<'_>,
    x: ValueId,
    starts: Vec<usize>,
    steps: Vec<isize>,
    dims: Vec<usize>,
) -> Result<ValueId, Reason> {
    let fact = Fact::new(call.dtype(x), dims);
    if fact.dims == call.dims(x) && steps.iter().all(|&step| step == 1) {
        return Ok(x);
    }
    call.emit(Op::Slice { starts, steps }, &[Some(x)], fact)
}

fn slice_node(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let mut dims = call.dims(x);
    let missing = |what: &str| Reason::Invalid(format!("its {what} are missing"));
    let given_starts = call.ints_of("starts", 1)?.ok_or_else(|| missing("starts"))?;
    let given_ends = call.ints_of("ends", 2)?.ok_or_else(|| missing("ends"))?;
    let given_axes = match call.ints_of("axes", 3)? {
        Some(given) => given,
        None => (0..given_starts.len() as i64).collect(),
    };
    let given_steps = call.ints(4, "its steps")?.unwrap_or_else(|| vec![1; given_starts.len()]);
    let n = given_starts.len();
    if given_ends.len() != n || given_axes.len() != n || given_steps.len() != n {
        return invalid("its starts, ends, axes and steps differ in length");
    }
    let (mut starts, mut steps) = (vec![0; dims.len()], vec![1; dims.len()]);
    for index in 0..n {
        let axis = axis(given_axes[index], dims.len())?;
        let (step, dim) = (given_steps[index], dims[axis] as i64);
        if step == 0 {
            return invalid("a step is 0");
        }
        let from_front = |bound: i64| if bound < 0 { bound.saturating_add(dim) } else { bound };
        let (first, last) = if step > 0 { (0, dim) } else { (-1, dim - 1) };
        let start = from_front(given_starts[index]).clamp(first.max(0), last);
        let end = from_front(given_ends[index]).clamp(first, last);
        let distance = if step > 0 { end - start } else { start - end };
        let n_taken = distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as usize;
        starts[axis] = if n_taken == 0 { 0 } else { start.unsigned_abs() as usize };
        steps[axis] = isize::try_from(step.clamp(-dim.max(1), dim.max(1))).unwrap_or(1);
        dims[axis] = n_taken;
    }
    slice(call, x, starts, steps, dims)
}

fn split(call: &mut Call<'_>) -> Result<Vec<ValueId>, Reason> {
    let x = call.input(0)?;
    let dims = call.dims(x);
    let axis = axis(call.node.attributes.int("axis", 0), dims.len())?;
    let n_parts = call.node.outputs.len().max(1);
    let lengths = match call.ints_of("split", 1)? {
        Some(lengths) => lengths.into_iter().map(length).collect::<Result<Vec<_>, _>>()?,
        None => {
            let each = dims[axis].div_ceil(n_parts);
            (0..n_parts).map(|part| each.min(dims[axis].saturating_sub(part * each))).collect()
        }
    };
    if lengths.iter().sum::<usize>() != dims[axis] || lengths.len() != n_parts {
        return invalid(format!("{lengths:?} does not split a dimension of {}", dims[axis]));
    }
    let mut first = 0;
    let mut outputs = Vec::with_capacity(n_parts);
    for length in lengths {
        let (mut starts, mut part) = (vec![0; dims.len()], dims.clone());
        starts[axis] = first;
        part[axis] = length;
        outputs.push(slice(call, x, starts, vec![1; dims.len()], part)?);
        first += length;
    }
    Ok(outputs)
}

fn gather(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(indices, &INDICES)?;
    let mut dims = call.dims(x);
    let axis = axis(call.node.attributes.int("axis", 0), dims.len())?;
    let taken = call.dims(indices);
    dims.splice(axis..=axis, taken);
    let fact = Fact::new(call.dtype(x), dims);
    call.emit(Op::Gather { axis }, &[Some(x), Some(indices)], fact)
}

fn gather_elements(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(indices, &INDICES)?;
    let (dims, index_dims) = (call.dims(x), call.dims(indices));
    let axis = axis(call.node.attributes.int("axis", 0), dims.len())?;
    check_positions(&dims, &index_dims, axis)?;
    let fact = Fact::new(call.dtype(x), index_dims);
    call.emit(Op::GatherElements { axis }, &[Some(x), Some(indices)], fact)
}

fn check_positions(dims: &[usize], index_dims: &[usize], axis: usize) -> Result<(), Reason> {
    let fits = dims.len() == index_dims.len()
        && (0..dims.len()).all(|one| one == axis || index_dims[one] <= dims[one]);
    if fits { Ok(()) } else { invalid(format!("indices of shape {index_dims:?} do not fit {dims:?}")) }
}

fn gather_nd(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, indices) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(indices, &INDICES)?;
    let (dims, index_dims) = (call.dims(x), call.dims(indices));
    let batch_dims = length(call.node.attributes.int("batch_dims", 0))?;
    let Some((&depth, outer)) = index_dims.split_last() else { return invalid("its indices are a scalar") };
    let fits = batch_dims <= outer.len()
        && batch_dims + depth <= dims.len()
        && outer[..batch_dims] == dims[..batch_dims];
    if !fits {
        return invalid(format!("indices of shape {index_dims:?} do not fit {dims:?}"));
    }
    let out = [outer, &dims[batch_dims + depth..]].concat();
    let fact = Fact::new(call.dtype(x), out);
    call.emit(Op::GatherNd { batch_dims }, &[Some(x), Some(indices)], fact)
}

fn scatter_mode(call: &Call<'_>) -> Result<ScatterMode, Reason> {
    Ok(match call.node.attributes.text("reduction", "none") {
        "none" => ScatterMode::Replace,
        "add" => ScatterMode::Add,
        "mul" => ScatterMode::Mul,
        "max" => ScatterMode::Max,
        "min" => ScatterMode::Min,
        other => return unsupported(format!("reduction `{other}`")),
    })
}

fn scatter_nd(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    call.needs_dtype(indices, &INDICES)?;
    let fact = call.graph.fact(x).clone();
    let index_dims = call.dims(indices);
    let Some((&depth, outer)) = index_dims.split_last() else { return invalid("its indices are a scalar") };
    if depth > fact.dims.len() {
        return invalid("its index tuples are longer than the shape");
    }
    let expected = [outer, &fact.dims[depth..]].concat();
    if call.dims(updates) != expected || call.dtype(updates) != fact.dtype {
        return invalid(format!("its updates are not {} {expected:?}", fact.dtype.as_str()));
    }
    let mode = scatter_mode(call)?;
    call.emit(Op::ScatterNd(mode), &[Some(x), Some(indices), Some(updates)], fact)
}

fn scatter_elements(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    call.needs_dtype(indices, &INDICES)?;
    let fact = call.graph.fact(x).clone();
    let axis = axis(call.node.attributes.int("axis", 0), fact.dims.len())?;
    let index_dims = call.dims(indices);
    check_positions(&fact.dims, &index_dims, axis)?;
    if call.dims(updates) != index_dims || call.dtype(updates) != fact.dtype {
        return invalid("its updates do not fit its indices");
    }
    let mode = scatter_mode(call)?;
    call.emit(Op::ScatterElements { axis, mode }, &[Some(x), Some(indices), Some(updates)], fact)
}

fn expand(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let wanted = call.ints(1, "its shape")?.ok_or(Reason::Invalid("its shape is missing".to_owned()))?;
    let wanted: Vec<usize> = wanted.into_iter().map(length).collect::<Result<_, _>>()?;
    let fact = call.graph.fact(x).clone();
    let Some(dims) = broadcast(&fact.dims, &wanted) else {
        return invalid(format!("{:?} does not broadcast to {wanted:?}", fact.dims));
    };
    if dims == fact.dims {
        return Ok(x);
    }
    call.emit(Op::Expand, &[Some(x)], Fact::new(fact.dtype, dims))
}

fn tile(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let repeats =
        call.ints(1, "its repeats")?.ok_or(Reason::Invalid("its repeats are missing".to_owned()))?;
    let mut fact = call.graph.fact(x).clone();
    if repeats.len() != fact.dims.len() {
        return invalid("it has another number of repeats than dimensions");
    }
    for (dim, repeat) in fact.dims.iter_mut().zip(repeats) {
        *dim = dim.saturating_mul(length(repeat)?);
    }
    call.emit(Op::Tile, &[Some(x)], fact)
}

fn pad(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let mut x = call.input(0)?;
    let mut dims = call.dims(x);
    let rank = dims.len();
    let given = call.ints_of("pads", 1)?.ok_or(Reason::Invalid("its pads are missing".to_owned()))?;
    let over = match call.ints(3, "its axes")? {
        Some(given) => given.iter().map(|&one| axis(one, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if given.len() != 2 * over.len() {
        return invalid(format!("{} pads for {} axes", given.len(), over.len()));
    }
    let mode = match call.node.attributes.text("mode", "constant") {
        "constant" => PadMode::Constant,
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        "wrap" => PadMode::Wrap,
        other => return unsupported(format!("mode `{other}`")),
    };
    let fill = if call.opset < 11 {
        let value = call.node.attributes.float("value", 0.0);
        Some(call.constant(crate::tensor::Tensor::scalar(value)))
    } else {
        call.optional(2)
    };
    // Negative pads crop.
    let (mut starts, mut cropped) = (vec![0; rank], dims.clone());
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for (index, &axis) in over.iter().enumerate() {
        let (first, last) = (given[index], given[index + over.len()]);
        let crop = |pad: i64| pad.min(0).unsigned_abs() as usize;
        let Some(rest) = dims[axis].checked_sub(crop(first) + crop(last)) else {
            return invalid("it crops more than there is");
        };
        starts[axis] = crop(first);
        cropped[axis] = rest;
        before[axis] = length(first.max(0))?;
        after[axis] = length(last.max(0))?;
        let reach = match mode {
            PadMode::Constant => usize::MAX,
            PadMode::Reflect => rest.saturating_sub(1),
            PadMode::Edge if rest == 0 => 0,
            PadMode::Edge => usize::MAX,
            PadMode::Wrap => rest,
        };
        if before[axis].max(after[axis]) > reach {
            return unsupported("padding longer than the dimension");
        }
    }
    x = slice(call, x, starts, vec![1; rank], cropped.clone())?;
    for (index, dim) in dims.iter_mut().enumerate() {
        *dim = cropped[index].saturating_add(before[index]).saturating_add(after[index]);
    }
    if dims == cropped {
        return Ok(x);
    }
    let fact = Fact::new(call.dtype(x), dims);
    let inputs = match (mode, fill) {
        (PadMode::Constant, Some(fill)) => vec![Some(x), Some(fill)],
        _ => vec![Some(x)],
    };
    call.emit(Op::Pad { before, after, mode }, &inputs, fact)
}

/// Zeros around a value.
pub(super) fn pad_constant(
    call: &mut Call<'_>,
    x: ValueId,
    before: Vec<usize>,
    after: Vec<usize>,
) -> Result<ValueId, Reason> {
    let mut fact = call.graph.fact(x).clone();
    if before.iter().chain(&after).all(|&pad| pad == 0) {
        return Ok(x);
    }
    for ((dim, before), after) in fact.dims.iter_mut().zip(&before).zip(&after) {
        *dim = dim.saturating_add(*before).saturating_add(*after);
    }
    call.emit(Op::Pad { before, after, mode: PadMode::Constant }, &[Some(x)], fact)
}

fn trilu(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let fact = call.graph.fact(x).clone();
    if fact.dims.len() < 2 {
        return invalid("its input is not a matrix");
    }
    let diagonal = call.ints(1, "its diagonal")?.and_then(|values| values.first().copied()).unwrap_or(0);
    let upper = call.node.attributes.flag("upper", true);
    call.emit(Op::Trilu { upper, diagonal }, &[Some(x)], fact)
}

fn one_hot(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (mut indices, depth, values) = (call.input(0)?, call.input(1)?, call.input(2)?);
    if !INDICES.contains(&call.dtype(indices)) {
        indices = call.cast(indices, DType::I64)?;
    }
    let depth = match call.graph.constant(depth).map(|tensor| tensor.data()) {
        Some(DataRef::F32(&[depth])) => depth as usize,
        Some(other) => match other.to_i64().as_deref() {
            Some(&[depth]) => length(depth)?,
            _ => return invalid("its depth is not one number"),
        },
        None => return Err(depends(depth, "its depth")),
    };
    let mut dims = call.dims(indices);
    let at = axis(call.node.attributes.int("axis", -1), dims.len() + 1)?;
    dims.insert(at, depth);
    let fact = Fact::new(call.dtype(values), dims);
    call.emit(Op::OneHot { axis: at }, &[Some(indices), Some(values)], fact)
}

/// Batch, channels, height, width and block size.
fn blocks(call: &Call<'_>) -> Result<(ValueId, [usize; 4], usize), Reason> {
    let x = call.input(0)?;
    let block = length(call.node.attributes.int("blocksize", 1))?.max(1);
    match call.dims(x)[..] {
        [n, c, h, w] => Ok((x, [n, c, h, w], block)),
        _ => invalid("its input does not have 4 dimensions"),
    }
}

fn depth_to_space(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, [n, c, h, w], block) = blocks(call)?;
    if c % (block * block) != 0 {
        return invalid("its channels do not divide into blocks");
    }
    let depth = c / (block * block);
    let is_column_row = call.node.attributes.text("mode", "DCR") == "CRD";
    let (split, perm) = if is_column_row {
        (vec![n, depth, block, block, h, w], vec![0, 1, 4, 2, 5, 3])
    } else {
        (vec![n, block, block, depth, h, w], vec![0, 3, 4, 1, 5, 2])
    };
    let split = call.reshape(x, split)?;
    let moved = transpose(call, split, perm)?;
    call.reshape(moved, vec![n, depth, h * block, w * block])
}

fn space_to_depth(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, [n, c, h, w], block) = blocks(call)?;
    if h % block != 0 || w % block != 0 {
        return invalid("its size does not divide into blocks");
    }
    let split = call.reshape(x, vec![n, c, h / block, block, w / block, block])?;
    let moved = transpose(call, split, vec![0, 3, 5, 1, 2, 4])?;
    call.reshape(moved, vec![n, c * block * block, h / block, w / block])
}

/// Axes that a node lists in an attribute or an input; `None` when it lists none.
pub(super) fn listed_axes(call: &Call<'_>, rank: usize) -> Result<Option<Vec<usize>>, Reason> {
    match call.ints_of("axes", 1)? {
        Some(given) => axes(&given, rank).map(Some),
        None => Ok(None),
    }
}
