//! Resizing, in the spellings of every opset.

use crate::graph::ValueId;
use crate::lower::resample::matrix::{Interpolation, Position, Sampling};
use crate::lower::shape::generated;
use crate::lower::{Call, Reason, axis, invalid, length, unsupported};
use crate::op::{Epilogue, Fact, NearestRounding, Op, ResizeCoordinates, ResizeMode};
use crate::tensor::{DType, Data, Tensor, n_elements};

mod matrix;

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    if !matches!(call.node.op_type.as_str(), "Resize" | "Upsample") {
        return Ok(None);
    }
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let dims = call.dims(x);
    let is_modern = call.node.op_type == "Resize" && call.opset >= 11;
    let Target { out, scales, over } = target(call, &dims, is_modern)?;
    if out.contains(&0) || dims.contains(&0) {
        return unsupported("an empty image");
    }
    let attributes = &call.node.attributes;
    let interpolation = interpolation(call, is_modern)?;
    let position = match attributes.text("coordinate_transformation_mode", "half_pixel") {
        _ if !is_modern => Position::Plain(ResizeCoordinates::Asymmetric),
        "half_pixel" => Position::Plain(ResizeCoordinates::HalfPixel),
        "pytorch_half_pixel" => Position::Plain(ResizeCoordinates::PytorchHalfPixel),
        "align_corners" => Position::Plain(ResizeCoordinates::AlignCorners),
        "asymmetric" => Position::Plain(ResizeCoordinates::Asymmetric),
        "half_pixel_symmetric" => Position::Symmetric,
        "tf_crop_and_resize" => Position::Crop,
        other => return unsupported(format!("coordinates `{other}`")),
    };
    let is_antialiased = attributes.flag("antialias", false);
    let mode = match interpolation {
        Interpolation::Nearest(rounding) => Some(ResizeMode::Nearest(rounding)),
        Interpolation::Linear if !is_antialiased => Some(ResizeMode::Linear),
        Interpolation::Linear | Interpolation::Cubic { .. } => None,
    };
    // Corners are aligned with the length that the scale asks for, which may not be whole.
    let is_whole = |axis: usize| (scales[axis] * dims[axis] as f32).fract() == 0.0;
    match (position, mode) {
        (Position::Plain(coordinates), Some(mode))
            if coordinates != ResizeCoordinates::AlignCorners || (0..dims.len()).all(is_whole) =>
        {
            if out == dims {
                return Ok(Some(vec![x]));
            }
            let op = Op::Resize { coordinates, mode, scales };
            call.emit(op, &[Some(x)], Fact::new(DType::F32, out)).map(|output| Some(vec![output]))
        }
        _ => {
            let regions = regions(call, position, &over, dims.len())?;
            let excludes_outside = attributes.flag("exclude_outside", false);
            let outside = attributes.float("extrapolation_value", 0.0);
            let mut result = x;
            for &axis in &over {
                let sampling = Sampling {
                    position,
                    interpolation,
                    scale: f64::from(scales[axis]),
                    region: regions[axis],
                    n_in: dims[axis],
                    n_out: out[axis],
                    is_antialiased,
                    excludes_outside,
                };
                result = resample(call, result, axis, &sampling, outside)?;
            }
            Ok(Some(vec![result]))
        }
    }
}

/// What a node wants: the lengths and scales of all axes, and the axes it names.
struct Target {
    out: Vec<usize>,
    scales: Vec<f32>,
    over: Vec<usize>,
}

fn target(call: &Call<'_>, dims: &[usize], is_modern: bool) -> Result<Target, Reason> {
    let attributes = &call.node.attributes;
    let given_scales = if is_modern {
        call.floats(2, "its scales")?
    } else {
        match attributes.floats("scales") {
            Some(scales) => Some(scales.to_vec()),
            None => call.floats(1, "its scales")?,
        }
    };
    let given_scales = given_scales.filter(|scales| !scales.is_empty());
    let sizes = if is_modern { call.ints(3, "its sizes")? } else { None };
    let over = match attributes.ints("axes") {
        Some(given) => given.iter().map(|&one| axis(one, dims.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..dims.len()).collect(),
    };
    let n_given = sizes.as_ref().map_or_else(|| given_scales.as_ref().map_or(0, Vec::len), Vec::len);
    if n_given != over.len() {
        return invalid(format!("{n_given} scales or sizes for {} dimensions", over.len()));
    }
    let (mut out, mut scales) = (dims.to_vec(), vec![1.0; dims.len()]);
    for (index, &axis) in over.iter().enumerate() {
        match (&sizes, &given_scales) {
            (Some(sizes), _) => {
                out[axis] = length(sizes[index])?;
                scales[axis] = out[axis] as f32 / dims[axis] as f32;
            }
            (None, Some(given)) if given[index] > 0.0 => {
                scales[axis] = given[index];
                out[axis] = (dims[axis] as f32 * given[index]).floor() as usize;
            }
            _ => return invalid("it has neither scales nor sizes"),
        }
    }
    let all = over.iter().map(|&axis| scales[axis]);
    let common = match attributes.text("keep_aspect_ratio_policy", "stretch") {
        _ if sizes.is_none() => None,
        "not_larger" => all.reduce(f32::min),
        "not_smaller" => all.reduce(f32::max),
        _ => None,
    };
    if let Some(common) = common {
        for &axis in &over {
            scales[axis] = common;
            out[axis] = (common * dims[axis] as f32 + 0.5).floor() as usize;
        }
    }
    Ok(Target { out, scales, over })
}

fn interpolation(call: &Call<'_>, is_modern: bool) -> Result<Interpolation, Reason> {
    let attributes = &call.node.attributes;
    Ok(match attributes.text("mode", "nearest") {
        "nearest" if !is_modern => Interpolation::Nearest(NearestRounding::Floor),
        "nearest" => Interpolation::Nearest(match attributes.text("nearest_mode", "round_prefer_floor") {
            "round_prefer_floor" => NearestRounding::PreferFloor,
            "round_prefer_ceil" => NearestRounding::PreferCeil,
            "floor" => NearestRounding::Floor,
            "ceil" => NearestRounding::Ceil,
            other => return unsupported(format!("rounding `{other}`")),
        }),
        "linear" => Interpolation::Linear,
        "cubic" => Interpolation::Cubic { a: f64::from(attributes.float("cubic_coeff_a", -0.75)) },
        other => return unsupported(format!("mode `{other}`")),
    })
}

/// First and last point of the cropped region along each axis, as fractions of the input.
fn regions(
    call: &Call<'_>,
    position: Position,
    over: &[usize],
    rank: usize,
) -> Result<Vec<[f64; 2]>, Reason> {
    let mut regions = vec![[0.0, 1.0]; rank];
    if position == Position::Crop {
        let given = call.floats(1, "its region")?.unwrap_or_default();
        if given.len() != 2 * over.len() {
            return invalid("its region does not fit its axes");
        }
        for (index, &axis) in over.iter().enumerate() {
            regions[axis] = [f64::from(given[index]), f64::from(given[index + over.len()])];
        }
    }
    Ok(regions)
}

/// One axis resized by a product with a constant matrix; what lies outside of the input gets a value.
fn resample(
    call: &mut Call<'_>,
    x: ValueId,
    axis: usize,
    sampling: &Sampling,
    outside: f32,
) -> Result<ValueId, Reason> {
    let mut dims = call.dims(x);
    let (n_in, n_out) = (sampling.n_in, sampling.n_out);
    let (weights, is_inside) = sampling.matrix();
    if weights.is_identity() {
        return Ok(x);
    }
    let weights = generated(call, vec![n_out, n_in], Data::F32(weights.elements))?;
    let (n_outer, n_inner) = (n_elements(&dims[..axis]), n_elements(&dims[axis + 1..]));
    let product = |trans_b| Op::MatMul { trans_a: false, trans_b, epilogue: Epilogue::default() };
    let resized = if n_inner == 1 {
        let rows = call.reshape(x, vec![n_outer, n_in])?;
        let fact = Fact::new(DType::F32, vec![n_outer, n_out]);
        call.emit(product(true), &[Some(rows), Some(weights)], fact)?
    } else {
        let slices = call.reshape(x, vec![n_outer, n_in, n_inner])?;
        let fact = Fact::new(DType::F32, vec![n_outer, n_out, n_inner]);
        call.emit(product(false), &[Some(weights), Some(slices)], fact)?
    };
    dims[axis] = n_out;
    let resized = call.reshape(resized, dims.clone())?;
    if is_inside.iter().all(|&inside| inside) {
        return Ok(resized);
    }
    let mut mask_dims = vec![1; dims.len()];
    mask_dims[axis] = n_out;
    let mask = Data::Bool(is_inside.into_iter().map(u8::from).collect());
    let mask = generated(call, mask_dims, mask)?;
    let outside = call.constant(Tensor::scalar(outside));
    call.emit(Op::Where, &[Some(mask), Some(resized), Some(outside)], Fact::new(DType::F32, dims))
}
