//! Element-wise kernels on floats.

use model::op::{Binary, Unary};
use model::reference::{binary_f32, unary_f32};
use model::walk::Row;

use super::math::Math;
use super::simd::F32x4;

/// Elements that a chain of functions is applied to before the next ones: 8 kB stay in the first-level cache.
const BLOCK: usize = 2048;

/// Applies functions in order to every element.
pub(in crate::wasm) fn apply(functions: &[Unary], data: &mut [f32]) {
    if functions.is_empty() {
        return;
    }
    for block in data.chunks_mut(BLOCK) {
        for &function in functions {
            apply_one(function, block);
        }
    }
}

fn apply_one(function: Unary, data: &mut [f32]) {
    let splat = F32x4::splat;
    let math = Math::default();
    match function {
        Unary::Relu => map(data, |x| x.at_least(splat(0.0))),
        Unary::Clip { low, high } => map(data, |x| x.at_least(splat(low)).at_most(splat(high))),
        Unary::Affine { scale, shift } => map(data, |x| x.mul_add(splat(scale), splat(shift))),
        Unary::LeakyRelu(slope) => map(data, |x| x.select_less(splat(0.0), x.mul(splat(slope)), x)),
        Unary::HardSigmoid { alpha, beta } => {
            map(data, |x| x.mul_add(splat(alpha), splat(beta)).at_least(splat(0.0)).at_most(splat(1.0)));
        }
        Unary::HardSwish => map(data, hard_swish),
        Unary::Sigmoid => map(data, |x| math.sigmoid(x)),
        Unary::Silu => map(data, |x| x.mul(math.sigmoid(x))),
        Unary::Tanh => map(data, |x| math.tanh(x)),
        Unary::Gelu => map(data, |x| math.gelu(x)),
        Unary::GeluTanh => map(data, |x| math.gelu_tanh(x)),
        Unary::Erf => map(data, |x| math.erf(x)),
        Unary::Exp => map(data, |x| math.exp(x)),
        Unary::Sqrt => map(data, F32x4::sqrt),
        Unary::Abs => map(data, F32x4::abs),
        Unary::Neg => map(data, |x| splat(0.0).sub(x)),
        Unary::Reciprocal => map(data, |x| splat(1.0).div(x)),
        Unary::Power(2.0) => map(data, |x| x.mul(x)),
        Unary::Power(3.0) => map(data, |x| x.mul(x).mul(x)),
        rare => data.iter_mut().for_each(|x| *x = unary_f32(rare, *x)),
    }
}

/// `x · scale + shift` with a scale and a shift per channel, each of `n_inner` neighbours.
pub(in crate::wasm) fn channel_affine(scale: &[f32], shift: &[f32], n_inner: usize, data: &mut [f32]) {
    if n_inner == 1 {
        for pixel in data.chunks_exact_mut(scale.len().max(1)) {
            zip_in_place(pixel, scale, F32x4::mul);
            zip_in_place(pixel, shift, F32x4::add);
        }
        return;
    }
    for (index, channel) in data.chunks_exact_mut(n_inner).enumerate() {
        let (scale, shift) = (scale[index % scale.len()], shift[index % shift.len()]);
        apply_one(Unary::Affine { scale, shift }, channel);
    }
}

/// x · max(0, min(1, x / 6 + 1 / 2))
#[inline(always)]
fn hard_swish(x: F32x4) -> F32x4 {
    let gate = x.mul_add(F32x4::splat(1.0 / 6.0), F32x4::splat(0.5));
    x.mul(gate.at_least(F32x4::zero()).at_most(F32x4::splat(1.0)))
}

/// Applies a function of four elements to all; the last few are padded with zeros.
#[inline(always)]
fn map(data: &mut [f32], function: impl Fn(F32x4) -> F32x4) {
    let (chunks, rest) = data.as_chunks_mut::<4>();
    for chunk in chunks {
        function(F32x4::load(chunk)).store(chunk);
    }
    if !rest.is_empty() {
        function(F32x4::load_partial(rest, 0.0)).store_partial(rest);
    }
}

/// Computes one row.
type RowKernel = dyn Fn(Operands<'_>, &mut [f32]);

/// A function of two operands with the kernels for its vector form.
fn with_vectors(function: Binary, run: &mut dyn FnMut(&RowKernel)) -> bool {
    match function {
        Binary::Add => run(&|operands, out| combine(operands, out, F32x4::add)),
        Binary::Sub => run(&|operands, out| combine(operands, out, F32x4::sub)),
        Binary::Mul => run(&|operands, out| combine(operands, out, F32x4::mul)),
        Binary::Div => run(&|operands, out| combine(operands, out, F32x4::div)),
        Binary::Min => run(&|operands, out| combine(operands, out, F32x4::min)),
        Binary::Max => run(&|operands, out| combine(operands, out, F32x4::max)),
        _ => return false,
    }
    true
}

/// Operands of one row: as long as the row, one number, or the output itself.
#[derive(Clone, Copy)]
enum Operands<'a> {
    Both(&'a [f32], &'a [f32]),
    LeftOne(f32, &'a [f32]),
    RightOne(&'a [f32], f32),
    InPlaceLeft(&'a [f32]),
    InPlaceRight(&'a [f32]),
    InPlaceLeftOne(f32),
    InPlaceRightOne(f32),
}

#[inline(always)]
fn combine(operands: Operands<'_>, out: &mut [f32], function: impl Fn(F32x4, F32x4) -> F32x4 + Copy) {
    match operands {
        Operands::Both(a, b) => zip_into(a, b, out, function),
        Operands::LeftOne(a, b) => {
            out.copy_from_slice(b);
            map(out, |b| function(F32x4::splat(a), b));
        }
        Operands::RightOne(a, b) => {
            out.copy_from_slice(a);
            map(out, |a| function(a, F32x4::splat(b)));
        }
        Operands::InPlaceLeft(b) => zip_in_place(out, b, function),
        Operands::InPlaceRight(a) => zip_in_place(out, a, |b, a| function(a, b)),
        Operands::InPlaceLeftOne(b) => map(out, |a| function(a, F32x4::splat(b))),
        Operands::InPlaceRightOne(a) => map(out, |b| function(F32x4::splat(a), b)),
    }
}

#[inline(always)]
fn zip_into(a: &[f32], b: &[f32], out: &mut [f32], function: impl Fn(F32x4, F32x4) -> F32x4) {
    let ((a4, a1), (b4, b1), (out4, out1)) =
        (a.as_chunks::<4>(), b.as_chunks::<4>(), out.as_chunks_mut::<4>());
    for ((out, a), b) in out4.iter_mut().zip(a4).zip(b4) {
        function(F32x4::load(a), F32x4::load(b)).store(out);
    }
    for ((out, &a), &b) in out1.iter_mut().zip(a1).zip(b1) {
        *out = function(F32x4::splat(a), F32x4::splat(b)).to_array()[0];
    }
}

#[inline(always)]
fn zip_in_place(out: &mut [f32], other: &[f32], function: impl Fn(F32x4, F32x4) -> F32x4) {
    let ((out4, out1), (other4, other1)) = (out.as_chunks_mut::<4>(), other.as_chunks::<4>());
    for (out, other) in out4.iter_mut().zip(other4) {
        function(F32x4::load(out), F32x4::load(other)).store(out);
    }
    for (out, &other) in out1.iter_mut().zip(other1) {
        *out = function(F32x4::splat(*out), F32x4::splat(other)).to_array()[0];
    }
}

/// One side of a two-operand function: somewhere else, or where the result goes.
#[derive(Clone, Copy)]
pub(in crate::wasm) enum Side<'a> {
    /// Its elements and how they are read in the result's order.
    Read(&'a [f32], &'a [isize]),
    /// The result's own memory, element for element.
    InPlace,
}

/// A two-operand function over an output of shape `dims`. At most one side is in place.
pub(in crate::wasm) fn binary(
    function: Binary,
    dims: &[usize],
    left: Side<'_>,
    right: Side<'_>,
    out: &mut [f32],
) {
    let none = vec![0; dims.len()];
    let strides = |side| match side {
        Side::Read(_, strides) => strides,
        Side::InPlace => none.as_slice(),
    };
    let has_vectors = with_vectors(function, &mut |kernel| {
        model::walk::rows(dims, [0, 0], [strides(left), strides(right)], |row| {
            if let Some(operands) = operands(&row, left, right) {
                kernel(operands, &mut out[row.start..row.start + row.length]);
            } else {
                scalar_row(function, &row, left, right, out);
            }
        });
    });
    if !has_vectors {
        model::walk::rows(dims, [0, 0], [strides(left), strides(right)], |row| {
            scalar_row(function, &row, left, right, out);
        });
    }
}

/// The operands of a row when each is contiguous or one number.
fn operands<'a>(row: &Row<2>, left: Side<'a>, right: Side<'a>) -> Option<Operands<'a>> {
    let run = |data: &'a [f32], side: usize| &data[row.offsets[side]..row.offsets[side] + row.length];
    Some(match (left, right) {
        (Side::Read(a, _), Side::Read(b, _)) => match row.steps {
            [1, 1] => Operands::Both(run(a, 0), run(b, 1)),
            [0, 1] => Operands::LeftOne(a[row.offsets[0]], run(b, 1)),
            [1, 0] => Operands::RightOne(run(a, 0), b[row.offsets[1]]),
            _ => return None,
        },
        (Side::InPlace, Side::Read(b, _)) => match row.steps[1] {
            1 => Operands::InPlaceLeft(run(b, 1)),
            0 => Operands::InPlaceLeftOne(b[row.offsets[1]]),
            _ => return None,
        },
        (Side::Read(a, _), Side::InPlace) => match row.steps[0] {
            1 => Operands::InPlaceRight(run(a, 0)),
            0 => Operands::InPlaceRightOne(a[row.offsets[0]]),
            _ => return None,
        },
        (Side::InPlace, Side::InPlace) => return None,
    })
}

fn scalar_row(function: Binary, row: &Row<2>, left: Side<'_>, right: Side<'_>, out: &mut [f32]) {
    for index in 0..row.length {
        let position = row.start + index;
        let at = |side: Side<'_>, number: usize| match side {
            Side::Read(data, _) => {
                data[(row.offsets[number] as isize + index as isize * row.steps[number]) as usize]
            }
            Side::InPlace => out[position],
        };
        out[position] = binary_f32(function, at(left, 0), at(right, 1));
    }
}
