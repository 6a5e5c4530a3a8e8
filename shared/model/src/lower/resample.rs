//! Resizing, in the spellings of every opset.

use crate::graph::ValueId;
use crate::lower::{Call, Reason, axis, invalid, length, unsupported};
use crate::op::{Fact, NearestRounding, Op, ResizeCoordinates, ResizeMode};
use crate::tensor::DType;

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    if !matches!(call.node.op_type.as_str(), "Resize" | "Upsample") {
        return Ok(None);
    }
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let dims = call.dims(x);
    let is_modern = call.node.op_type == "Resize" && call.opset >= 11;
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
    if attributes.text("keep_aspect_ratio_policy", "stretch") != "stretch"
        || attributes.flag("antialias", false)
    {
        return unsupported("anti-aliasing or a kept aspect ratio");
    }
    let (mut out, mut scales) = (dims.clone(), vec![1.0; dims.len()]);
    let n_given = sizes.as_ref().map_or_else(|| given_scales.as_ref().map_or(0, Vec::len), Vec::len);
    if n_given != over.len() {
        return invalid(format!("{n_given} scales or sizes for {} dimensions", over.len()));
    }
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
    let coordinates = if is_modern {
        match attributes.text("coordinate_transformation_mode", "half_pixel") {
            "half_pixel" => ResizeCoordinates::HalfPixel,
            "pytorch_half_pixel" => ResizeCoordinates::PytorchHalfPixel,
            "align_corners" => ResizeCoordinates::AlignCorners,
            "asymmetric" => ResizeCoordinates::Asymmetric,
            other => return unsupported(format!("coordinates `{other}`")),
        }
    } else {
        ResizeCoordinates::Asymmetric
    };
    let mode = match attributes.text("mode", "nearest") {
        "nearest" if !is_modern => ResizeMode::Nearest(NearestRounding::Floor),
        "nearest" => ResizeMode::Nearest(match attributes.text("nearest_mode", "round_prefer_floor") {
            "round_prefer_floor" => NearestRounding::PreferFloor,
            "round_prefer_ceil" => NearestRounding::PreferCeil,
            "floor" => NearestRounding::Floor,
            "ceil" => NearestRounding::Ceil,
            other => return unsupported(format!("rounding `{other}`")),
        }),
        "linear" => ResizeMode::Linear,
        other => return unsupported(format!("mode `{other}`")),
    };
    if out == dims {
        return Ok(Some(vec![x]));
    }
    let fact = Fact::new(DType::F32, out);
    call.emit(Op::Resize { coordinates, mode, scales }, &[Some(x)], fact).map(|output| Some(vec![output]))
}
