//! Sampling at positions that are computed.

use crate::graph::ValueId;
use crate::lower::shape::{checked_size, generated};
use crate::lower::{Call, Reason, invalid, length, unsupported};
use crate::op::{Epilogue, Fact, Op, SampleMode, SamplePadding};
use crate::tensor::{DType, Data, n_elements, strides};

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let output = match call.node.op_type.as_str() {
        "AffineGrid" => affine_grid(call)?,
        "GridSample" => grid_sample(call)?,
        "RoiAlign" => roi_align(call)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

/// The regular grid, with a 1 after the coordinates, times the affine matrix of each image.
fn affine_grid(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let theta = call.input(0)?;
    call.needs_dtype(theta, &[DType::F32])?;
    let size = call.ints(1, "its size")?.ok_or(Reason::Invalid("its size is missing".to_owned()))?;
    let size: Vec<usize> = size.into_iter().map(length).collect::<Result<_, _>>()?;
    let Some(&[n_batch, _, ref spatial @ ..]) = size.get(..) else { return invalid("its size is too short") };
    let n = spatial.len();
    if !matches!(n, 2 | 3) || call.dims(theta) != [n_batch, n, n + 1] {
        return invalid(format!("matrices of shape {:?} do not fit size {size:?}", call.dims(theta)));
    }
    let aligns_corners = call.node.attributes.flag("align_corners", false);
    let coordinate = |at: usize, n: usize| {
        if aligns_corners {
            2.0 * at as f32 / (n.max(2) - 1) as f32 - 1.0
        } else {
            (2 * at + 1) as f32 / n as f32 - 1.0
        }
    };
    let n_points = n_elements(spatial);
    checked_size(&[n_points, n + 1])?;
    let steps = strides(spatial);
    let mut grid = Vec::with_capacity(n_points * (n + 1));
    for point in 0..n_points {
        // The innermost dimension's coordinate comes first.
        grid.extend((0..n).rev().map(|axis| coordinate(point / steps[axis] % spatial[axis], spatial[axis])));
        grid.push(1.0);
    }
    let grid = generated(call, vec![n_points, n + 1], Data::F32(grid))?;
    let op = Op::MatMul { trans_a: false, trans_b: true, epilogue: Epilogue::default() };
    let points =
        call.emit(op, &[Some(grid), Some(theta)], Fact::new(DType::F32, vec![n_batch, n_points, n]))?;
    call.reshape(points, [&[n_batch], spatial, &[n]].concat())
}

fn grid_sample(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, grid) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(x, &[DType::F32])?;
    call.needs_dtype(grid, &[DType::F32])?;
    let (dims, grid_dims) = (call.dims(x), call.dims(grid));
    let n_spatial = dims.len().saturating_sub(2);
    if n_spatial == 0
        || grid_dims.len() != dims.len()
        || grid_dims[0] != dims[0]
        || grid_dims[n_spatial + 1] != n_spatial
        || dims[2..].contains(&0)
    {
        return invalid(format!("a grid of shape {grid_dims:?} does not fit {dims:?}"));
    }
    let attributes = &call.node.attributes;
    let mode = match attributes.text("mode", "linear") {
        "linear" | "bilinear" => SampleMode::Linear,
        "nearest" => SampleMode::Nearest,
        "cubic" | "bicubic" => SampleMode::Cubic,
        other => return unsupported(format!("mode `{other}`")),
    };
    let padding = match attributes.text("padding_mode", "zeros") {
        "zeros" => SamplePadding::Zeros,
        "border" => SamplePadding::Border,
        "reflection" => SamplePadding::Reflection,
        other => return unsupported(format!("padding `{other}`")),
    };
    let aligns_corners = attributes.flag("align_corners", false);
    let fact = Fact::new(DType::F32, [&dims[..2], &grid_dims[1..=n_spatial]].concat());
    call.emit(Op::GridSample { mode, padding, aligns_corners }, &[Some(x), Some(grid)], fact)
}

fn roi_align(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, regions, images) = (call.input(0)?, call.input(1)?, call.input(2)?);
    call.needs_dtype(x, &[DType::F32])?;
    call.needs_dtype(regions, &[DType::F32])?;
    call.needs_dtype(images, &[DType::I64, DType::I32])?;
    let dims = call.dims(x);
    let (&[_, n_channels, height, width], &[n_regions, 4], &[n_images]) =
        (&dims[..], &call.dims(regions)[..], &call.dims(images)[..])
    else {
        return invalid("its operands are not images, regions and one image per region");
    };
    if n_regions != n_images || height == 0 || width == 0 {
        return invalid("it has another number of regions than images of regions, or empty images");
    }
    let attributes = &call.node.attributes;
    let is_max = match attributes.text("mode", "avg") {
        "avg" => false,
        "max" => true,
        other => return unsupported(format!("mode `{other}`")),
    };
    let default = if call.opset < 16 { "output_half_pixel" } else { "half_pixel" };
    let half_pixel = attributes.text("coordinate_transformation_mode", default) == "half_pixel";
    let side = |name: &str| length(attributes.int(name, 1));
    let op = Op::RoiAlign {
        is_max,
        half_pixel,
        n_samples: length(attributes.int("sampling_ratio", 0))?,
        scale: attributes.float("spatial_scale", 1.0),
    };
    let fact =
        Fact::new(DType::F32, vec![n_regions, n_channels, side("output_height")?, side("output_width")?]);
    call.emit(op, &[Some(x), Some(regions), Some(images)], fact)
}
