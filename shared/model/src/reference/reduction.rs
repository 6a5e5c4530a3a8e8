//! Reductions, softmax and normalisations; sums are kept in double precision.

use crate::op::{Fact, Reduction};
use crate::reference::{EvaluationError, Operands};
use crate::tensor::{Data, DataRef, n_elements, strides};
use crate::walk::rows;

/// Positions of the elements that each output element combines: outputs by row, in order.
fn groups(dims: &[usize], axes: &[usize], mut visit: impl FnMut(&mut dyn Iterator<Item = usize>)) {
    let own = strides(dims);
    let signed = |axis: usize| own[axis] as isize;
    let kept: Vec<usize> = (0..dims.len()).filter(|axis| !axes.contains(axis)).collect();
    let kept_dims: Vec<usize> = kept.iter().map(|&axis| dims[axis]).collect();
    let kept_strides: Vec<isize> = kept.iter().map(|&axis| signed(axis)).collect();
    let reduced_dims: Vec<usize> = axes.iter().map(|&axis| dims[axis]).collect();
    let reduced_strides: Vec<isize> = axes.iter().map(|&axis| signed(axis)).collect();
    let mut offsets = Vec::with_capacity(n_elements(&reduced_dims));
    rows(&reduced_dims, [0], [&reduced_strides], |row| {
        offsets.extend((0..row.length).map(|index| row.offsets[0] + index * row.steps[0] as usize));
    });
    rows(&kept_dims, [0], [&kept_strides], |row| {
        for index in 0..row.length {
            let base = row.offsets[0] + index * row.steps[0] as usize;
            visit(&mut offsets.iter().map(|offset| base + offset));
        }
    });
}

pub(super) fn reduce(
    kind: Reduction,
    axes: &[usize],
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    macro_rules! integers {
        ($data:expr, $kind:ident, $type:ty) => {{
            let mut out: Vec<$type> = Vec::with_capacity(fact.n_elements());
            groups(x.dims, axes, |positions| {
                let values = positions.map(|position| $data[position]);
                out.push(match kind {
                    Reduction::Max => values.max().unwrap_or_default(),
                    Reduction::Min => values.min().unwrap_or_default(),
                    Reduction::Prod => values.fold(1, |product: $type, x| product.wrapping_mul(x)),
                    _ => values.fold(0, |sum: $type, x| sum.wrapping_add(x)),
                });
            });
            Ok(Data::$kind(out))
        }};
    }
    match x.data {
        DataRef::F32(data) => {
            let mut out = Vec::with_capacity(fact.n_elements());
            groups(x.dims, axes, |positions| {
                out.push(reduce_f32(kind, positions.map(|position| data[position])));
            });
            Ok(Data::F32(out))
        }
        DataRef::I64(data) => integers!(data, I64, i64),
        DataRef::I32(data) => integers!(data, I32, i32),
        DataRef::U8(data) => integers!(data, U8, u8),
        DataRef::I8(data) => integers!(data, I8, i8),
        DataRef::Bool(data) => integers!(data, Bool, u8),
    }
}

fn reduce_f32(kind: Reduction, values: impl Iterator<Item = f32>) -> f32 {
    let wide = values.map(f64::from);
    match kind {
        Reduction::Sum => wide.sum::<f64>() as f32,
        Reduction::Mean => {
            let (sum, n) = wide.fold((0.0, 0_usize), |(sum, n), x| (sum + x, n + 1));
            (sum / n as f64) as f32
        }
        Reduction::Max => wide.fold(f64::NEG_INFINITY, |a, b| if b > a || b.is_nan() { b } else { a }) as f32,
        Reduction::Min => wide.fold(f64::INFINITY, |a, b| if b < a || b.is_nan() { b } else { a }) as f32,
        Reduction::Prod => wide.product::<f64>() as f32,
        Reduction::L1 => wide.map(f64::abs).sum::<f64>() as f32,
        Reduction::L2 => wide.map(|x| x * x).sum::<f64>().sqrt() as f32,
        Reduction::LogSum => wide.sum::<f64>().ln() as f32,
        Reduction::SumSquare => wide.map(|x| x * x).sum::<f64>() as f32,
        Reduction::LogSumExp => {
            let values: Vec<f64> = wide.collect();
            let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if largest.is_infinite() {
                return largest as f32;
            }
            (values.iter().map(|x| (x - largest).exp()).sum::<f64>().ln() + largest) as f32
        }
    }
}

pub(super) fn arg_reduce(
    axis: usize,
    is_max: bool,
    takes_last: bool,
    operands: &Operands<'_>,
) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    macro_rules! best {
        ($data:expr) => {{
            let mut out = Vec::new();
            groups(x.dims, &[axis], |positions| {
                let mut best: Option<(usize, _)> = None;
                for (index, position) in positions.enumerate() {
                    let value = $data[position];
                    let wins = best.is_none_or(|(_, held)| {
                        let beats = if is_max { value > held } else { value < held };
                        beats || takes_last && value == held
                    });
                    if wins {
                        best = Some((index, value));
                    }
                }
                out.push(best.map_or(0, |(index, _)| index as i64));
            });
            Data::I64(out)
        }};
    }
    Ok(match x.data {
        DataRef::F32(data) => best!(data),
        DataRef::I64(data) => best!(data),
        DataRef::I32(data) => best!(data),
        DataRef::U8(data) | DataRef::Bool(data) => best!(data),
        DataRef::I8(data) => best!(data),
    })
}

pub(super) fn top_k(
    axis: usize,
    is_max: bool,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Vec<Data>, EvaluationError> {
    let x = operands.view(0)?;
    let k = fact.dims[axis];
    let n_inner = n_elements(&fact.dims[axis + 1..]);
    macro_rules! select {
        ($data:expr, $kind:ident, $zero:expr) => {{
            let mut values = vec![$zero; fact.n_elements()];
            let mut indices = vec![0; fact.n_elements()];
            let mut group = 0;
            groups(x.dims, &[axis], |positions| {
                let mut order: Vec<(usize, _)> =
                    positions.map(|position| $data[position]).enumerate().collect();
                // Stable, so of equal elements the first comes first.
                order.sort_by(|(_, a), (_, b)| {
                    let ordering = b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal);
                    if is_max { ordering } else { ordering.reverse() }
                });
                let (outer, inner) = (group / n_inner, group % n_inner);
                for (rank, &(index, value)) in order.iter().take(k).enumerate() {
                    let at = (outer * k + rank) * n_inner + inner;
                    values[at] = value;
                    indices[at] = index as i64;
                }
                group += 1;
            });
            vec![Data::$kind(values), Data::I64(indices)]
        }};
    }
    Ok(match x.data {
        DataRef::F32(data) => select!(data, F32, 0.0),
        DataRef::I64(data) => select!(data, I64, 0),
        DataRef::I32(data) => select!(data, I32, 0),
        DataRef::U8(data) => select!(data, U8, 0),
        DataRef::I8(data) => select!(data, I8, 0),
        DataRef::Bool(data) => select!(data, Bool, 0),
    })
}

pub(super) fn cumulative_sum(
    axis: usize,
    is_exclusive: bool,
    is_reverse: bool,
    operands: &Operands<'_>,
) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    macro_rules! sums {
        ($data:expr, $zero:expr, $add:expr) => {{
            let mut out = $data.to_vec();
            groups(x.dims, &[axis], |positions| {
                let mut order: Vec<usize> = positions.collect();
                if is_reverse {
                    order.reverse();
                }
                let mut sum = $zero;
                for position in order {
                    let next = $add(sum, $data[position]);
                    out[position] = if is_exclusive { sum } else { next };
                    sum = next;
                }
            });
            out
        }};
    }
    match x.data {
        DataRef::F32(data) => Ok(Data::F32(sums!(data, 0.0_f32, |a: f32, b: f32| a + b))),
        DataRef::I64(data) => Ok(Data::I64(sums!(data, 0_i64, i64::wrapping_add))),
        DataRef::I32(data) => Ok(Data::I32(sums!(data, 0_i32, i32::wrapping_add))),
        DataRef::U8(_) | DataRef::I8(_) | DataRef::Bool(_) => Err(operands.wrong_type(x.data.dtype())),
    }
}

/// Rewrites the elements along an axis together.
fn along_axis(
    axis: usize,
    operands: &Operands<'_>,
    mut rewrite: impl FnMut(&mut [f32]),
) -> Result<Data, EvaluationError> {
    let x = operands.view(0)?;
    let mut out = operands.f32s(0)?.to_vec();
    groups(x.dims, &[axis], |positions| {
        let positions: Vec<usize> = positions.collect();
        let mut values: Vec<f32> = positions.iter().map(|&position| out[position]).collect();
        rewrite(&mut values);
        for (&position, value) in positions.iter().zip(values) {
            out[position] = value;
        }
    });
    Ok(Data::F32(out))
}

pub(super) fn softmax(axis: usize, is_log: bool, operands: &Operands<'_>) -> Result<Data, EvaluationError> {
    along_axis(axis, operands, |values| {
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = values.iter().map(|&x| f64::from(x - largest).exp()).sum();
        for value in values {
            let shifted = f64::from(*value - largest);
            *value = (if is_log { shifted - sum.ln() } else { shifted.exp() / sum }) as f32;
        }
    })
}

pub(super) fn hardmax(axis: usize, operands: &Operands<'_>) -> Result<Data, EvaluationError> {
    along_axis(axis, operands, |values| {
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let first = values.iter().position(|&value| value == largest);
        for (index, value) in values.iter_mut().enumerate() {
            *value = f32::from(Some(index) == first);
        }
    })
}

pub(super) fn lp_norm(axis: usize, p: u8, operands: &Operands<'_>) -> Result<Data, EvaluationError> {
    along_axis(axis, operands, |values| {
        let wide = values.iter().map(|&x| f64::from(x));
        let norm =
            if p == 1 { wide.map(f64::abs).sum::<f64>() } else { wide.map(|x| x * x).sum::<f64>().sqrt() };
        for value in values {
            *value = if norm == 0.0 { 0.0 } else { (f64::from(*value) / norm) as f32 };
        }
    })
}

/// Subtracts the mean unless `is_rms`, and divides by the root of the mean square.
fn normalise(values: &mut [f32], epsilon: f32, is_rms: bool) {
    let n = values.len() as f64;
    let mean = if is_rms { 0.0 } else { values.iter().map(|&x| f64::from(x)).sum::<f64>() / n };
    let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    let factor = 1.0 / (variance + f64::from(epsilon)).sqrt();
    for value in values {
        *value = ((f64::from(*value) - mean) * factor) as f32;
    }
}

pub(super) fn layer_norm(
    axis: usize,
    epsilon: f32,
    is_rms: bool,
    operands: &Operands<'_>,
) -> Result<Data, EvaluationError> {
    let n = n_elements(&operands.view(0)?.dims[axis..]);
    let mut out = operands.f32s(0)?.to_vec();
    let scale = operands.f32s(1)?;
    let bias = if operands.optional(2).is_some() { Some(operands.f32s(2)?) } else { None };
    for row in out.chunks_exact_mut(n.max(1)) {
        normalise(row, epsilon, is_rms);
        for (index, value) in row.iter_mut().enumerate() {
            *value = *value * scale[index] + bias.map_or(0.0, |bias| bias[index]);
        }
    }
    Ok(Data::F32(out))
}

pub(super) fn group_norm(
    n_groups: usize,
    epsilon: f32,
    operands: &Operands<'_>,
) -> Result<Data, EvaluationError> {
    let dims = operands.view(0)?.dims;
    let mut out = operands.f32s(0)?.to_vec();
    let n = n_elements(&dims[1..]) / n_groups;
    for group in out.chunks_exact_mut(n.max(1)) {
        normalise(group, epsilon, false);
    }
    scale_channels(dims, &mut out, operands)?;
    Ok(Data::F32(out))
}

fn scale_channels(
    dims: &[usize],
    values: &mut [f32],
    operands: &Operands<'_>,
) -> Result<(), EvaluationError> {
    let (scale, bias) = (operands.f32s(1)?, operands.f32s(2)?);
    let n_inner = n_elements(&dims[2..]);
    for (index, channel) in values.chunks_exact_mut(n_inner.max(1)).enumerate() {
        let c = index % dims[1];
        for value in channel {
            *value = *value * scale[c] + bias[c];
        }
    }
    Ok(())
}

pub(super) fn channel_affine(operands: &Operands<'_>) -> Result<Data, EvaluationError> {
    let mut out = operands.f32s(0)?.to_vec();
    scale_channels(operands.view(0)?.dims, &mut out, operands)?;
    Ok(Data::F32(out))
}

/// `parameters` are alpha, beta and bias.
pub(super) fn local_response_norm(
    size: usize,
    parameters: [f32; 3],
    operands: &Operands<'_>,
) -> Result<Data, EvaluationError> {
    let dims = operands.view(0)?.dims;
    let x = operands.f32s(0)?;
    let [alpha, beta, bias] = parameters;
    let (n_channels, n_inner) = (dims[1], n_elements(&dims[2..]));
    let at = |flat: usize| {
        let (outer, c, inner) = (flat / (n_inner * n_channels), flat / n_inner % n_channels, flat % n_inner);
        let first = c.saturating_sub((size - 1) / 2);
        let last = (c + size / 2).min(n_channels - 1);
        let squares: f32 =
            (first..=last).map(|c| x[(outer * n_channels + c) * n_inner + inner].powi(2)).sum();
        x[flat] / (bias + alpha / size as f32 * squares).powf(beta)
    };
    Ok(Data::F32((0..x.len()).map(at).collect()))
}
