//! Convolutions and pooling over one or two spatial dimensions.

use crate::graph::ValueId;
use crate::lower::shape::filled;
use crate::lower::{Call, Reason, invalid, length, unsupported};
use crate::op::{Epilogue, Fact, Op, Pooling, Unary, Window};
use crate::tensor::DType;

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let output = match call.node.op_type.as_str() {
        "Conv" => conv(call)?,
        "ConvTranspose" => conv_transpose(call)?,
        "MaxPool" => return max_pool(call).map(Some),
        "LpPool" => lp_pool(call)?,
        "AveragePool" => {
            let counts_padding = call.node.attributes.flag("count_include_pad", false);
            pool(call, Pooling::Average { counts_padding })?
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

/// Batch, channels and the one or two spatial lengths of an input.
struct Image {
    n: usize,
    channels: usize,
    spatial: Vec<usize>,
}

fn float_image(call: &Call<'_>, value: ValueId) -> Result<Image, Reason> {
    call.needs_dtype(value, &[DType::F32])?;
    image(call, value)
}

fn image(call: &Call<'_>, value: ValueId) -> Result<Image, Reason> {
    let dims = call.dims(value);
    match dims[..] {
        [n, channels, _] | [n, channels, _, _] => Ok(Image { n, channels, spatial: dims[2..].to_vec() }),
        _ => unsupported(format!("{} spatial dimensions", dims.len().saturating_sub(2))),
    }
}

/// One number per spatial dimension, as height and width.
fn pair(call: &Call<'_>, attribute: &str, rank: usize) -> Result<[usize; 2], Reason> {
    let given = call.node.attributes.ints(attribute).unwrap_or_default();
    if given.is_empty() {
        return Ok([1, 1]);
    }
    if given.len() != rank {
        return invalid(format!("`{attribute}` has {} numbers for {rank} dimensions", given.len()));
    }
    let given: Vec<usize> = given.iter().map(|&one| length(one)).collect::<Result<_, _>>()?;
    if given.contains(&0) {
        return invalid(format!("`{attribute}` has a 0"));
    }
    Ok(match given[..] {
        [width] => [1, width],
        _ => [given[0], given[1]],
    })
}

/// The window of a node; padding that the node wants computed is for an input of these lengths.
fn window(call: &Call<'_>, kernel: [usize; 2], size: [usize; 2], rank: usize) -> Result<Window, Reason> {
    let strides = pair(call, "strides", rank)?;
    let dilations = pair(call, "dilations", rank)?;
    let mut window = Window { kernel, strides, dilations, pads_begin: [0; 2], pads_end: [0; 2] };
    let offset = 2 - rank;
    match call.node.attributes.text("auto_pad", "NOTSET") {
        "NOTSET" => {
            let pads = call.node.attributes.ints("pads").unwrap_or_default();
            if !pads.is_empty() && pads.len() != 2 * rank {
                return invalid(format!("{} pads for {rank} dimensions", pads.len()));
            }
            for (index, &pad) in pads.iter().enumerate() {
                let side = if index < rank { &mut window.pads_begin } else { &mut window.pads_end };
                side[offset + index % rank] = length(pad)?;
            }
        }
        "VALID" => {}
        mode @ ("SAME_UPPER" | "SAME_LOWER") => {
            for axis in 0..2 {
                let n_windows = size[axis].div_ceil(strides[axis]);
                let covered = (n_windows.saturating_sub(1)) * strides[axis] + reach(&window, axis);
                let total = covered.saturating_sub(size[axis]);
                let small = total / 2;
                let begin = if mode == "SAME_UPPER" { small } else { total - small };
                window.pads_begin[axis] = begin;
                window.pads_end[axis] = total - begin;
            }
        }
        other => return invalid(format!("auto_pad `{other}`")),
    }
    Ok(window)
}

/// Input elements from the first to the last tap.
fn reach(window: &Window, axis: usize) -> usize {
    window.dilations[axis].saturating_mul(window.kernel[axis].saturating_sub(1)).saturating_add(1)
}

fn height_width(spatial: &[usize]) -> [usize; 2] {
    match *spatial {
        [width] => [1, width],
        [height, width, ..] => [height, width],
        [] => [1, 1],
    }
}

/// Number of windows along each dimension.
fn n_windows(window: &Window, size: [usize; 2], rounds_up: bool) -> Result<[usize; 2], Reason> {
    let mut counts = [0; 2];
    for axis in 0..2 {
        let padded = size[axis] + window.pads_begin[axis] + window.pads_end[axis];
        let Some(room) = padded.checked_sub(reach(window, axis)) else {
            return invalid("the window is larger than the padded input");
        };
        let stride = window.strides[axis];
        counts[axis] = if rounds_up { room.div_ceil(stride) } else { room / stride } + 1;
        // A window must start inside the input or the padding before it.
        if rounds_up && (counts[axis] - 1) * stride >= size[axis] + window.pads_begin[axis] {
            counts[axis] -= 1;
        }
    }
    Ok(counts)
}

fn out_dims(image: &Image, channels: usize, counts: [usize; 2]) -> Vec<usize> {
    match image.spatial.len() {
        1 => vec![image.n, channels, counts[1]],
        _ => vec![image.n, channels, counts[0], counts[1]],
    }
}

fn epilogue_of(call: &Call<'_>, n_channels: usize) -> Result<(Epilogue, Option<ValueId>), Reason> {
    let bias = call.optional(2);
    if bias.is_some_and(|bias| call.graph.fact(bias).n_elements() != n_channels) {
        return invalid("its bias is not one value per channel");
    }
    Ok((Epilogue { has_bias: bias.is_some(), ..Epilogue::default() }, bias))
}

fn conv(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, weights) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(x, &[DType::F32])?;
    call.needs_dtype(weights, &[DType::F32])?;
    let (window, groups, dims) = conv_window(call, x, weights)?;
    let (epilogue, bias) = epilogue_of(call, dims[1])?;
    let mut inputs = vec![Some(x), Some(weights)];
    inputs.extend(bias.map(Some));
    call.emit(Op::Conv { window, groups, epilogue }, &inputs, Fact::new(DType::F32, dims))
}

/// Window, groups and result's shape of a convolution of any type.
pub(super) fn conv_window(
    call: &Call<'_>,
    x: ValueId,
    weights: ValueId,
) -> Result<(Window, usize, Vec<usize>), Reason> {
    let input = image(call, x)?;
    let kernel = image(call, weights)?;
    let rank = input.spatial.len();
    if kernel.spatial.len() != rank {
        return invalid("its weights have another number of dimensions than its input");
    }
    let groups = length(call.node.attributes.int("group", 1))?;
    if groups == 0 || kernel.channels * groups != input.channels || kernel.n % groups != 0 {
        return invalid(format!(
            "{} input channels, {} output channels and {groups} groups do not fit weights of shape {:?}",
            input.channels,
            kernel.n,
            call.dims(weights)
        ));
    }
    let size = height_width(&input.spatial);
    let window = window(call, height_width(&kernel.spatial), size, rank)?;
    let counts = n_windows(&window, size, false)?;
    Ok((window, groups, out_dims(&input, kernel.n, counts)))
}

fn conv_transpose(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, weights) = (call.input(0)?, call.input(1)?);
    let input = float_image(call, x)?;
    let kernel = float_image(call, weights)?;
    let rank = input.spatial.len();
    let groups = length(call.node.attributes.int("group", 1))?;
    if kernel.spatial.len() != rank || groups == 0 || kernel.n != input.channels || kernel.n % groups != 0 {
        return invalid("its weights do not fit its input");
    }
    let n_channels = kernel.channels * groups;
    let size = height_width(&input.spatial);
    let attributes = &call.node.attributes;
    let auto_pad = attributes.text("auto_pad", "NOTSET");
    let strides = pair(call, "strides", rank)?;
    let dilations = pair(call, "dilations", rank)?;
    let mut window = Window {
        kernel: height_width(&kernel.spatial),
        strides,
        dilations,
        pads_begin: [0; 2],
        pads_end: [0; 2],
    };
    let spread = |window: &Window, axis: usize, extra: usize| {
        strides[axis] * size[axis].saturating_sub(1) + extra + reach(window, axis)
    };
    let mut extra = [0; 2];
    if let Some(given) = attributes.ints("output_padding") {
        for (index, &pad) in given.iter().take(rank).enumerate() {
            extra[2 - rank + index] = length(pad)?;
        }
    }
    let wanted = attributes.ints("output_shape").filter(|given| given.len() == rank);
    if wanted.is_some() || auto_pad.starts_with("SAME") {
        for index in 0..rank {
            let axis = 2 - rank + index;
            let target = match wanted {
                Some(given) => length(given[index])?,
                None => size[axis] * strides[axis],
            };
            let total = spread(&window, axis, extra[axis]).saturating_sub(target);
            let small = total / 2;
            let begin = if auto_pad == "SAME_LOWER" { total - small } else { small };
            window.pads_begin[axis] = begin;
            window.pads_end[axis] = total - begin;
        }
    } else if auto_pad == "NOTSET" {
        for (index, &pad) in attributes.ints("pads").unwrap_or_default().iter().take(2 * rank).enumerate() {
            let side = if index < rank { &mut window.pads_begin } else { &mut window.pads_end };
            side[2 - rank + index % rank] = length(pad)?;
        }
    }
    let mut counts = [1; 2];
    for axis in 2 - rank..2 {
        let cropped = window.pads_begin[axis] + window.pads_end[axis];
        let count = match wanted {
            // A shape larger than the taps reach is filled with zeros.
            Some(given) => Some(length(given[axis + rank - 2])?),
            None => spread(&window, axis, extra[axis]).checked_sub(cropped),
        };
        let Some(count) = count else { return invalid("its padding crops more than there is") };
        counts[axis] = count;
    }
    let (epilogue, bias) = epilogue_of(call, n_channels)?;
    let fact = Fact::new(DType::F32, out_dims(&input, n_channels, counts));
    let mut inputs = vec![Some(x), Some(weights)];
    inputs.extend(bias.map(Some));
    call.emit(Op::ConvTranspose { window, groups, epilogue }, &inputs, fact)
}

/// Window and result's shape of pooling, whose last windows may hang over the padded input.
fn pool_window(call: &Call<'_>, x: ValueId) -> Result<(Window, Vec<usize>), Reason> {
    let input = image(call, x)?;
    let rank = input.spatial.len();
    if !call.node.attributes.has("kernel_shape") {
        return invalid("its kernel shape is missing");
    }
    let size = height_width(&input.spatial);
    let window = window(call, pair(call, "kernel_shape", rank)?, size, rank)?;
    let rounds_up = call.node.attributes.flag("ceil_mode", false);
    let counts = n_windows(&window, size, rounds_up)?;
    Ok((window, out_dims(&input, input.channels, counts)))
}

fn pool(call: &mut Call<'_>, kind: Pooling) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let (window, dims) = pool_window(call, x)?;
    call.emit(Op::Pool { kind, window }, &[Some(x)], Fact::new(DType::F32, dims))
}

/// The largest element of each window, and on demand where it is. Bytes are exact as floats.
fn max_pool(call: &mut Call<'_>) -> Result<Vec<ValueId>, Reason> {
    let given = call.input(0)?;
    let dtype = call.dtype(given);
    call.needs_dtype(given, &[DType::F32, DType::U8, DType::I8])?;
    let x = call.cast(given, DType::F32)?;
    let (window, dims) = pool_window(call, x)?;
    let op = Op::Pool { kind: Pooling::Max, window };
    let largest = call.emit(op, &[Some(x)], Fact::new(DType::F32, dims.clone()))?;
    let mut outputs = vec![call.cast(largest, dtype)?];
    if call.node.outputs.len() > 1 {
        let by_column = call.node.attributes.int("storage_order", 0) != 0;
        let op = Op::PoolIndices { window, by_column };
        outputs.push(call.emit(op, &[Some(x)], Fact::new(DType::I64, dims))?);
    }
    Ok(outputs)
}

/// `(Σ |x|^p)^(1/p)` of each window: a convolution of powers with ones.
fn lp_pool(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let (mut window, dims) = pool_window(call, x)?;
    let p = call.node.attributes.int("p", 2) as f32;
    let fact = call.graph.fact(x).clone();
    let (n_channels, size) = (fact.dims[1], height_width(&fact.dims[2..]));
    for (axis, count) in height_width(&dims[2..]).into_iter().enumerate() {
        let end = count.saturating_sub(1) * window.strides[axis] + reach(&window, axis);
        let covered = size[axis] + window.pads_begin[axis] + window.pads_end[axis];
        window.pads_end[axis] += end.saturating_sub(covered);
    }
    let powers = call.emit(Op::Unary(vec![Unary::Abs, Unary::Power(p)]), &[Some(x)], fact.clone())?;
    let kernel = &window.kernel[4 - fact.dims.len()..];
    let ones = filled(call, [&[n_channels, 1], kernel].concat(), 1.0)?;
    let op = Op::Conv { window, groups: n_channels, epilogue: Epilogue::default() };
    let sums = call.emit(op, &[Some(powers), Some(ones)], Fact::new(DType::F32, dims.clone()))?;
    call.emit(Op::Unary(vec![Unary::Power(1.0 / p)]), &[Some(sums)], Fact::new(DType::F32, dims))
}
