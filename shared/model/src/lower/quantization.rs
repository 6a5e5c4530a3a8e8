//! Quantization and exact integer products.

use crate::graph::ValueId;
use crate::lower::elementwise::lower_binary;
use crate::lower::linear::product_dims;
use crate::lower::window::conv_window;
use crate::lower::{Call, Reason, axis, invalid, unsupported};
use crate::op::{Binary, Fact, Op};
use crate::tensor::DType;

const BYTES: [DType; 2] = [DType::U8, DType::I8];

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let output = match call.node.op_type.as_str() {
        "DynamicQuantizeLinear" => return dynamic_quantize(call).map(Some),
        "QuantizeLinear" => quantize(call)?,
        "DequantizeLinear" => dequantize(call)?,
        "MatMulInteger" => {
            let operands = [call.input(0)?, call.input(1)?];
            let points = [call.optional(2), call.optional(3)];
            matmul_integer(call, operands, points)?
        }
        "ConvInteger" => {
            let operands = [call.input(0)?, call.input(1)?];
            let points = [call.optional(2), call.optional(3)];
            conv_integer(call, operands, points)?
        }
        "QLinearMatMul" => qlinear_matmul(call)?,
        "QLinearConv" => qlinear_conv(call)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

fn matmul_integer(
    call: &mut Call<'_>,
    [a, b]: [ValueId; 2],
    points: [Option<ValueId>; 2],
) -> Result<ValueId, Reason> {
    call.needs_dtype(a, &BYTES)?;
    call.needs_dtype(b, &BYTES)?;
    let (a_dims, b_dims) = (call.dims(a), call.dims(b));
    if a_dims.len() < 2 || b_dims.len() < 2 {
        return unsupported("a vector operand");
    }
    let dims = product_dims(&a_dims, &b_dims)?;
    for (point, n) in points.into_iter().zip([a_dims[a_dims.len() - 2], b_dims[b_dims.len() - 1]]) {
        let n_points = point.map_or(1, |point| call.graph.fact(point).n_elements());
        if n_points != 1 && n_points != n {
            return unsupported("its zero points are neither one nor one per row or column");
        }
    }
    let inputs = [Some(a), Some(b), points[0], points[1]];
    call.emit(Op::MatMulInteger, &inputs, Fact::new(DType::I32, dims))
}

fn conv_integer(
    call: &mut Call<'_>,
    [x, weights]: [ValueId; 2],
    points: [Option<ValueId>; 2],
) -> Result<ValueId, Reason> {
    call.needs_dtype(x, &BYTES)?;
    call.needs_dtype(weights, &BYTES)?;
    let (window, groups, dims) = conv_window(call, x, weights)?;
    let n_points = |point: Option<ValueId>| point.map_or(1, |point| call.graph.fact(point).n_elements());
    if n_points(points[0]) != 1 || ![1, dims[1]].contains(&n_points(points[1])) {
        return unsupported("its zero points are neither one nor one per output channel");
    }
    let inputs = [Some(x), Some(weights), points[0], points[1]];
    call.emit(Op::ConvInteger { window, groups }, &inputs, Fact::new(DType::I32, dims))
}

/// Inputs: a, its scale and zero point, b, its scale and zero point, the result's scale and zero point.
fn qlinear_matmul(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let operands = [call.input(0)?, call.input(3)?];
    let points = [call.optional(2), call.optional(5)];
    let sums = matmul_integer(call, operands, points)?;
    let axis = call.dims(sums).len() - 1;
    requantize(call, sums, axis)
}

/// Inputs as of `QLinearMatMul`, then an optional bias in 32 bits.
fn qlinear_conv(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let operands = [call.input(0)?, call.input(3)?];
    let points = [call.optional(2), call.optional(5)];
    let mut sums = conv_integer(call, operands, points)?;
    if let Some(bias) = call.optional(8) {
        let mut dims = vec![1; call.dims(sums).len() - 1];
        dims[0] = call.dims(sums)[1];
        let bias = call.reshape(bias, dims)?;
        sums = lower_binary(call, Binary::Add, sums, bias)?;
    }
    requantize(call, sums, 1)
}

/// 32-bit sums with the product of the operands' scales, in 8 bits with the result's scale and zero point.
fn requantize(call: &mut Call<'_>, sums: ValueId, axis: usize) -> Result<ValueId, Reason> {
    let (a_scale, b_scale) = (call.input(1)?, call.input(4)?);
    let scale = lower_binary(call, Binary::Mul, a_scale, b_scale)?;
    let dims = call.dims(sums);
    if ![1, dims[axis]].contains(&call.graph.fact(scale).n_elements()) {
        return unsupported("scales that are neither one nor one per column or channel");
    }
    let floats = call.emit(
        Op::Dequantize { axis },
        &[Some(sums), Some(scale), None],
        Fact::new(DType::F32, dims.clone()),
    )?;
    let (scale, point) = (call.input(6)?, call.input(7)?);
    call.needs_dtype(point, &BYTES)?;
    if call.graph.fact(scale).n_elements() != 1 {
        return unsupported("more than one scale of the result");
    }
    let fact = Fact::new(call.dtype(point), dims);
    call.emit(Op::Quantize { axis: 0 }, &[Some(floats), Some(scale), Some(point)], fact)
}

fn dynamic_quantize(call: &mut Call<'_>) -> Result<Vec<ValueId>, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let facts = vec![
        Fact::new(DType::U8, call.dims(x)),
        Fact::new(DType::F32, Vec::new()),
        Fact::new(DType::U8, Vec::new()),
    ];
    call.emit_all(Op::DynamicQuantize, &[Some(x)], facts)
}

/// Axis of the scales, after checking that there is one or one per element along it.
fn scale_axis(call: &Call<'_>, dims: &[usize]) -> Result<usize, Reason> {
    if call.node.attributes.int("block_size", 0) != 0 {
        return unsupported("blocked quantization");
    }
    let n_scales = call.graph.fact(call.input(1)?).n_elements();
    if n_scales == 1 {
        return Ok(0);
    }
    let axis = axis(call.node.attributes.int("axis", 1), dims.len())?;
    if n_scales == dims[axis] {
        return Ok(axis);
    }
    invalid(format!("{n_scales} scales for a dimension of {}", dims[axis]))
}

fn quantize(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, scale) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(x, &[DType::F32])?;
    let dims = call.dims(x);
    let axis = scale_axis(call, &dims)?;
    let point = call.optional(2);
    let dtype = match (point, call.node.attributes.int("output_dtype", 0)) {
        (Some(point), _) => call.dtype(point),
        (None, 0 | 2) => DType::U8,
        (None, 3) => DType::I8,
        (None, _) => return unsupported("its output type"),
    };
    if !matches!(dtype, DType::U8 | DType::I8) {
        return unsupported("its output type");
    }
    call.emit(Op::Quantize { axis }, &[Some(x), Some(scale), point], Fact::new(dtype, dims))
}

fn dequantize(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, scale) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(x, &[DType::U8, DType::I8, DType::I32])?;
    call.needs_dtype(scale, &[DType::F32])?;
    let dims = call.dims(x);
    let axis = scale_axis(call, &dims)?;
    let inputs = [Some(x), Some(scale), call.optional(2)];
    call.emit(Op::Dequantize { axis }, &inputs, Fact::new(DType::F32, dims))
}
