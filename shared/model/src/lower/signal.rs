//! Windows, mel filters and Fourier transforms. A transform is a product with a constant matrix, which costs more than a
//! fast one but runs on every backend's matmul.

use std::f64::consts::TAU;

use crate::graph::ValueId;
use crate::lower::elementwise::lower_binary;
use crate::lower::movement::transpose;
use crate::lower::shape::{checked_size, generated};
use crate::lower::{Call, Reason, axis, invalid, length, unsupported};
use crate::op::{Binary, Epilogue, Fact, Op};
use crate::tensor::{DType, Data, Tensor, n_elements};

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let output = match call.node.op_type.as_str() {
        "HannWindow" => window(call, [0.5, 0.5, 0.0])?,
        "HammingWindow" => window(call, [25.0 / 46.0, 21.0 / 46.0, 0.0])?,
        "BlackmanWindow" => window(call, [0.42, 0.5, 0.08])?,
        "MelWeightMatrix" => mel_weights(call)?,
        "DFT" => dft_node(call)?,
        "STFT" => stft(call)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

/// One whole number that must be constant.
fn number(call: &Call<'_>, index: usize, what: &str) -> Result<Option<i64>, Reason> {
    Ok(call.ints(index, what)?.and_then(|values| values.first().copied()))
}

fn needed(call: &Call<'_>, index: usize, what: &str) -> Result<i64, Reason> {
    number(call, index, what)?.ok_or_else(|| Reason::Invalid(format!("{what} is missing")))
}

fn needs_float_output(call: &Call<'_>) -> Result<(), Reason> {
    match call.node.attributes.int("output_datatype", 1) {
        1 => Ok(()),
        other => unsupported(format!("output type {other}")),
    }
}

/// `a − b · cos(2πn/N) + c · cos(4πn/N)`
fn window(call: &mut Call<'_>, [a, b, c]: [f64; 3]) -> Result<ValueId, Reason> {
    needs_float_output(call)?;
    let n = length(needed(call, 0, "its size")?)?;
    checked_size(&[n])?;
    let period = if call.node.attributes.flag("periodic", true) { n } else { n.saturating_sub(1) }.max(1);
    let at = |index: usize| {
        let angle = TAU * index as f64 / period as f64;
        (a - b * angle.cos() + c * (2.0 * angle).cos()) as f32
    };
    generated(call, vec![n], Data::F32((0..n).map(at).collect()))
}

/// Triangles between neighbouring points of the mel scale, [spectrogram bins, mel bins].
fn mel_weights(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    needs_float_output(call)?;
    let n_mels = length(needed(call, 0, "its number of bins")?)?;
    let n_fft = length(needed(call, 1, "its transform's length")?)?;
    let sample_rate = needed(call, 2, "its sample rate")? as f64;
    let edge = |index, what| -> Result<f64, Reason> {
        let hertz = call.floats(index, what)?.and_then(|values| values.first().copied());
        let hertz = hertz.ok_or_else(|| Reason::Invalid(format!("{what} is missing")))?;
        Ok(2595.0 * (1.0 + f64::from(hertz) / 700.0).log10())
    };
    let (low, high) = (edge(3, "its lower edge")?, edge(4, "its upper edge")?);
    let n_bins = n_fft / 2 + 1;
    let n = checked_size(&[n_bins, n_mels])?;
    let step = (high - low) / (n_mels + 2) as f64;
    let bin = |index: usize| {
        let hertz = 700.0 * (10_f64.powf((low + index as f64 * step) / 2595.0) - 1.0);
        (((n_fft + 1) as f64 * hertz / sample_rate).floor().max(0.0) as usize).min(n_bins)
    };
    let mut weights = vec![0.0; n];
    for mel in 0..n_mels {
        let [left, centre, right] = [bin(mel), bin(mel + 1), bin(mel + 2)];
        let mut set = |bin: usize, weight: f32| {
            if let Some(slot) = weights.get_mut(bin * n_mels + mel) {
                *slot = weight;
            }
        };
        if left == centre {
            set(centre, 1.0);
        }
        for bin in left..=centre {
            if centre > left {
                set(bin, (bin - left) as f32 / (centre - left) as f32);
            }
        }
        for bin in centre..right {
            set(bin, (right - bin) as f32 / (right - centre) as f32);
        }
    }
    generated(call, vec![n_bins, n_mels], Data::F32(weights))
}

/// A Fourier transform to compute.
#[derive(Clone, Copy)]
struct Transform {
    /// Elements that are transformed, after cutting or padding with zeros.
    length: usize,
    is_inverse: bool,
    /// Only the frequencies that a real signal does not mirror.
    is_onesided: bool,
}

fn dft_node(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let dims = call.dims(x);
    let given = if call.opset >= 20 {
        number(call, 2, "its axis")?.unwrap_or(-2)
    } else {
        call.node.attributes.int("axis", 1)
    };
    let axis = axis(given, dims.len())?;
    let length = match number(call, 1, "its length")? {
        Some(given) => length(given)?,
        None => dims[axis],
    };
    let attributes = &call.node.attributes;
    let transform = Transform {
        length,
        is_inverse: attributes.flag("inverse", false),
        is_onesided: attributes.flag("onesided", false),
    };
    dft(call, x, axis, transform)
}

fn dft(call: &mut Call<'_>, x: ValueId, axis: usize, transform: Transform) -> Result<ValueId, Reason> {
    call.needs_dtype(x, &[DType::F32])?;
    let mut dims = call.dims(x);
    let last = dims.len() - 1;
    if axis == last || !matches!(dims[last], 1 | 2) {
        return invalid(format!("{dims:?} is no signal of real or complex numbers"));
    }
    let (n_in, n_parts) = (dims[axis], dims[last]);
    let n_out = if transform.is_onesided { transform.length / 2 + 1 } else { transform.length };
    // The transformed axis goes before the parts of the numbers, where a matrix product takes both at once.
    let order: Vec<usize> = (0..last).filter(|&one| one != axis).chain([axis, last]).collect();
    let turned = transpose(call, x, order.clone())?;
    let n_rows = n_elements(&dims) / (n_in * n_parts).max(1);
    let rows = call.reshape(turned, vec![n_rows, n_in * n_parts])?;
    let matrix = fourier_matrix(transform, n_in, n_parts, n_out)?;
    let matrix = call.constant(matrix);
    let product = Op::MatMul { trans_a: false, trans_b: false, epilogue: Epilogue::default() };
    let fact = Fact::new(DType::F32, vec![n_rows, 2 * n_out]);
    let product = call.emit(product, &[Some(rows), Some(matrix)], fact)?;
    dims[axis] = n_out;
    dims[last] = 2;
    let split = call.reshape(product, order.iter().map(|&one| dims[one]).collect())?;
    let back = (0..=last).map(|one| order.iter().position(|&from| from == one).unwrap_or(one)).collect();
    transpose(call, split, back)
}

/// `[inputs · parts, outputs · 2]`
fn fourier_matrix(transform: Transform, n_in: usize, n_parts: usize, n_out: usize) -> Result<Tensor, Reason> {
    let dims = vec![n_in * n_parts, 2 * n_out];
    let n = checked_size(&dims)?;
    let length = transform.length.max(1);
    let factor = if transform.is_inverse { 1.0 / length as f64 } else { 1.0 };
    let mut matrix = Vec::with_capacity(n);
    for row in 0..n_in * n_parts {
        let (at, is_imaginary) = (row / n_parts, row % n_parts == 1);
        for frequency in 0..n_out {
            let angle = TAU * (at * frequency % length) as f64 / length as f64;
            let angle = if transform.is_inverse { angle } else { -angle };
            let (sin, cos) = if at < transform.length { angle.sin_cos() } else { (0.0, 0.0) };
            let pair = if is_imaginary { [-sin, cos] } else { [cos, sin] };
            matrix.extend(pair.map(|part| (part * factor) as f32));
        }
    }
    Tensor::new(dims, Data::F32(matrix)).ok_or(Reason::Invalid("its matrix overflows".to_owned()))
}

fn stft(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let &[n_batch, n_samples, n_parts] = &call.dims(x)[..] else {
        return invalid("its signal does not have 3 dimensions");
    };
    let step = length(needed(call, 1, "its frame step")?)?;
    let window = call.optional(2);
    let n_frame = match (number(call, 3, "its frame length")?, window) {
        (Some(given), _) => length(given)?,
        (None, Some(window)) => call.graph.fact(window).n_elements(),
        (None, None) => n_samples,
    };
    if step == 0 || n_frame == 0 || n_frame > n_samples {
        return invalid(format!("frames of {n_frame} every {step} in {n_samples} samples"));
    }
    let n_frames = 1 + (n_samples - n_frame) / step;
    checked_size(&[n_frames, n_frame])?;
    let positions = (0..n_frames).flat_map(|frame| (0..n_frame).map(move |at| (frame * step + at) as i64));
    let positions = generated(call, vec![n_frames, n_frame], Data::I64(positions.collect()))?;
    let fact = Fact::new(call.dtype(x), vec![n_batch, n_frames, n_frame, n_parts]);
    let mut frames = call.emit(Op::Gather { axis: 1 }, &[Some(x), Some(positions)], fact)?;
    if let Some(window) = window {
        let window = call.reshape(window, vec![n_frame, 1])?;
        frames = lower_binary(call, Binary::Mul, frames, window)?;
    }
    let is_onesided = call.node.attributes.flag("onesided", true);
    dft(call, frames, 2, Transform { length: n_frame, is_inverse: false, is_onesided })
}
