//! Quantization and exact integer products.

use crate::op::{Epilogue, Fact};
use crate::reference::linear::{Finish, batch_dims, batch_offsets};
use crate::reference::{EvaluationError, Operands};
use crate::tensor::{DType, Data, DataRef, View, n_elements};

/// Scale and zero point that map the range of `values`, widened to hold 0, to 0–255.
pub(crate) fn dynamic_range(values: &[f32]) -> (f32, u8) {
    let low = values.iter().copied().fold(0.0, f32::min);
    let high = values.iter().copied().fold(0.0, f32::max);
    let scale = (high - low) / 255.0;
    if scale == 0.0 {
        return (1.0, 0);
    }
    (scale, (-low / scale).round_ties_even().clamp(0.0, 255.0) as u8)
}

fn quantize_one(x: f32, scale: f32, zero_point: u8) -> u8 {
    ((x / scale).round_ties_even() + f32::from(zero_point)).clamp(0.0, 255.0) as u8
}

pub(super) fn dynamic_quantize(operands: &Operands<'_>) -> Result<Vec<Data>, EvaluationError> {
    let x = operands.f32s(0)?;
    let (scale, zero_point) = dynamic_range(x);
    let quantized = x.iter().map(|&x| quantize_one(x, scale, zero_point)).collect();
    Ok(vec![Data::U8(quantized), Data::F32(vec![scale]), Data::U8(vec![zero_point])])
}

/// Index into scales for each element: one scale for all, or one along an axis.
fn scale_index(dims: &[usize], axis: usize, n_scales: usize) -> impl Fn(usize) -> usize {
    let n_inner = if n_scales == 1 { usize::MAX } else { n_elements(&dims[axis + 1..]).max(1) };
    move |flat| flat / n_inner % n_scales
}

pub(super) fn points(operands: &Operands<'_>, index: usize) -> Result<Vec<i64>, EvaluationError> {
    if operands.optional(index).is_some() { operands.integers(index) } else { Ok(vec![0]) }
}

pub(super) fn quantize(axis: usize, operands: &Operands<'_>, fact: &Fact) -> Result<Data, EvaluationError> {
    let (x, scales) = (operands.f32s(0)?, operands.f32s(1)?);
    let points = points(operands, 2)?;
    let at = scale_index(&fact.dims, axis, scales.len());
    let (low, high) = if fact.dtype == DType::I8 { (-128.0, 127.0) } else { (0.0, 255.0) };
    let rounded = x.iter().enumerate().map(|(flat, &x)| {
        let point = points[if points.len() == 1 { 0 } else { at(flat) }] as f32;
        ((x / scales[at(flat)]).round_ties_even() + point).clamp(low, high)
    });
    Ok(match fact.dtype {
        DType::I8 => Data::I8(rounded.map(|x| x as i8).collect()),
        _ => Data::U8(rounded.map(|x| x as u8).collect()),
    })
}

pub(super) fn dequantize(axis: usize, operands: &Operands<'_>) -> Result<Data, EvaluationError> {
    let view = operands.view(0)?;
    let scales = operands.f32s(1)?;
    let points = points(operands, 2)?;
    let at = scale_index(view.dims, axis, scales.len());
    let one = |flat: usize, x: i32| {
        let point = points[if points.len() == 1 { 0 } else { at(flat) }] as i32;
        x.wrapping_sub(point) as f32 * scales[at(flat)]
    };
    let out = match view.data {
        DataRef::U8(data) => data.iter().enumerate().map(|(flat, &x)| one(flat, i32::from(x))).collect(),
        DataRef::I8(data) => data.iter().enumerate().map(|(flat, &x)| one(flat, i32::from(x))).collect(),
        DataRef::I32(data) => data.iter().enumerate().map(|(flat, &x)| one(flat, x)).collect(),
        other => return Err(operands.wrong_type(other.dtype())),
    };
    Ok(Data::F32(out))
}

/// `Σ (a − za) · (b − zb)` in 32 bits, with zero points per row of a and per column of b.
fn integer_product(
    a: View<'_>,
    b: View<'_>,
    a_points: &[i64],
    b_points: &[i64],
    operands: &Operands<'_>,
) -> Result<Vec<i32>, EvaluationError> {
    let widen = |view: View<'_>| view.data.to_i64().ok_or_else(|| operands.wrong_type(view.data.dtype()));
    let (left, right) = (widen(a)?, widen(b)?);
    let (m, k) = (a.dims[a.dims.len() - 2], a.dims[a.dims.len() - 1]);
    let n = b.dims[b.dims.len() - 1];
    let out_batch = batch_dims(a.dims, b.dims);
    let offsets = batch_offsets(a.dims, &out_batch).into_iter().zip(batch_offsets(b.dims, &out_batch));
    let one_of = |points: &[i64], index: usize| points[if points.len() == 1 { 0 } else { index }];
    let mut out = Vec::with_capacity(n_elements(&out_batch) * m * n);
    for (a_offset, b_offset) in offsets {
        for i in 0..m {
            for j in 0..n {
                let (a_point, b_point) = (one_of(a_points, i), one_of(b_points, j));
                let product = |p: usize| {
                    (left[a_offset + i * k + p] - a_point) * (right[b_offset + p * n + j] - b_point)
                };
                out.push((0..k).map(product).sum::<i64>() as i32);
            }
        }
    }
    Ok(out)
}

pub(super) fn matmul_integer(operands: &Operands<'_>, _fact: &Fact) -> Result<Data, EvaluationError> {
    let (a_points, b_points) = (points(operands, 2)?, points(operands, 3)?);
    let (a, b) = (operands.view(0)?, operands.view(1)?);
    integer_product(a, b, &a_points, &b_points, operands).map(Data::I32)
}

pub(super) fn quantized_matmul(
    epilogue: &Epilogue,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let (a, b) = (operands.view(0)?, operands.view(1)?);
    let b_scales = operands.f32s(2)?;
    let b_points = points(operands, 3)?;
    let finish = Finish::new(epilogue, operands, 4)?;
    let x = operands.f32s(0)?;
    let (scale, zero_point) = dynamic_range(x);
    let quantized: Vec<u8> = x.iter().map(|&x| quantize_one(x, scale, zero_point)).collect();
    let quantized = View { dims: a.dims, data: DataRef::U8(&quantized) };
    let product = integer_product(quantized, b, &[i64::from(zero_point)], &b_points, operands)?;
    let n = fact.dims[fact.dims.len() - 1];
    let rescale = |(flat, &sum): (usize, &i32)| {
        let column = flat % n;
        let b_scale = b_scales[if b_scales.len() == 1 { 0 } else { column }];
        finish.apply(sum as f32 * (scale * b_scale), column, flat)
    };
    Ok(Data::F32(product.iter().enumerate().map(rescale).collect()))
}
