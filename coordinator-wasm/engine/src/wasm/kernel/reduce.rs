//! Sums, means and extremes over neighbouring axes.

use model::op::Reduction;
use model::tensor::n_elements;

use super::simd::{F32x4, LANES};

/// True when [`reduce`] computes it: neighbouring axes, and a sum, mean or extreme.
pub(in crate::wasm) fn can_reduce(kind: Reduction, axes: &[usize]) -> bool {
    let is_run = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    is_run && matches!(kind, Reduction::Sum | Reduction::Mean | Reduction::Max | Reduction::Min)
}

/// Reduces `x` of shape `dims` over neighbouring axes.
pub(in crate::wasm) fn reduce(kind: Reduction, dims: &[usize], axes: &[usize], x: &[f32], out: &mut [f32]) {
    let (first, last) = (axes.first().copied().unwrap_or(0), axes.last().map_or(0, |&last| last + 1));
    let n_reduced = n_elements(&dims[first..last]);
    let n_inner = n_elements(&dims[last..]);
    let counts = [n_reduced, n_inner];
    match kind {
        Reduction::Max => reduce_groups(f32::NEG_INFINITY, F32x4::max, counts, x, out),
        Reduction::Min => reduce_groups(f32::INFINITY, F32x4::min, counts, x, out),
        _ => reduce_groups(0.0, F32x4::add, counts, x, out),
    }
    if kind == Reduction::Mean {
        let factor = 1.0 / n_reduced as f32;
        out.iter_mut().for_each(|sum| *sum *= factor);
    }
}

/// Joins `n_reduced` rows of `n_inner` elements at a time.
fn reduce_groups(
    start: f32,
    join: impl Fn(F32x4, F32x4) -> F32x4 + Copy,
    [n_reduced, n_inner]: [usize; 2],
    x: &[f32],
    out: &mut [f32],
) {
    out.fill(start);
    let groups = x.chunks_exact((n_reduced * n_inner).max(1));
    for (out, group) in out.chunks_exact_mut(n_inner.max(1)).zip(groups) {
        match out {
            [out] => *out = reduce_row(start, join, group),
            out => group.chunks_exact(n_inner).for_each(|row| accumulate(out, row, join)),
        }
    }
}

/// All elements of a row joined, and `start`.
#[inline(always)]
pub(super) fn reduce_row(start: f32, join: impl Fn(F32x4, F32x4) -> F32x4, row: &[f32]) -> f32 {
    let (vectors, rest) = row.as_chunks::<LANES>();
    let (quads, last) = vectors.as_chunks::<4>();
    let mut joined = [F32x4::splat(start); 4];
    for quad in quads {
        for (joined, lanes) in joined.iter_mut().zip(quad) {
            *joined = join(*joined, F32x4::load(lanes));
        }
    }
    for lanes in last {
        joined[0] = join(joined[0], F32x4::load(lanes));
    }
    if !rest.is_empty() {
        joined[1] = join(joined[1], F32x4::load_partial(rest, start));
    }
    let [a, b, c, d] = joined;
    let [a, b, c, d] = join(join(a, b), join(c, d)).to_array().map(F32x4::splat);
    join(join(a, b), join(c, d)).to_array()[0]
}

/// `out = join(out, row)`, element by element.
#[inline(always)]
pub(super) fn accumulate(out: &mut [f32], row: &[f32], join: impl Fn(F32x4, F32x4) -> F32x4) {
    let ((out4, out1), (row4, row1)) = (out.as_chunks_mut::<LANES>(), row.as_chunks::<LANES>());
    for (out, row) in out4.iter_mut().zip(row4) {
        join(F32x4::load(out), F32x4::load(row)).store(out);
    }
    if !out1.is_empty() {
        join(F32x4::load_partial(out1, 0.0), F32x4::load_partial(row1, 0.0)).store_partial(out1);
    }
}
