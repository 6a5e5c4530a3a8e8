//! Convolutions, pooling and resizing; sums are kept in double precision.

use crate::op::{Epilogue, Fact, NearestRounding, Pooling, ResizeCoordinates, ResizeMode, Window};
use crate::reference::linear::Finish;
use crate::reference::quantize::points;
use crate::reference::{EvaluationError, Operands};
use crate::tensor::{Data, n_elements, strides};

/// Height and width of an image tensor; one-dimensional ones have height 1.
fn size(dims: &[usize]) -> [usize; 2] {
    match *dims {
        [_, _, width] => [1, width],
        [_, _, height, width] => [height, width],
        _ => [1, 1],
    }
}

/// Input position of a tap along an axis; `None` in the padding.
fn tap(window: &Window, axis: usize, out: usize, k: usize, length: usize) -> Option<usize> {
    let padded = out * window.strides[axis] + k * window.dilations[axis];
    padded.checked_sub(window.pads_begin[axis]).filter(|&position| position < length)
}

pub(super) fn conv(
    window: &Window,
    groups: usize,
    epilogue: &Epilogue,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let (x, w) = (operands.f32s(0)?, operands.f32s(1)?);
    let finish = Finish::new(epilogue, operands, 2)?;
    let mut out = Vec::with_capacity(fact.n_elements());
    let shapes = [operands.view(0)?.dims, operands.view(1)?.dims, &fact.dims];
    let product = |x_at: usize, w_at: usize, _channel| f64::from(x[x_at]) * f64::from(w[w_at]);
    each_conv_sum(window, groups, shapes, product, |channel, sum| {
        out.push(finish.apply(sum as f32, channel, out.len()));
    });
    Ok(Data::F32(out))
}

/// Sums of 8-bit products are exact in double precision.
pub(super) fn conv_integer(
    window: &Window,
    groups: usize,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let (x, w) = (operands.integers(0)?, operands.integers(1)?);
    let (x_points, w_points) = (points(operands, 2)?, points(operands, 3)?);
    let shapes = [operands.view(0)?.dims, operands.view(1)?.dims, &fact.dims];
    let product = |x_at: usize, w_at: usize, channel: usize| {
        let w_point = w_points[if w_points.len() == 1 { 0 } else { channel }];
        ((x[x_at] - x_points[0]) * (w[w_at] - w_point)) as f64
    };
    let mut out = Vec::with_capacity(fact.n_elements());
    each_conv_sum(window, groups, shapes, product, |_, sum| out.push(sum as i64 as i32));
    Ok(Data::I32(out))
}

/// Calls `finish` with the channel and the sum of products of every output element; shapes are those of the input, the
/// weights and the output.
fn each_conv_sum(
    window: &Window,
    groups: usize,
    [x_dims, w_dims, out_dims]: [&[usize]; 3],
    product: impl Fn(usize, usize, usize) -> f64,
    mut finish: impl FnMut(usize, f64),
) {
    let ([height, width], [out_height, out_width]) = (size(x_dims), size(out_dims));
    let [kernel_height, kernel_width] = window.kernel;
    let (in_channels, out_channels, per_group) = (x_dims[1], w_dims[0], w_dims[1]);
    for n in 0..x_dims[0] {
        for o in 0..out_channels {
            let first_channel = o / (out_channels / groups) * per_group;
            for i in 0..out_height {
                for j in 0..out_width {
                    let mut sum = 0.0;
                    for c in 0..per_group {
                        let plane = (n * in_channels + first_channel + c) * height;
                        let weights = (o * per_group + c) * kernel_height;
                        for ki in 0..kernel_height {
                            let Some(row) = tap(window, 0, i, ki, height) else { continue };
                            for kj in 0..kernel_width {
                                let Some(column) = tap(window, 1, j, kj, width) else { continue };
                                sum += product(
                                    (plane + row) * width + column,
                                    (weights + ki) * kernel_width + kj,
                                    o,
                                );
                            }
                        }
                    }
                    finish(o, sum);
                }
            }
        }
    }
}

pub(super) fn conv_transpose(
    window: &Window,
    groups: usize,
    epilogue: &Epilogue,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let (x_dims, w_dims) = (operands.view(0)?.dims, operands.view(1)?.dims);
    let (x, w) = (operands.f32s(0)?, operands.f32s(1)?);
    let finish = Finish::new(epilogue, operands, 2)?;
    let ([height, width], [out_height, out_width]) = (size(x_dims), size(&fact.dims));
    let [kernel_height, kernel_width] = window.kernel;
    let (in_channels, per_group) = (x_dims[1], w_dims[1]);
    let out_channels = per_group * groups;
    let mut sums = vec![0.0_f64; fact.n_elements()];
    for n in 0..x_dims[0] {
        for c in 0..in_channels {
            let first_out = c / (in_channels / groups) * per_group;
            for i in 0..height {
                for j in 0..width {
                    let value = f64::from(x[((n * in_channels + c) * height + i) * width + j]);
                    for o in 0..per_group {
                        let plane = (n * out_channels + first_out + o) * out_height;
                        let weights = (c * per_group + o) * kernel_height;
                        for ki in 0..kernel_height {
                            let Some(row) = tap_back(window, 0, i, ki, out_height) else { continue };
                            for kj in 0..kernel_width {
                                let Some(column) = tap_back(window, 1, j, kj, out_width) else { continue };
                                sums[(plane + row) * out_width + column] +=
                                    value * f64::from(w[(weights + ki) * kernel_width + kj]);
                            }
                        }
                    }
                }
            }
        }
    }
    let n_inner = out_height * out_width;
    let finish_one =
        |(flat, &sum): (usize, &f64)| finish.apply(sum as f32, flat / n_inner % out_channels, flat);
    Ok(Data::F32(sums.iter().enumerate().map(finish_one).collect()))
}

/// Output position that an input position and a tap contribute to; `None` where it is cropped.
fn tap_back(window: &Window, axis: usize, at: usize, k: usize, length: usize) -> Option<usize> {
    let spread = at * window.strides[axis] + k * window.dilations[axis];
    spread.checked_sub(window.pads_begin[axis]).filter(|&position| position < length)
}

pub(super) fn pool(
    kind: Pooling,
    window: &Window,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let size = size(operands.view(0)?.dims);
    // Elements of a window that lie in the padded input, which average pooling may divide by.
    let n_padded = |axis: usize, out: usize| {
        let first = out * window.strides[axis];
        let end = size[axis] + window.pads_begin[axis] + window.pads_end[axis];
        (0..window.kernel[axis]).filter(|k| first + k * window.dilations[axis] < end).count()
    };
    let mut out = Vec::with_capacity(fact.n_elements());
    each_window(window, size, operands, fact, |values, [i, j], _plane| {
        out.push(match kind {
            Pooling::Max => values.map(|(_, value)| value).fold(f32::NEG_INFINITY, |largest, value| {
                if value > largest || value.is_nan() { value } else { largest }
            }),
            Pooling::Average { counts_padding } => {
                let (sum, count) = values.fold((0.0, 0), |(sum, n), (_, x)| (sum + f64::from(x), n + 1));
                let n = if counts_padding { n_padded(0, i) * n_padded(1, j) } else { count };
                (sum / n as f64) as f32
            }
        });
    })?;
    Ok(Data::F32(out))
}

pub(super) fn pool_indices(
    window: &Window,
    by_column: bool,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let size = size(operands.view(0)?.dims);
    let [height, width] = size;
    let mut out = Vec::with_capacity(fact.n_elements());
    each_window(window, size, operands, fact, |values, _at, plane| {
        let first = values.reduce(|held, next| if next.1 > held.1 { next } else { held });
        let position = first.map_or(0, |(position, _)| position);
        let position = if by_column { position % width * height + position / width } else { position };
        out.push((plane * height * width + position) as i64);
    })?;
    Ok(Data::I64(out))
}

/// Calls `visit` with every window's elements and their positions in the plane, the window's row and column, and the
/// plane's index.
fn each_window(
    window: &Window,
    [height, width]: [usize; 2],
    operands: &Operands<'_>,
    fact: &Fact,
    mut visit: impl FnMut(&mut dyn Iterator<Item = (usize, f32)>, [usize; 2], usize),
) -> Result<(), EvaluationError> {
    let [out_height, out_width] = size(&fact.dims);
    let [kernel_height, kernel_width] = window.kernel;
    for (index, plane) in operands.f32s(0)?.chunks_exact((height * width).max(1)).enumerate() {
        for i in 0..out_height {
            for j in 0..out_width {
                let rows = (0..kernel_height).filter_map(|k| tap(window, 0, i, k, height));
                let mut values = rows.flat_map(|row| {
                    let columns = (0..kernel_width).filter_map(|k| tap(window, 1, j, k, width));
                    columns.map(move |column| (row * width + column, plane[row * width + column]))
                });
                visit(&mut values, [i, j], index);
            }
        }
    }
    Ok(())
}

/// Two input positions along an axis, and the weight of the second.
pub type ResizeSample = (usize, usize, f32);

/// What a resize mixes for every output position along an axis.
#[must_use]
pub fn resize_samples(
    coordinates: ResizeCoordinates,
    mode: ResizeMode,
    scale: f32,
    length: usize,
    n_out: usize,
) -> Vec<ResizeSample> {
    let last = length.saturating_sub(1) as f32;
    (0..n_out)
        .map(|out| {
            let at = out as f32;
            let position = match coordinates {
                ResizeCoordinates::HalfPixel => (at + 0.5) / scale - 0.5,
                ResizeCoordinates::PytorchHalfPixel if n_out == 1 => 0.0,
                ResizeCoordinates::PytorchHalfPixel => (at + 0.5) / scale - 0.5,
                ResizeCoordinates::AlignCorners if n_out == 1 => 0.0,
                ResizeCoordinates::AlignCorners => at * last / (n_out - 1) as f32,
                ResizeCoordinates::Asymmetric => at / scale,
            };
            match mode {
                ResizeMode::Nearest(rounding) => {
                    let nearest = match rounding {
                        NearestRounding::PreferFloor => (position - 0.5).ceil(),
                        NearestRounding::PreferCeil => (position + 0.5).floor(),
                        NearestRounding::Floor => position.floor(),
                        NearestRounding::Ceil => position.ceil(),
                    };
                    let nearest = nearest.clamp(0.0, last) as usize;
                    (nearest, nearest, 0.0)
                }
                ResizeMode::Linear => {
                    let position = position.clamp(0.0, last);
                    let low = position.floor();
                    (low as usize, (low as usize + 1).min(last as usize), position - low)
                }
            }
        })
        .collect()
}

pub(super) fn resize(
    coordinates: ResizeCoordinates,
    mode: ResizeMode,
    scales: &[f32],
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let mut dims = operands.view(0)?.dims.to_vec();
    let mut data = operands.f32s(0)?.to_vec();
    // One axis at a time: both modes are separable.
    for axis in 0..dims.len() {
        if dims[axis] == fact.dims[axis] {
            continue;
        }
        let samples = resize_samples(coordinates, mode, scales[axis], dims[axis], fact.dims[axis]);
        let n_inner = strides(&dims)[axis];
        let n_outer = n_elements(&dims[..axis]);
        let mut next = Vec::with_capacity(n_outer * samples.len() * n_inner);
        for outer in 0..n_outer {
            let slice = &data[outer * dims[axis] * n_inner..(outer + 1) * dims[axis] * n_inner];
            for &(low, high, weight) in &samples {
                let (low, high) = (&slice[low * n_inner..][..n_inner], &slice[high * n_inner..][..n_inner]);
                if weight == 0.0 {
                    next.extend_from_slice(low);
                } else {
                    next.extend(low.iter().zip(high).map(|(low, high)| low + (high - low) * weight));
                }
            }
        }
        dims[axis] = fact.dims[axis];
        data = next;
    }
    Ok(Data::F32(data))
}
