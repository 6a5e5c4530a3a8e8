//! WGSL expressions of element-wise functions. `$0`, `$1` and `$2` stand for the operands.

use crate::op::{Binary, Unary};
use crate::tensor::DType;

/// Type of an element on the GPU: integers and truth values are 32-bit.
pub(super) fn element(dtype: DType) -> &'static str {
    if dtype == DType::F32 { "f32" } else { "i32" }
}

/// A float as WGSL, with all the digits that tell it from numbers beyond the range of floats.
pub(super) fn literal(value: f32) -> String {
    if value.is_finite() {
        format!("({:?})", f64::from(value))
    } else {
        format!("bits({:#x}u)", value.to_bits())
    }
}

/// A function on floats that gives a float; truth values are 0 and 1.
pub(super) fn unary(function: Unary) -> String {
    let truth = |condition: &str| format!("select(0.0, 1.0, {condition})");
    match function {
        Unary::Abs => "abs($0)".to_owned(),
        Unary::Neg => "-$0".to_owned(),
        Unary::Ceil => "ceil($0)".to_owned(),
        Unary::Floor => "floor($0)".to_owned(),
        Unary::Round => "round($0)".to_owned(),
        Unary::Sign => "sign_of($0)".to_owned(),
        Unary::Sqrt => "sqrt($0)".to_owned(),
        Unary::Reciprocal => "1.0 / $0".to_owned(),
        Unary::Exp => "exp($0)".to_owned(),
        Unary::Log => "log($0)".to_owned(),
        Unary::Erf => "erf($0)".to_owned(),
        Unary::Sin => "sin($0)".to_owned(),
        Unary::Cos => "cos($0)".to_owned(),
        Unary::Tan => "tan($0)".to_owned(),
        Unary::Asin => "atan2($0, sqrt((1.0 - $0) * (1.0 + $0)))".to_owned(),
        Unary::Acos => "atan2(sqrt((1.0 - $0) * (1.0 + $0)), $0)".to_owned(),
        Unary::Atan => "atan($0)".to_owned(),
        Unary::Sinh => "sinh_of($0)".to_owned(),
        Unary::Cosh => "0.5 * (exp($0) + exp(-$0))".to_owned(),
        Unary::Tanh => "tanh_of($0)".to_owned(),
        Unary::Asinh => "asinh_of($0)".to_owned(),
        Unary::Acosh => "log($0 + sqrt(($0 - 1.0) * ($0 + 1.0)))".to_owned(),
        Unary::Atanh => "0.5 * log((1.0 + $0) / (1.0 - $0))".to_owned(),
        Unary::Sigmoid => "sigmoid($0)".to_owned(),
        Unary::Relu => "select($0, 0.0, $0 < 0.0)".to_owned(),
        Unary::LeakyRelu(slope) => format!("select($0, $0 * {}, $0 < 0.0)", literal(slope)),
        Unary::Elu(alpha) => format!("select($0, {} * (exp($0) - 1.0), $0 < 0.0)", literal(alpha)),
        Unary::Celu(alpha) => {
            let a = literal(alpha);
            format!("larger($0, 0.0) + smaller(0.0, {a} * (exp($0 / {a}) - 1.0))")
        }
        Unary::Selu { alpha, gamma } => {
            let (alpha, gamma) = (literal(alpha), literal(gamma));
            format!("{gamma} * select($0, {alpha} * (exp($0) - 1.0), $0 < 0.0)")
        }
        Unary::Softplus => "softplus($0)".to_owned(),
        Unary::Softsign => "$0 / (1.0 + abs($0))".to_owned(),
        Unary::HardSigmoid { alpha, beta } => {
            format!("clip({} * $0 + {}, 0.0, 1.0)", literal(alpha), literal(beta))
        }
        Unary::HardSwish => "$0 * clip($0 / 6.0 + 0.5, 0.0, 1.0)".to_owned(),
        Unary::Silu => "$0 * sigmoid($0)".to_owned(),
        Unary::Mish => "$0 * tanh_of(softplus($0))".to_owned(),
        Unary::Gelu => "0.5 * $0 * (1.0 + erf($0 * 0.70710678))".to_owned(),
        Unary::GeluTanh => {
            "0.5 * $0 * (1.0 + tanh_of(0.7978846 * ($0 + 0.044715 * $0 * $0 * $0)))".to_owned()
        }
        Unary::ThresholdedRelu(alpha) => format!("select(0.0, $0, $0 > {})", literal(alpha)),
        Unary::Shrink { lambda, bias } => {
            let (lambda, bias) = (literal(lambda), literal(bias));
            format!("select(select(0.0, $0 - {bias}, $0 > {lambda}), $0 + {bias}, $0 < -{lambda})")
        }
        Unary::Clip { low, high } => format!("clip($0, {}, {})", literal(low), literal(high)),
        Unary::Affine { scale, shift: 0.0 } => format!("$0 * {}", literal(scale)),
        Unary::Affine { scale, shift } => format!("$0 * {} + {}", literal(scale), literal(shift)),
        Unary::Power(2.0) => "$0 * $0".to_owned(),
        Unary::Power(3.0) => "$0 * $0 * $0".to_owned(),
        Unary::Power(0.5) => "sqrt($0)".to_owned(),
        Unary::Power(p) => format!("power($0, {})", literal(p)),
        Unary::IsNan => truth("is_nan($0)"),
        Unary::IsInf { positive, negative } => {
            truth(&format!("is_infinite($0) && select({negative}, {positive}, $0 > 0.0)"))
        }
        Unary::Not | Unary::BitNot => truth("$0 == 0.0"),
    }
}

/// A function on integers or truth values; `None` for those of floats only.
pub(super) fn unary_integer(function: Unary) -> Option<&'static str> {
    match function {
        Unary::Abs => Some("abs($0)"),
        Unary::Neg => Some("-$0"),
        Unary::Sign => Some("sign($0)"),
        Unary::Relu => Some("max($0, 0)"),
        Unary::BitNot => Some("~$0"),
        Unary::Not => Some("1 - $0"),
        _ => None,
    }
}

/// A function of two operands of one type; comparisons give 0 or 1 as integers.
pub(super) fn binary(function: Binary, dtype: DType) -> String {
    let is_float = dtype == DType::F32;
    let pick = |float: &str, integer: &str| if is_float { float } else { integer }.to_owned();
    let compare = |symbol: &str| format!("select(0, 1, $0 {symbol} $1)");
    let zero = if is_float { "0.0" } else { "0" };
    match function {
        Binary::Add => "$0 + $1".to_owned(),
        Binary::Sub => "$0 - $1".to_owned(),
        Binary::Mul => "$0 * $1".to_owned(),
        Binary::Div => "$0 / $1".to_owned(),
        Binary::Pow => pick("power($0, $1)", "power_integer($0, $1)"),
        Binary::Min => pick("smaller($0, $1)", "min($0, $1)"),
        Binary::Max => pick("larger($0, $1)", "max($0, $1)"),
        Binary::Mod => pick("$0 - $1 * floor($0 / $1)", "modulo($0, $1)"),
        Binary::Fmod => "$0 % $1".to_owned(),
        Binary::PRelu => format!("select($0, $0 * $1, $0 < {zero})"),
        Binary::Equal => compare("=="),
        Binary::Greater => compare(">"),
        Binary::GreaterOrEqual => compare(">="),
        Binary::Less => compare("<"),
        Binary::LessOrEqual => compare("<="),
        Binary::And => "$0 & $1".to_owned(),
        Binary::Or => "$0 | $1".to_owned(),
        Binary::Xor => "$0 ^ $1".to_owned(),
    }
}

/// Brings the result of integer arithmetic back into the range of a type.
pub(super) fn wrap(dtype: DType) -> Option<&'static str> {
    match dtype {
        DType::U8 => Some("narrow_unsigned($0)"),
        DType::I8 => Some("narrow_signed($0)"),
        DType::F32 | DType::I64 | DType::I32 | DType::Bool => None,
    }
}

/// Conversion between types; `None` when the bits on the GPU are the same.
pub(super) fn cast(from: DType, to: DType) -> Option<&'static str> {
    match (from, to) {
        (DType::F32, DType::F32) => None,
        (DType::F32, DType::Bool) => Some("select(0, 1, $0 != 0.0)"),
        (DType::F32, DType::U8) => Some("i32(clamp($0, 0.0, 255.0))"),
        (DType::F32, DType::I8) => Some("i32(clamp($0, -128.0, 127.0))"),
        (DType::F32, DType::I32 | DType::I64) => Some("i32($0)"),
        (_, DType::F32) => Some("f32($0)"),
        (DType::Bool, _) => None,
        (_, DType::Bool) => Some("select(0, 1, $0 != 0)"),
        (DType::U8, DType::U8) | (DType::I8, DType::I8) => None,
        (_, DType::U8 | DType::I8) => wrap(to),
        (_, DType::I32 | DType::I64) => None,
    }
}
