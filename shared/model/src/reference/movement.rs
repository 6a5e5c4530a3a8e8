//! Operators that move elements.

use crate::op::{Fact, Op, PadMode, ScatterMode};
use crate::reference::{EvaluationError, Operands, binary_f32};
use crate::tensor::{Data, DataRef, View, n_elements, strides};
use crate::walk::rows;

/// Evaluates an expression over the elements of any type, giving elements of the same type.
macro_rules! same_type {
    ($data:expr, $slice:ident => $body:expr) => {
        match $data {
            DataRef::F32($slice) => Data::F32($body),
            DataRef::I64($slice) => Data::I64($body),
            DataRef::I32($slice) => Data::I32($body),
            DataRef::U8($slice) => Data::U8($body),
            DataRef::I8($slice) => Data::I8($body),
            DataRef::Bool($slice) => Data::Bool($body),
        }
    };
}

pub(super) fn strided(op: &Op, operands: &Operands<'_>, fact: &Fact) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    let shape = EvaluationError::Shape { operator: op.name() };
    let read = op.strided_read(x.dims, &fact.dims).ok_or(shape)?;
    Ok(same_type!(x.data, data => read_strided(data, &fact.dims, read.offset, &read.strides)))
}

fn read_strided<T: Copy>(data: &[T], dims: &[usize], offset: usize, strides: &[isize]) -> Vec<T> {
    let mut out = Vec::with_capacity(n_elements(dims));
    rows(dims, [offset], [strides], |row| {
        if row.steps[0] == 1 {
            out.extend_from_slice(&data[row.offsets[0]..row.offsets[0] + row.length]);
        } else {
            let at = |index: usize| data[(row.offsets[0] as isize + index as isize * row.steps[0]) as usize];
            out.extend((0..row.length).map(at));
        }
    });
    out
}

/// Reads every output element from the input position that a function of the output position gives.
fn pick<T: Copy>(
    data: &[T],
    from: &[usize],
    to: &[usize],
    position: impl Fn(usize, usize) -> usize,
) -> Vec<T> {
    let (from_strides, to_strides) = (strides(from), strides(to));
    (0..n_elements(to))
        .map(|index| {
            let along =
                |axis: usize| position(axis, index / to_strides[axis] % to[axis]) * from_strides[axis];
            data[(0..to.len()).map(along).sum::<usize>()]
        })
        .collect()
}

pub(super) fn tile(operands: &Operands<'_>, fact: &Fact) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    Ok(same_type!(x.data, data => pick(data, x.dims, &fact.dims, |axis, at| at % x.dims[axis])))
}

pub(super) fn concat(axis: usize, operands: &Operands<'_>, fact: &Fact) -> Result<Data, EvaluationError> {
    let views: Vec<View<'_>> =
        (0..operands.len()).map(|index| operands.view(index)).collect::<Result<_, _>>()?;
    let n_outer = n_elements(&fact.dims[..axis]);
    let total = fact.n_elements();
    macro_rules! join {
        ($kind:ident) => {{
            let mut out = Vec::with_capacity(total);
            for outer in 0..n_outer {
                for view in &views {
                    let DataRef::$kind(data) = view.data else {
                        return Err(operands.wrong_type(view.data.dtype()));
                    };
                    let n = data.len() / n_outer;
                    out.extend_from_slice(&data[outer * n..(outer + 1) * n]);
                }
            }
            Data::$kind(out)
        }};
    }
    Ok(match views[0].data {
        DataRef::F32(_) => join!(F32),
        DataRef::I64(_) => join!(I64),
        DataRef::I32(_) => join!(I32),
        DataRef::U8(_) => join!(U8),
        DataRef::I8(_) => join!(I8),
        DataRef::Bool(_) => join!(Bool),
    })
}

/// An index counted from the front, checked.
fn checked(index: i64, length: usize) -> Result<usize, EvaluationError> {
    let from_front = if index < 0 { index + length as i64 } else { index };
    match usize::try_from(from_front) {
        Ok(position) if position < length => Ok(position),
        _ => Err(EvaluationError::Index { index, length }),
    }
}

pub(super) fn gather(axis: usize, operands: &Operands<'_>, fact: &Fact) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    let length = x.dims[axis];
    let indices = operands.integers(1)?;
    let positions: Vec<usize> =
        indices.iter().map(|&index| checked(index, length)).collect::<Result<_, _>>()?;
    let (n_outer, n_inner) = (n_elements(&x.dims[..axis]), n_elements(&x.dims[axis + 1..]));
    Ok(same_type!(x.data, data => {
        let mut out = Vec::with_capacity(fact.n_elements());
        for outer in 0..n_outer {
            for &position in &positions {
                let first = (outer * length + position) * n_inner;
                out.extend_from_slice(&data[first..first + n_inner]);
            }
        }
        out
    }))
}

/// Positions in a tensor of shape `dims` that indices along an axis select.
fn element_positions(
    dims: &[usize],
    index_dims: &[usize],
    indices: &[i64],
    axis: usize,
) -> Result<Vec<usize>, EvaluationError> {
    let (own, index_strides) = (strides(dims), strides(index_dims));
    indices
        .iter()
        .enumerate()
        .map(|(flat, &index)| {
            let position = checked(index, dims[axis])?;
            let along = |one: usize| {
                let at = flat / index_strides[one] % index_dims[one];
                (if one == axis { position } else { at }) * own[one]
            };
            Ok((0..dims.len()).map(along).sum())
        })
        .collect()
}

pub(super) fn gather_elements(
    axis: usize,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    let positions = element_positions(x.dims, &fact.dims, &operands.integers(1)?, axis)?;
    Ok(same_type!(x.data, data => positions.iter().map(|&position| data[position]).collect()))
}

/// First position of the slice that each index tuple selects.
fn tuple_positions(
    dims: &[usize],
    batch_dims: usize,
    index_dims: &[usize],
    indices: &[i64],
) -> Result<Vec<usize>, EvaluationError> {
    let own = strides(dims);
    let depth = index_dims.last().copied().unwrap_or(0);
    if depth == 0 {
        return Ok(vec![0; n_elements(&index_dims[..index_dims.len() - 1])]);
    }
    let n_tuples = indices.len() / depth;
    let n_batches = n_elements(&dims[..batch_dims]).max(1);
    let per_batch = (n_tuples / n_batches).max(1);
    let batch_stride = n_elements(&dims[batch_dims..]);
    indices
        .chunks_exact(depth)
        .enumerate()
        .map(|(tuple_index, tuple)| {
            let mut position = tuple_index / per_batch * batch_stride;
            for (offset, &index) in tuple.iter().enumerate() {
                let axis = batch_dims + offset;
                position += checked(index, dims[axis])? * own[axis];
            }
            Ok(position)
        })
        .collect()
}

pub(super) fn gather_nd(
    batch_dims: usize,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let (x, index_view) = (operands.view(0)?, operands.view(1)?);
    let depth = index_view.dims.last().copied().unwrap_or(0);
    let n_slice = n_elements(&x.dims[batch_dims + depth..]);
    let positions = tuple_positions(x.dims, batch_dims, index_view.dims, &operands.integers(1)?)?;
    Ok(same_type!(x.data, data => {
        let mut out = Vec::with_capacity(fact.n_elements());
        for &position in &positions {
            out.extend_from_slice(&data[position..position + n_slice]);
        }
        out
    }))
}

/// Writes updates of `n_slice` elements at each position.
fn scatter(
    mode: ScatterMode,
    operands: &Operands<'_>,
    positions: &[usize],
    n_slice: usize,
) -> Result<Data, EvaluationError> {
    let (x, updates) = (operands.view(0)?.data, operands.view(2)?.data);
    macro_rules! combine {
        ($x:expr, $updates:expr, $kind:ident, $join:expr) => {{
            let mut out = $x.to_vec();
            for (index, &position) in positions.iter().enumerate() {
                for offset in 0..n_slice {
                    let update = $updates[index * n_slice + offset];
                    let slot = &mut out[position + offset];
                    *slot = $join(*slot, update);
                }
            }
            Ok(Data::$kind(out))
        }};
    }
    macro_rules! integers {
        ($x:expr, $updates:expr, $kind:ident, $type:ty) => {
            combine!($x, $updates, $kind, |old: $type, new: $type| match mode {
                ScatterMode::Replace => new,
                ScatterMode::Add => old.wrapping_add(new),
                ScatterMode::Mul => old.wrapping_mul(new),
                ScatterMode::Max => old.max(new),
                ScatterMode::Min => old.min(new),
            })
        };
    }
    match (x, updates) {
        (DataRef::F32(x), DataRef::F32(updates)) => {
            use crate::op::Binary;
            combine!(x, updates, F32, |old: f32, new: f32| match mode {
                ScatterMode::Replace => new,
                ScatterMode::Add => old + new,
                ScatterMode::Mul => old * new,
                ScatterMode::Max => binary_f32(Binary::Max, old, new),
                ScatterMode::Min => binary_f32(Binary::Min, old, new),
            })
        }
        (DataRef::I64(x), DataRef::I64(updates)) => integers!(x, updates, I64, i64),
        (DataRef::I32(x), DataRef::I32(updates)) => integers!(x, updates, I32, i32),
        (DataRef::U8(x), DataRef::U8(updates)) => integers!(x, updates, U8, u8),
        (DataRef::I8(x), DataRef::I8(updates)) => integers!(x, updates, I8, i8),
        (DataRef::Bool(x), DataRef::Bool(updates)) => integers!(x, updates, Bool, u8),
        (x, _) => Err(operands.wrong_type(x.dtype())),
    }
}

pub(super) fn scatter_nd(mode: ScatterMode, operands: &Operands<'_>) -> Result<Data, EvaluationError> {
    let (x, index_view) = (operands.view(0)?, operands.view(1)?);
    let depth = index_view.dims.last().copied().unwrap_or(0);
    let positions = tuple_positions(x.dims, 0, index_view.dims, &operands.integers(1)?)?;
    scatter(mode, operands, &positions, n_elements(&x.dims[depth..]))
}

pub(super) fn scatter_elements(
    axis: usize,
    mode: ScatterMode,
    operands: &Operands<'_>,
) -> Result<Data, EvaluationError> {
    let (x, index_view) = (operands.view(0)?, operands.view(1)?);
    let positions = element_positions(x.dims, index_view.dims, &operands.integers(1)?, axis)?;
    scatter(mode, operands, &positions, 1)
}

/// What is at a position of a padded axis: an element of the axis, `length` long, or the fill value.
#[must_use]
pub fn pad_source(mode: PadMode, before: usize, length: usize, at: usize) -> Option<usize> {
    let (length, at) = (length as isize, at as isize - before as isize);
    let source = match mode {
        PadMode::Constant if at < 0 || at >= length => return None,
        PadMode::Edge => at.clamp(0, length - 1),
        PadMode::Wrap => at.rem_euclid(length),
        PadMode::Reflect if at < 0 => -at,
        PadMode::Reflect if at >= length => 2 * (length - 1) - at,
        PadMode::Constant | PadMode::Reflect => at,
    };
    Some(source as usize)
}

pub(super) fn pad(
    before: &[usize],
    mode: PadMode,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    if mode == PadMode::Constant {
        let fill = operands.optional(1).map(|view| view.data);
        macro_rules! place {
            ($data:expr, $kind:ident, $zero:expr) => {{
                let fill = match fill {
                    Some(DataRef::$kind(fill)) => fill.first().copied().unwrap_or($zero),
                    _ => $zero,
                };
                let mut out = vec![fill; fact.n_elements()];
                let to = strides(&fact.dims);
                let offset = before.iter().zip(&to).map(|(pad, stride)| pad * stride).sum();
                let to: Vec<isize> = to.into_iter().map(|stride| stride as isize).collect();
                rows(x.dims, [offset], [&to], |row| {
                    for index in 0..row.length {
                        out[row.offsets[0] + index * row.steps[0] as usize] = $data[row.start + index];
                    }
                });
                Data::$kind(out)
            }};
        }
        return Ok(match x.data {
            DataRef::F32(data) => place!(data, F32, 0.0),
            DataRef::I64(data) => place!(data, I64, 0),
            DataRef::I32(data) => place!(data, I32, 0),
            DataRef::U8(data) => place!(data, U8, 0),
            DataRef::I8(data) => place!(data, I8, 0),
            DataRef::Bool(data) => place!(data, Bool, 0),
        });
    }
    let position = |axis: usize, at: usize| pad_source(mode, before[axis], x.dims[axis], at).unwrap_or(0);
    Ok(same_type!(x.data, data => pick(data, x.dims, &fact.dims, position)))
}

pub(super) fn trilu(upper: bool, diagonal: i64, operands: &Operands<'_>) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    let [n_rows, n_columns] = [x.dims[x.dims.len() - 2], x.dims[x.dims.len() - 1]];
    let keeps = |flat: usize| {
        let (row, column) = ((flat / n_columns % n_rows) as i64, (flat % n_columns) as i64);
        let distance = (column - row).saturating_sub(diagonal);
        if upper { distance >= 0 } else { distance <= 0 }
    };
    Ok(same_type!(x.data, data => {
        data.iter().enumerate().map(|(flat, &x)| if keeps(flat) { x } else { Default::default() }).collect()
    }))
}

pub(super) fn one_hot(axis: usize, operands: &Operands<'_>, fact: &Fact) -> Result<Data, EvaluationError> {
    let indices = operands.integers(0)?;
    let values = operands.view(1)?.data;
    let depth = fact.dims[axis];
    let n_inner = n_elements(&fact.dims[axis + 1..]);
    let is_hot = |flat: usize| {
        let (outer, at, inner) = (flat / (n_inner * depth), flat / n_inner % depth, flat % n_inner);
        let index = indices[outer * n_inner + inner];
        let from_front = if index < 0 { index + depth as i64 } else { index };
        from_front == at as i64
    };
    if values.len() != 2 {
        return Err(EvaluationError::Missing(1));
    }
    Ok(same_type!(values, values => {
        (0..fact.n_elements()).map(|flat| values[usize::from(is_hot(flat))]).collect()
    }))
}
