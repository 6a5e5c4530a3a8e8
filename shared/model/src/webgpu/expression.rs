//! WGSL expressions of element-wise functions.

use crate::op::{Binary, Unary};
use crate::tensor::DType;

/// Type of an element on the GPU: integers and truth values are 32-bit.
pub(super) fn element(dtype: DType) -> &'static str {
    if dtype == DType::F32 { "f32" } else { "i32" }
}

/// WGSL of a function: `$0`, `$1` and `$2` stand for its operands, `#0` and so on for its constants, which are parameters of
/// the kernel, so that kernels that differ in numbers only are one shader.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Function {
    pub(super) text: String,
    pub(super) constants: Vec<f32>,
}

impl From<&str> for Function {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), constants: Vec::new() }
    }
}

impl From<String> for Function {
    fn from(text: String) -> Self {
        Self { text, constants: Vec::new() }
    }
}

impl Function {
    fn new(text: &str, constants: &[f32]) -> Self {
        Self { text: text.to_owned(), constants: constants.to_vec() }
    }

    /// The expression for operands of these names; its constants are added to the kernel's.
    pub(super) fn apply(&self, operands: &[String], constants: &mut Vec<f32>) -> String {
        let mut text = self.text.clone();
        for (index, name) in operands.iter().enumerate() {
            text = text.replace(&format!("${index}"), name);
        }
        for (index, value) in self.constants.iter().enumerate() {
            text = text.replace(&format!("#{index}"), &format!("p.f{}", constants.len()));
            constants.push(*value);
        }
        text
    }
}

/// A function on floats that gives a float; truth values are 0 and 1.
pub(super) fn unary(function: Unary) -> Function {
    match function {
        Unary::LeakyRelu(slope) => Function::new("select($0, $0 * #0, $0 < 0.0)", &[slope]),
        Unary::Elu(alpha) => Function::new("select($0, #0 * (exp($0) - 1.0), $0 < 0.0)", &[alpha]),
        Unary::Celu(alpha) => {
            Function::new("larger($0, 0.0) + smaller(0.0, #0 * (exp($0 / #0) - 1.0))", &[alpha])
        }
        Unary::Selu { alpha, gamma } => {
            Function::new("#1 * select($0, #0 * (exp($0) - 1.0), $0 < 0.0)", &[alpha, gamma])
        }
        Unary::HardSigmoid { alpha, beta } => Function::new("clip(#0 * $0 + #1, 0.0, 1.0)", &[alpha, beta]),
        Unary::ThresholdedRelu(alpha) => Function::new("select(0.0, $0, $0 > #0)", &[alpha]),
        Unary::Shrink { lambda, bias } => {
            Function::new("select(select(0.0, $0 - #1, $0 > #0), $0 + #1, $0 < -#0)", &[lambda, bias])
        }
        Unary::Clip { low, high } => Function::new("clip($0, #0, #1)", &[low, high]),
        Unary::Affine { scale, shift: 0.0 } => Function::new("$0 * #0", &[scale]),
        Unary::Affine { scale, shift } => Function::new("$0 * #0 + #1", &[scale, shift]),
        Unary::Power(p) if ![2.0, 3.0, 0.5].contains(&p) => Function::new("power($0, #0)", &[p]),
        Unary::IsInf { positive, negative } => {
            format!("select(0.0, 1.0, is_infinite($0) && select({negative}, {positive}, $0 > 0.0))").into()
        }
        function => plain(function).into(),
    }
}

/// A function on floats without constants.
fn plain(function: Unary) -> &'static str {
    match function {
        Unary::Abs => "abs($0)",
        Unary::Neg => "-$0",
        Unary::Ceil => "ceil($0)",
        Unary::Floor => "floor($0)",
        Unary::Round => "round($0)",
        Unary::Sign => "sign_of($0)",
        Unary::Sqrt | Unary::Power(0.5) => "sqrt($0)",
        Unary::Reciprocal => "1.0 / $0",
        Unary::Exp => "exp($0)",
        Unary::Log => "log_of($0)",
        Unary::Erf => "erf($0)",
        Unary::Sin => "sin($0)",
        Unary::Cos => "cos($0)",
        Unary::Tan => "tan($0)",
        Unary::Asin => "atan2($0, sqrt((1.0 - $0) * (1.0 + $0)))",
        Unary::Acos => "atan2(sqrt((1.0 - $0) * (1.0 + $0)), $0)",
        Unary::Atan => "atan($0)",
        Unary::Sinh => "sinh_of($0)",
        Unary::Cosh => "0.5 * (exp($0) + exp(-$0))",
        Unary::Tanh => "tanh_of($0)",
        Unary::Asinh => "asinh_of($0)",
        Unary::Acosh => "log($0 + sqrt(($0 - 1.0) * ($0 + 1.0)))",
        Unary::Atanh => "0.5 * log((1.0 + $0) / (1.0 - $0))",
        Unary::Sigmoid => "sigmoid($0)",
        Unary::Relu => "select($0, 0.0, $0 < 0.0)",
        Unary::Softplus => "softplus($0)",
        Unary::Softsign => "$0 / (1.0 + abs($0))",
        Unary::HardSwish => "$0 * clip($0 / 6.0 + 0.5, 0.0, 1.0)",
        Unary::Silu => "$0 * sigmoid($0)",
        Unary::Mish => "$0 * tanh_of(softplus($0))",
        Unary::Gelu => "0.5 * $0 * (1.0 + erf($0 * 0.70710678))",
        Unary::GeluTanh => "0.5 * $0 * (1.0 + tanh_of(0.7978846 * ($0 + 0.044715 * $0 * $0 * $0)))",
        Unary::Power(2.0) => "$0 * $0",
        Unary::Power(_) => "$0 * $0 * $0",
        Unary::IsNan => "select(0.0, 1.0, is_nan($0))",
        Unary::Not | Unary::BitNot => "select(0.0, 1.0, $0 == 0.0)",
        // Those with constants have been taken care of.
        _ => "$0",
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
