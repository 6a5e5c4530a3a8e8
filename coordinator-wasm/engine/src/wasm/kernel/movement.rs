//! Copies of floats: strided reads, padding, concatenation and gathering of slices.

use std::ops::Range;

use model::op::StridedRead;
use model::tensor::n_elements;
use model::walk::rows;

/// Side of the squares in which a transposed plane is copied: both sides of the copy stay in the first-level cache.
const SQUARE: usize = 16;

/// Copies an output of shape `dims` from where each element is read.
pub(in crate::wasm) fn strided(read: &StridedRead, dims: &[usize], x: &[f32], out: &mut [f32]) {
    if transposed_plane(read, dims, x, out) {
        return;
    }
    rows(dims, [read.offset], [&read.strides], |row| {
        let out = &mut out[row.start..row.start + row.length];
        let first = row.offsets[0];
        match row.steps[0] {
            1 => out.copy_from_slice(&x[first..first + row.length]),
            0 => out.fill(x[first]),
            step if step > 0 => {
                let source = x[first..].iter().step_by(step.unsigned_abs());
                out.iter_mut().zip(source).for_each(|(to, &from)| *to = from);
            }
            step => {
                let at = |index: usize| x[(first as isize + index as isize * step) as usize];
                out.iter_mut().enumerate().for_each(|(index, to)| *to = at(index));
            }
        }
    });
}

/// Copies outputs whose last two dimensions are read crosswise in squares; false when they are not.
fn transposed_plane(read: &StridedRead, dims: &[usize], x: &[f32], out: &mut [f32]) -> bool {
    let (&[ref outer @ .., n_rows, n_columns], &[ref outer_strides @ .., row_stride, column_stride]) =
        (dims, read.strides.as_slice())
    else {
        return false;
    };
    if row_stride != 1 || column_stride <= 1 || n_rows < SQUARE || n_columns < SQUARE {
        return false;
    }
    let column_stride = column_stride.unsigned_abs();
    let mut plane = 0;
    let per_plane = n_rows * n_columns;
    rows(outer, [read.offset], [outer_strides], |row| {
        for index in 0..row.length {
            let first = (row.offsets[0] as isize + index as isize * row.steps[0]) as usize;
            let (source, out) = (&x[first..], &mut out[plane * per_plane..(plane + 1) * per_plane]);
            for first_row in (0..n_rows).step_by(SQUARE) {
                for first_column in (0..n_columns).step_by(SQUARE) {
                    for row in first_row..n_rows.min(first_row + SQUARE) {
                        for column in first_column..n_columns.min(first_column + SQUARE) {
                            out[row * n_columns + column] = source[column * column_stride + row];
                        }
                    }
                }
            }
            plane += 1;
        }
    });
    true
}

/// The transpose of a row-major matrix, copied in squares.
pub(in crate::wasm) fn transpose(x: &[f32], [n_rows, n_columns]: [usize; 2], out: &mut [f32]) {
    for first_row in (0..n_rows).step_by(SQUARE) {
        let rows = first_row..n_rows.min(first_row + SQUARE);
        for first_column in (0..n_columns).step_by(SQUARE) {
            for column in first_column..n_columns.min(first_column + SQUARE) {
                let source = x[first_row * n_columns + column..].iter().step_by(n_columns);
                let target = &mut out[column * n_rows..][rows.clone()];
                target.iter_mut().zip(source).for_each(|(to, &from)| *to = from);
            }
        }
    }
}

/// One axis of a padded result.
#[derive(Debug)]
pub(in crate::wasm) struct PaddedAxis {
    /// What each element is: one along the operand's axis, or the fill value.
    pub(in crate::wasm) sources: Vec<Option<usize>>,
    /// Where the operand's own elements are.
    pub(in crate::wasm) own: Range<usize>,
}

/// Pads an operand of whole rows.
pub(in crate::wasm) fn pad(axes: &[PaddedAxis], fill: f32, x: &[f32], out: &mut [f32]) {
    let Some((PaddedAxis { sources, own }, inner)) = axes.split_first() else {
        return out.copy_from_slice(x);
    };
    if inner.is_empty() {
        let at = |source: Option<usize>| source.map_or(fill, |source| x[source]);
        out[own.clone()].copy_from_slice(x);
        for edge in [0..own.start, own.end..out.len()] {
            out[edge.clone()].iter_mut().zip(&sources[edge]).for_each(|(to, &source)| *to = at(source));
        }
        return;
    }
    let (n_x, n_out) = (x.len() / own.len().max(1), out.len() / sources.len().max(1));
    for (out, source) in out.chunks_exact_mut(n_out.max(1)).zip(sources) {
        match source {
            Some(source) => pad(inner, fill, &x[source * n_x..(source + 1) * n_x], out),
            None => out.fill(fill),
        }
    }
}

/// Writes operands one after another along an axis of the output.
pub(in crate::wasm) fn concat(axis: usize, dims: &[usize], operands: &[&[f32]], out: &mut [f32]) {
    let n_outer = n_elements(&dims[..axis]);
    let per_outer = n_elements(&dims[axis..]);
    let mut first = 0;
    for operand in operands {
        let n = operand.len() / n_outer.max(1);
        for (outer, slice) in operand.chunks_exact(n.max(1)).enumerate() {
            out[outer * per_outer + first..][..n].copy_from_slice(slice);
        }
        first += n;
    }
}

/// Slices of `x` at positions along an axis.
pub(in crate::wasm) fn gather(axis: usize, dims: &[usize], positions: &[usize], x: &[f32], out: &mut [f32]) {
    let n_inner = n_elements(&dims[axis + 1..]);
    let per_outer = n_elements(&dims[axis..]);
    let slices = x.chunks_exact(per_outer.max(1)).flat_map(|outer| {
        positions.iter().map(move |&position| &outer[position * n_inner..(position + 1) * n_inner])
    });
    for (to, slice) in out.chunks_exact_mut(n_inner.max(1)).zip(slices) {
        to.copy_from_slice(slice);
    }
}
