//! Element-wise operators.

use crate::graph::ValueId;
use crate::lower::shape::generated;
use crate::lower::{Call, Reason, invalid, unsupported};
use crate::op::{Binary, Fact, Op, Unary};
use crate::tensor::{DType, Data, broadcast};

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let op_type = call.node.op_type.as_str();
    let output = if let Some(function) = unary(call)? {
        lower_unary(call, function)?
    } else if let Some(function) = binary(call) {
        lower_binary_node(call, function)?
    } else {
        match op_type {
            "Sum" | "Mean" | "Min" | "Max" => lower_variadic(call)?,
            "Clip" => lower_clip(call)?,
            "Where" => lower_where(call)?,
            "Cast" | "CastLike" => lower_cast(call)?,
            "BitShift" => lower_shift(call)?,
            _ => return Ok(None),
        }
    };
    Ok(Some(vec![output]))
}

fn unary(call: &Call<'_>) -> Result<Option<Unary>, Reason> {
    let attributes = &call.node.attributes;
    let alpha = |default| attributes.float("alpha", default);
    Ok(Some(match call.node.op_type.as_str() {
        "Abs" => Unary::Abs,
        "Neg" => Unary::Neg,
        "Ceil" => Unary::Ceil,
        "Floor" => Unary::Floor,
        "Round" => Unary::Round,
        "Sign" => Unary::Sign,
        "Sqrt" => Unary::Sqrt,
        "Reciprocal" => Unary::Reciprocal,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Erf" => Unary::Erf,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Tan" => Unary::Tan,
        "Asin" => Unary::Asin,
        "Acos" => Unary::Acos,
        "Atan" => Unary::Atan,
        "Sinh" => Unary::Sinh,
        "Cosh" => Unary::Cosh,
        "Tanh" => Unary::Tanh,
        "Asinh" => Unary::Asinh,
        "Acosh" => Unary::Acosh,
        "Atanh" => Unary::Atanh,
        "Sigmoid" => Unary::Sigmoid,
        "Relu" => Unary::Relu,
        "LeakyRelu" => Unary::LeakyRelu(alpha(0.01)),
        "Elu" => Unary::Elu(alpha(1.0)),
        "Celu" => Unary::Celu(alpha(1.0)),
        "Selu" => Unary::Selu { alpha: alpha(1.673_263_2), gamma: attributes.float("gamma", 1.050_701) },
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "HardSigmoid" => Unary::HardSigmoid { alpha: alpha(0.2), beta: attributes.float("beta", 0.5) },
        "HardSwish" => Unary::HardSwish,
        "Mish" => Unary::Mish,
        "Gelu" => match attributes.text("approximate", "none") {
            "none" => Unary::Gelu,
            "tanh" => Unary::GeluTanh,
            other => return unsupported(format!("approximation `{other}`")),
        },
        "ThresholdedRelu" => Unary::ThresholdedRelu(alpha(1.0)),
        "Shrink" => {
            Unary::Shrink { lambda: attributes.float("lambd", 0.5), bias: attributes.float("bias", 0.0) }
        }
        "IsNaN" => Unary::IsNan,
        "IsInf" => Unary::IsInf {
            positive: attributes.flag("detect_positive", true),
            negative: attributes.flag("detect_negative", true),
        },
        "Not" => Unary::Not,
        "BitwiseNot" => Unary::BitNot,
        _ => return Ok(None),
    }))
}

fn lower_unary(call: &mut Call<'_>, function: Unary) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let fact = call.graph.fact(x).clone();
    let integers = [DType::I64, DType::I32, DType::U8, DType::I8];
    let accepts = match function {
        Unary::Not => fact.dtype == DType::Bool,
        Unary::BitNot => integers.contains(&fact.dtype),
        Unary::Abs | Unary::Neg | Unary::Sign | Unary::Relu => {
            fact.dtype == DType::F32 || integers.contains(&fact.dtype)
        }
        _ => fact.dtype == DType::F32,
    };
    if !accepts {
        return unsupported(format!("data type {}", fact.dtype.as_str()));
    }
    let is_truth = matches!(function, Unary::IsNan | Unary::IsInf { .. } | Unary::Not);
    let dtype = if is_truth { DType::Bool } else { fact.dtype };
    call.emit(Op::Unary(vec![function]), &[Some(x)], Fact::new(dtype, fact.dims))
}

fn binary(call: &Call<'_>) -> Option<Binary> {
    Some(match call.node.op_type.as_str() {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => Binary::Pow,
        "Mod" if call.node.attributes.flag("fmod", false) => Binary::Fmod,
        "Mod" => Binary::Mod,
        "PRelu" => Binary::PRelu,
        "Equal" => Binary::Equal,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterOrEqual,
        "Less" => Binary::Less,
        "LessOrEqual" => Binary::LessOrEqual,
        "And" | "BitwiseAnd" => Binary::And,
        "Or" | "BitwiseOr" => Binary::Or,
        "Xor" | "BitwiseXor" => Binary::Xor,
        _ => return None,
    })
}

fn lower_binary_node(call: &mut Call<'_>, function: Binary) -> Result<ValueId, Reason> {
    let (left, mut right) = (call.input(0)?, call.input(1)?);
    let dtype = call.dtype(left);
    if function != Binary::Pow || dtype == call.dtype(right) {
        return lower_binary(call, function, left, right);
    }
    // The result has the base's type, whatever the exponent's is.
    let base = call.cast(left, DType::F32)?;
    right = call.cast(right, DType::F32)?;
    let power = lower_binary(call, function, base, right)?;
    call.cast(power, dtype)
}

/// Shifts are products with powers of two, and divisions by them.
fn lower_shift(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, n_bits) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(x, &[DType::U8])?;
    let powers = (0..8).map(|bit| 1 << bit).collect();
    let powers = generated(call, vec![8], Data::U8(powers))?;
    let indices = call.cast(n_bits, DType::I32)?;
    let fact = Fact::new(DType::U8, call.dims(n_bits));
    let factor = call.emit(Op::Gather { axis: 0 }, &[Some(powers), Some(indices)], fact)?;
    match call.node.attributes.text("direction", "") {
        "LEFT" => lower_binary(call, Binary::Mul, x, factor),
        "RIGHT" => lower_binary(call, Binary::Div, x, factor),
        other => invalid(format!("direction `{other}`")),
    }
}

pub(super) fn lower_binary(
    call: &mut Call<'_>,
    function: Binary,
    left: ValueId,
    right: ValueId,
) -> Result<ValueId, Reason> {
    let (left_dtype, right_dtype) = (call.dtype(left), call.dtype(right));
    if left_dtype != right_dtype {
        return invalid(format!("it mixes {} with {}", left_dtype.as_str(), right_dtype.as_str()));
    }
    let logical = matches!(function, Binary::And | Binary::Or | Binary::Xor | Binary::Equal);
    if left_dtype == DType::Bool && !logical
        || left_dtype == DType::F32 && logical && function != Binary::Equal
    {
        return unsupported(format!("data type {}", left_dtype.as_str()));
    }
    let (left_dims, right_dims) = (call.dims(left), call.dims(right));
    let Some(dims) = broadcast(&left_dims, &right_dims) else {
        return invalid(format!("{left_dims:?} does not broadcast with {right_dims:?}"));
    };
    let dtype = if function.is_comparison() { DType::Bool } else { left_dtype };
    call.emit(Op::Binary(function), &[Some(left), Some(right)], Fact::new(dtype, dims))
}

fn lower_variadic(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let function = match call.node.op_type.as_str() {
        "Min" => Binary::Min,
        "Max" => Binary::Max,
        _ => Binary::Add,
    };
    let mut result = call.input(0)?;
    for index in 1..call.n_inputs() {
        let next = call.input(index)?;
        result = lower_binary(call, function, result, next)?;
    }
    if call.node.op_type == "Mean" && call.n_inputs() > 1 {
        let mean = Unary::Affine { scale: 1.0 / call.n_inputs() as f32, shift: 0.0 };
        call.needs_dtype(result, &[DType::F32])?;
        let fact = call.graph.fact(result).clone();
        result = call.emit(Op::Unary(vec![mean]), &[Some(result)], fact)?;
    }
    Ok(result)
}

fn lower_clip(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let fact = call.graph.fact(x).clone();
    let constant = |call: &Call<'_>, index: usize, default: f32| match call.optional(index) {
        None => Some(default),
        Some(value) => call.graph.constant(value)?.data().as_f32().and_then(|values| values.first().copied()),
    };
    if fact.dtype == DType::F32 {
        let attributes = &call.node.attributes;
        let bounds = if call.opset < 11 {
            Some((attributes.float("min", f32::NEG_INFINITY), attributes.float("max", f32::INFINITY)))
        } else {
            constant(call, 1, f32::NEG_INFINITY).zip(constant(call, 2, f32::INFINITY))
        };
        if let Some((low, high)) = bounds {
            return call.emit(Op::Unary(vec![Unary::Clip { low, high }]), &[Some(x)], fact);
        }
    }
    let mut result = x;
    if let Some(low) = call.optional(1) {
        result = lower_binary(call, Binary::Max, result, low)?;
    }
    if let Some(high) = call.optional(2) {
        result = lower_binary(call, Binary::Min, result, high)?;
    }
    Ok(result)
}

fn lower_where(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (condition, left, right) = (call.input(0)?, call.input(1)?, call.input(2)?);
    call.needs_dtype(condition, &[DType::Bool])?;
    let dtype = call.dtype(left);
    if dtype != call.dtype(right) {
        return invalid("its branches have different types");
    }
    let dims = broadcast(&call.dims(left), &call.dims(right))
        .and_then(|dims| broadcast(&call.dims(condition), &dims))
        .ok_or_else(|| Reason::Invalid("its inputs do not broadcast".to_owned()))?;
    call.emit(Op::Where, &[Some(condition), Some(left), Some(right)], Fact::new(dtype, dims))
}

fn lower_cast(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    if call.node.op_type == "CastLike" {
        let dtype = call.dtype(call.input(1)?);
        return call.cast(x, dtype);
    }
    let number = call.node.attributes.int("to", 0) as i32;
    let element = crate::dtype::ElementType::from_onnx(number);
    match element.and_then(DType::for_element) {
        Some(dtype) => call.cast(x, dtype),
        None => unsupported(format!("conversion to {}", element.map_or("undefined", |e| e.as_str()))),
    }
}
