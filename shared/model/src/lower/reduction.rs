//! Reductions, softmax and normalisations.

use crate::graph::ValueId;
use crate::lower::elementwise::lower_binary;
use crate::lower::movement::listed_axes;
use crate::lower::{Call, Reason, axes, axis, invalid, length, unsupported};
use crate::op::{Binary, Fact, Op, Reduction, Unary};
use crate::tensor::{DType, n_elements};

/// ONNX's default for normalisations.
const DEFAULT_EPSILON: f32 = 1e-5;

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let output = match call.node.op_type.as_str() {
        "ReduceSum" => reduce(call, Reduction::Sum)?,
        "ReduceMean" => reduce(call, Reduction::Mean)?,
        "ReduceMax" => reduce(call, Reduction::Max)?,
        "ReduceMin" => reduce(call, Reduction::Min)?,
        "ReduceProd" => reduce(call, Reduction::Prod)?,
        "ReduceL1" => reduce(call, Reduction::L1)?,
        "ReduceL2" => reduce(call, Reduction::L2)?,
        "ReduceLogSum" => reduce(call, Reduction::LogSum)?,
        "ReduceLogSumExp" => reduce(call, Reduction::LogSumExp)?,
        "ReduceSumSquare" => reduce(call, Reduction::SumSquare)?,
        "ArgMax" => arg_reduce(call, true)?,
        "ArgMin" => arg_reduce(call, false)?,
        "TopK" => return top_k(call).map(Some),
        "CumSum" => cumulative_sum(call)?,
        "Softmax" => softmax(call, |axis| Op::Softmax { axis, is_log: false })?,
        "LogSoftmax" => softmax(call, |axis| Op::Softmax { axis, is_log: true })?,
        "Hardmax" => softmax(call, |axis| Op::Hardmax { axis })?,
        "LayerNormalization" => return layer_norm(call).map(Some),
        "RMSNormalization" => norm(call, true)?,
        "MeanVarianceNormalization" => mean_variance_norm(call)?,
        "GroupNormalization" => group_norm(call)?,
        "InstanceNormalization" => instance_norm(call)?,
        "BatchNormalization" => batch_norm(call)?,
        "LpNormalization" => lp_norm(call)?,
        "LRN" => local_response_norm(call)?,
        "GlobalAveragePool" => global_pool(call, Reduction::Mean)?,
        "GlobalMaxPool" => global_pool(call, Reduction::Max)?,
        "GlobalLpPool" => match call.node.attributes.int("p", 2) {
            1 => global_pool(call, Reduction::L1)?,
            2 => global_pool(call, Reduction::L2)?,
            other => return unsupported(format!("norm {other}")),
        },
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

fn emit_reduce(
    call: &mut Call<'_>,
    x: ValueId,
    kind: Reduction,
    axes: Vec<usize>,
    keeps_dims: bool,
) -> Result<ValueId, Reason> {
    let fact = call.graph.fact(x).clone();
    let dims = (0..fact.dims.len())
        .filter(|axis| keeps_dims || !axes.contains(axis))
        .map(|axis| if axes.contains(&axis) { 1 } else { fact.dims[axis] })
        .collect();
    call.emit(Op::Reduce { kind, axes }, &[Some(x)], Fact::new(fact.dtype, dims))
}

fn reduce(call: &mut Call<'_>, kind: Reduction) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let integral = matches!(kind, Reduction::Sum | Reduction::Max | Reduction::Min | Reduction::Prod);
    let is_integer = matches!(call.dtype(x), DType::I64 | DType::I32);
    let is_byte = matches!(call.dtype(x), DType::U8 | DType::I8 | DType::Bool)
        && matches!(kind, Reduction::Max | Reduction::Min);
    if !(call.dtype(x) == DType::F32 || integral && is_integer || is_byte) {
        return unsupported(format!("data type {}", call.dtype(x).as_str()));
    }
    let rank = call.dims(x).len();
    let axes = match listed_axes(call, rank)? {
        Some(axes) if !axes.is_empty() => axes,
        _ if call.node.attributes.flag("noop_with_empty_axes", false) => return Ok(x),
        _ => (0..rank).collect(),
    };
    let keeps_dims = call.node.attributes.flag("keepdims", true);
    emit_reduce(call, x, kind, axes, keeps_dims)
}

fn global_pool(call: &mut Call<'_>, kind: Reduction) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let rank = call.dims(x).len();
    emit_reduce(call, x, kind, (2..rank).collect(), true)
}

fn arg_reduce(call: &mut Call<'_>, is_max: bool) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let mut dims = call.dims(x);
    let axis = axis(call.node.attributes.int("axis", 0), dims.len())?;
    if dims[axis] == 0 {
        return invalid("an empty axis has no largest element");
    }
    dims[axis] = 1;
    if !call.node.attributes.flag("keepdims", true) {
        dims.remove(axis);
    }
    let takes_last = call.node.attributes.flag("select_last_index", false);
    call.emit(Op::ArgReduce { axis, is_max, takes_last }, &[Some(x)], Fact::new(DType::I64, dims))
}

fn top_k(call: &mut Call<'_>) -> Result<Vec<ValueId>, Reason> {
    let x = call.input(0)?;
    let mut dims = call.dims(x);
    let axis = axis(call.node.attributes.int("axis", -1), dims.len())?;
    let k = match call.ints(1, "its k")? {
        Some(k) => k.first().copied().unwrap_or(0),
        None => call.node.attributes.int("k", 0),
    };
    let k = length(k)?;
    if k > dims[axis] {
        return invalid(format!("{k} of {} elements", dims[axis]));
    }
    dims[axis] = k;
    let facts = vec![Fact::new(call.dtype(x), dims.clone()), Fact::new(DType::I64, dims)];
    let is_max = call.node.attributes.flag("largest", true);
    call.emit_all(Op::TopK { axis, is_max }, &[Some(x)], facts)
}

fn cumulative_sum(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32, DType::I64, DType::I32])?;
    let fact = call.graph.fact(x).clone();
    let given = call.ints(1, "its axis")?.and_then(|values| values.first().copied()).unwrap_or(0);
    let axis = axis(given, fact.dims.len())?;
    let is_exclusive = call.node.attributes.flag("exclusive", false);
    let is_reverse = call.node.attributes.flag("reverse", false);
    call.emit(Op::CumSum { axis, is_exclusive, is_reverse }, &[Some(x)], fact)
}

/// Before opset 13 the axis splits the shape into rows and columns.
fn softmax(call: &mut Call<'_>, op: fn(usize) -> Op) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let fact = call.graph.fact(x).clone();
    let default = if call.opset < 13 { 1 } else { -1 };
    let axis = axis(call.node.attributes.int("axis", default), fact.dims.len())?;
    if call.opset >= 13 || axis + 1 == fact.dims.len() {
        return call.emit(op(axis), &[Some(x)], fact);
    }
    let rows = vec![n_elements(&fact.dims[..axis]), n_elements(&fact.dims[axis..])];
    let flat = call.reshape(x, rows.clone())?;
    let result = call.emit(op(1), &[Some(flat)], Fact::new(fact.dtype, rows))?;
    call.reshape(result, fact.dims)
}

/// The normalised input, and on demand its mean and the reciprocal of its standard deviation.
fn layer_norm(call: &mut Call<'_>) -> Result<Vec<ValueId>, Reason> {
    let mut outputs = vec![norm(call, false)?];
    if call.node.outputs.iter().skip(1).any(Option::is_some) {
        let x = call.input(0)?;
        let rank = call.dims(x).len();
        let axis = axis(call.node.attributes.int("axis", -1), rank)?;
        let epsilon = call.node.attributes.float("epsilon", DEFAULT_EPSILON);
        let [mean, _, variance] = moments(call, x, &(axis..rank).collect::<Vec<_>>())?;
        let functions = vec![Unary::Affine { scale: 1.0, shift: epsilon }, Unary::Sqrt, Unary::Reciprocal];
        let fact = call.graph.fact(variance).clone();
        outputs.extend([mean, call.emit(Op::Unary(functions), &[Some(variance)], fact)?]);
    }
    Ok(outputs)
}

/// Mean over axes, differences from it, and variance.
fn moments(call: &mut Call<'_>, x: ValueId, axes: &[usize]) -> Result<[ValueId; 3], Reason> {
    let mean = emit_reduce(call, x, Reduction::Mean, axes.to_vec(), true)?;
    let centred = lower_binary(call, Binary::Sub, x, mean)?;
    let squares = lower_binary(call, Binary::Mul, centred, centred)?;
    let variance = emit_reduce(call, squares, Reduction::Mean, axes.to_vec(), true)?;
    Ok([mean, centred, variance])
}

fn mean_variance_norm(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let given = call.node.attributes.ints("axes").unwrap_or(&[0, 2, 3]).to_vec();
    let axes = axes(&given, call.dims(x).len())?;
    let [_, centred, variance] = moments(call, x, &axes)?;
    // The constant is the one of ONNX's function definition.
    let functions = vec![Unary::Sqrt, Unary::Affine { scale: 1.0, shift: 1e-9 }];
    let fact = call.graph.fact(variance).clone();
    let deviation = call.emit(Op::Unary(functions), &[Some(variance)], fact)?;
    lower_binary(call, Binary::Div, centred, deviation)
}

fn norm(call: &mut Call<'_>, is_rms: bool) -> Result<ValueId, Reason> {
    let (x, scale) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(x, &[DType::F32])?;
    let fact = call.graph.fact(x).clone();
    let axis = axis(call.node.attributes.int("axis", -1), fact.dims.len())?;
    let epsilon = call.node.attributes.float("epsilon", DEFAULT_EPSILON);
    let n = n_elements(&fact.dims[axis..]);
    let bias = call.optional(2);
    if call.graph.fact(scale).n_elements() != n || bias.is_some_and(|b| call.graph.fact(b).n_elements() != n)
    {
        return unsupported("a scale or bias that is not one per normalised element");
    }
    call.emit(Op::LayerNorm { axis, epsilon, is_rms }, &[Some(x), Some(scale), bias], fact)
}

fn channels(call: &Call<'_>) -> Result<(ValueId, Fact, usize), Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let fact = call.graph.fact(x).clone();
    match fact.dims.get(1) {
        Some(&n_channels) => Ok((x, fact, n_channels)),
        None => invalid("its input has no channels"),
    }
}

fn needs_per_channel(call: &Call<'_>, values: &[ValueId], n_channels: usize) -> Result<(), Reason> {
    match values.iter().find(|&&value| call.graph.fact(value).n_elements() != n_channels) {
        Some(&value) => invalid(format!("{:?} is not one value per channel", call.dims(value))),
        None => Ok(()),
    }
}

fn instance_norm(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, fact, n_channels) = channels(call)?;
    let (scale, bias) = (call.input(1)?, call.input(2)?);
    needs_per_channel(call, &[scale, bias], n_channels)?;
    let epsilon = call.node.attributes.float("epsilon", DEFAULT_EPSILON);
    call.emit(Op::GroupNorm { n_groups: n_channels, epsilon }, &[Some(x), Some(scale), Some(bias)], fact)
}

fn group_norm(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, fact, n_channels) = channels(call)?;
    let n_groups = length(call.node.attributes.int("num_groups", 1))?;
    if n_groups == 0 || n_channels % n_groups != 0 {
        return invalid(format!("{n_channels} channels do not divide into {n_groups} groups"));
    }
    let epsilon = call.node.attributes.float("epsilon", DEFAULT_EPSILON);
    let mut operands = [call.input(1)?, call.input(2)?];
    for operand in &mut operands {
        // Opset 18 has one value per group, opset 21 one per channel.
        if call.graph.fact(*operand).n_elements() == n_groups && n_groups != n_channels {
            let column = call.reshape(*operand, vec![n_groups, 1])?;
            let repeated = Fact::new(DType::F32, vec![n_groups, n_channels / n_groups]);
            let repeated = call.emit(Op::Expand, &[Some(column)], repeated)?;
            *operand = call.reshape(repeated, vec![n_channels])?;
        }
    }
    needs_per_channel(call, &operands, n_channels)?;
    let inputs = [Some(x), Some(operands[0]), Some(operands[1])];
    call.emit(Op::GroupNorm { n_groups, epsilon }, &inputs, fact)
}

/// `scale / √(variance + ε)` and `bias − mean · that`, then one affine step per channel.
fn batch_norm(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, fact, n_channels) = channels(call)?;
    if call.node.attributes.flag("training_mode", false) || call.node.attributes.int("spatial", 1) == 0 {
        return unsupported("training, or statistics per position");
    }
    let [scale, bias, mean, variance] = [call.input(1)?, call.input(2)?, call.input(3)?, call.input(4)?];
    needs_per_channel(call, &[scale, bias, mean, variance], n_channels)?;
    let epsilon = call.node.attributes.float("epsilon", DEFAULT_EPSILON);
    let per_channel = Fact::new(DType::F32, call.dims(variance));
    let root = vec![Unary::Affine { scale: 1.0, shift: epsilon }, Unary::Sqrt];
    let deviation = call.emit(Op::Unary(root), &[Some(variance)], per_channel)?;
    let factor = lower_binary(call, Binary::Div, scale, deviation)?;
    let moved = lower_binary(call, Binary::Mul, mean, factor)?;
    let shift = lower_binary(call, Binary::Sub, bias, moved)?;
    call.emit(Op::ChannelAffine, &[Some(x), Some(factor), Some(shift)], fact)
}

fn lp_norm(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let fact = call.graph.fact(x).clone();
    let axis = axis(call.node.attributes.int("axis", -1), fact.dims.len())?;
    let p = match call.node.attributes.int("p", 2) {
        1 => 1,
        2 => 2,
        other => return unsupported(format!("norm {other}")),
    };
    call.emit(Op::LpNorm { axis, p }, &[Some(x)], fact)
}

fn local_response_norm(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, fact, _) = channels(call)?;
    let attributes = &call.node.attributes;
    let op = Op::LocalResponseNorm {
        size: length(attributes.int("size", 1))?.max(1),
        alpha: attributes.float("alpha", 0.0001),
        beta: attributes.float("beta", 0.75),
        bias: attributes.float("bias", 1.0),
    };
    call.emit(op, &[Some(x)], fact)
}
