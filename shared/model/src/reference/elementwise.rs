//! Element-wise operators.

use crate::op::{Binary, Fact, Unary};
use crate::reference::{EvaluationError, Operands};
use crate::tensor::{DType, Data, DataRef, broadcast_strides};
use crate::walk::rows;

/// One element of an element-wise function on floats; truth values are 0 and 1.
#[must_use]
pub fn unary_f32(function: Unary, x: f32) -> f32 {
    match function {
        Unary::Abs => x.abs(),
        Unary::Neg => -x,
        Unary::Ceil => x.ceil(),
        Unary::Floor => x.floor(),
        Unary::Round => x.round_ties_even(),
        Unary::Sign if x == 0.0 || x.is_nan() => x,
        Unary::Sign => x.signum(),
        Unary::Sqrt => x.sqrt(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Erf => erf(x),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tan => x.tan(),
        Unary::Asin => x.asin(),
        Unary::Acos => x.acos(),
        Unary::Atan => x.atan(),
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Tanh => x.tanh(),
        Unary::Asinh => x.asinh(),
        Unary::Acosh => x.acosh(),
        Unary::Atanh => x.atanh(),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Relu => larger(x, 0.0),
        Unary::LeakyRelu(slope) => {
            if x < 0.0 {
                x * slope
            } else {
                x
            }
        }
        Unary::Elu(alpha) if x < 0.0 => alpha * x.exp_m1(),
        Unary::Elu(_) => x,
        Unary::Celu(alpha) => larger(x, 0.0) + smaller(0.0, alpha * (x / alpha).exp_m1()),
        Unary::Selu { alpha, gamma } => gamma * if x < 0.0 { alpha * x.exp_m1() } else { x },
        Unary::Softplus => softplus(x),
        Unary::Softsign => x / (1.0 + x.abs()),
        Unary::HardSigmoid { alpha, beta } => smaller(larger(alpha * x + beta, 0.0), 1.0),
        Unary::HardSwish => x * smaller(larger(x / 6.0 + 0.5, 0.0), 1.0),
        Unary::Silu => x / (1.0 + (-x).exp()),
        Unary::Mish => x * softplus(x).tanh(),
        Unary::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        Unary::GeluTanh => 0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh()),
        Unary::ThresholdedRelu(alpha) => {
            if x > alpha {
                x
            } else {
                0.0
            }
        }
        Unary::Shrink { lambda, bias } => {
            if x < -lambda {
                x + bias
            } else if x > lambda {
                x - bias
            } else {
                0.0
            }
        }
        Unary::Clip { low, high } => smaller(larger(x, low), high),
        Unary::Affine { scale, shift } => x * scale + shift,
        Unary::Power(p) => power(x, p),
        Unary::IsNan => f32::from(x.is_nan()),
        Unary::IsInf { positive, negative } => {
            f32::from(x.is_infinite() && if x > 0.0 { positive } else { negative })
        }
        Unary::Not | Unary::BitNot => f32::from(x == 0.0),
    }
}

fn softplus(x: f32) -> f32 {
    // Stable for large x, where e^x overflows.
    larger(x, 0.0) + (-x.abs()).exp().ln_1p()
}

/// x^p with small whole powers as products, which is what they cost least as.
fn power(x: f32, p: f32) -> f32 {
    if p == 2.0 {
        x * x
    } else if p == 3.0 {
        x * x * x
    } else if p == 0.5 {
        x.sqrt()
    } else {
        x.powf(p)
    }
}

/// The larger of two; not a number when either is not.
fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

/// The smaller of two; not a number when either is not.
fn smaller(a: f32, b: f32) -> f32 {
    if a < b || a.is_nan() { a } else { b }
}

/// Error function, within one unit in the last place of a float.
#[must_use]
pub fn erf(x: f32) -> f32 {
    let x = f64::from(x);
    let magnitude = x.abs();
    if magnitude < 3.0 {
        // Maclaurin series; 60 terms reach double precision at 3.
        let mut term = x;
        let mut sum = x;
        for n in 1..60 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return (sum * std::f64::consts::FRAC_2_SQRT_PI) as f32;
    }
    if x.is_nan() {
        return f32::NAN;
    }
    // Continued fraction of the complement.
    let mut fraction = magnitude;
    for n in (1..40).rev() {
        fraction = magnitude + f64::from(n) / 2.0 / fraction;
    }
    let complement = (-x * x).exp() / (fraction * std::f64::consts::PI.sqrt());
    ((1.0 - complement) * x.signum()) as f32
}

/// One element of a two-operand function on floats, comparisons excepted.
#[must_use]
pub fn binary_f32(function: Binary, a: f32, b: f32) -> f32 {
    match function {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => power(a, b),
        Binary::Min => smaller(a, b),
        Binary::Max => larger(a, b),
        Binary::Mod => a - b * (a / b).floor(),
        Binary::Fmod => a % b,
        Binary::PRelu => {
            if a < 0.0 {
                a * b
            } else {
                a
            }
        }
        Binary::Equal => f32::from(a == b),
        Binary::Greater => f32::from(a > b),
        Binary::GreaterOrEqual => f32::from(a >= b),
        Binary::Less => f32::from(a < b),
        Binary::LessOrEqual => f32::from(a <= b),
        Binary::And => f32::from(a != 0.0 && b != 0.0),
        Binary::Or => f32::from(a != 0.0 || b != 0.0),
        Binary::Xor => f32::from((a != 0.0) != (b != 0.0)),
    }
}

macro_rules! integer_binary {
    ($function:expr, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        match $function {
            Binary::Add => a.wrapping_add(b),
            Binary::Sub => a.wrapping_sub(b),
            Binary::Mul => a.wrapping_mul(b),
            Binary::Div | Binary::Mod | Binary::Fmod if b == 0 => {
                return Err(EvaluationError::DivisionByZero);
            }
            Binary::Div => a.wrapping_div(b),
            Binary::Mod => {
                let rest = a.wrapping_rem(b);
                if rest != 0 && (rest < 0) != (b < 0) { rest.wrapping_add(b) } else { rest }
            }
            Binary::Fmod => a.wrapping_rem(b),
            Binary::Pow => a.wrapping_pow(u32::try_from(b).unwrap_or(0)),
            Binary::Min => a.min(b),
            Binary::Max => a.max(b),
            Binary::PRelu if a < 0 => a.wrapping_mul(b),
            Binary::PRelu => a,
            Binary::And => a & b,
            Binary::Or => a | b,
            Binary::Xor => a ^ b,
            Binary::Equal | Binary::Greater | Binary::GreaterOrEqual | Binary::Less | Binary::LessOrEqual => {
                0
            }
        }
    }};
}

fn compare<T: PartialOrd>(function: Binary, a: T, b: T) -> bool {
    match function {
        Binary::Equal => a == b,
        Binary::Greater => a > b,
        Binary::GreaterOrEqual => a >= b,
        Binary::Less => a < b,
        _ => a <= b,
    }
}

pub(super) fn unary(
    functions: &[Unary],
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let data = operands.view(0)?.data;
    let unknown = operands.wrong_type(data.dtype());
    macro_rules! signed {
        ($data:expr, $kind:ident, $type:ty) => {{
            let apply = |x: $type| {
                functions.iter().try_fold(x, |x, function| {
                    Some(match function {
                        Unary::Abs => x.wrapping_abs(),
                        Unary::Neg => x.wrapping_neg(),
                        Unary::Sign => x.signum(),
                        Unary::Relu => x.max(0),
                        Unary::BitNot => !x,
                        _ => return None,
                    })
                })
            };
            $data.iter().map(|&x| apply(x)).collect::<Option<Vec<_>>>().map(Data::$kind).ok_or(unknown)
        }};
    }
    match data {
        DataRef::F32(data) => {
            let apply = |x: &f32| functions.iter().fold(*x, |x, &function| unary_f32(function, x));
            if fact.dtype == DType::Bool {
                return Ok(Data::Bool(data.iter().map(|x| u8::from(apply(x) != 0.0)).collect()));
            }
            Ok(Data::F32(data.iter().map(apply).collect()))
        }
        DataRef::I64(data) => signed!(data, I64, i64),
        DataRef::I32(data) => signed!(data, I32, i32),
        DataRef::I8(data) => signed!(data, I8, i8),
        DataRef::U8(data) => {
            let apply = |x: u8| {
                functions.iter().try_fold(x, |x, function| match function {
                    Unary::Abs | Unary::Relu => Some(x),
                    Unary::Sign => Some(x.min(1)),
                    Unary::BitNot => Some(!x),
                    _ => None,
                })
            };
            data.iter().map(|&x| apply(x)).collect::<Option<Vec<_>>>().map(Data::U8).ok_or(unknown)
        }
        DataRef::Bool(data) if functions == [Unary::Not] => {
            Ok(Data::Bool(data.iter().map(|x| 1 - x).collect()))
        }
        DataRef::Bool(_) => Err(unknown),
    }
}

/// Calls `element` with the operand positions of every output element, in order.
fn each<const N: usize>(
    dims: &[usize],
    operand_dims: [&[usize]; N],
    mut element: impl FnMut([usize; N]) -> Result<(), EvaluationError>,
) -> Result<(), EvaluationError> {
    let strides = operand_dims.map(|from| {
        broadcast_strides(from, dims).into_iter().map(|stride| stride as isize).collect::<Vec<_>>()
    });
    let mut result = Ok(());
    rows(dims, [0; N], strides.each_ref().map(Vec::as_slice), |row| {
        for index in 0..row.length {
            if result.is_ok() {
                let position = |operand: usize| row.offsets[operand] + index * row.steps[operand] as usize;
                result = element(std::array::from_fn(position));
            }
        }
    });
    result
}

pub(super) fn binary(
    function: Binary,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let (left, right) = (operands.view(0)?, operands.view(1)?);
    let dims = [left.dims, right.dims];
    macro_rules! compute {
        ($a:expr, $b:expr, $kind:ident, $apply:expr) => {{
            if function.is_comparison() {
                let mut out = Vec::with_capacity(fact.n_elements());
                each(&fact.dims, dims, |[a, b]| {
                    out.push(u8::from(compare(function, $a[a], $b[b])));
                    Ok(())
                })?;
                return Ok(Data::Bool(out));
            }
            let mut out = Vec::with_capacity(fact.n_elements());
            each(&fact.dims, dims, |[a, b]| {
                out.push($apply($a[a], $b[b])?);
                Ok(())
            })?;
            Ok(Data::$kind(out))
        }};
    }
    match (left.data, right.data) {
        (DataRef::F32(a), DataRef::F32(b)) => {
            compute!(a, b, F32, |a, b| Ok::<f32, EvaluationError>(binary_f32(function, a, b)))
        }
        (DataRef::I64(a), DataRef::I64(b)) => {
            compute!(a, b, I64, |a: i64, b: i64| -> Result<i64, EvaluationError> {
                Ok(integer_binary!(function, a, b))
            })
        }
        (DataRef::I32(a), DataRef::I32(b)) => {
            compute!(a, b, I32, |a: i32, b: i32| -> Result<i32, EvaluationError> {
                Ok(integer_binary!(function, a, b))
            })
        }
        (DataRef::I8(a), DataRef::I8(b)) => {
            compute!(a, b, I8, |a: i8, b: i8| -> Result<i8, EvaluationError> {
                Ok(integer_binary!(function, a, b))
            })
        }
        (DataRef::U8(a), DataRef::U8(b)) => {
            compute!(a, b, U8, |a: u8, b: u8| -> Result<u8, EvaluationError> {
                // Widened, because the remainder of bytes has no sign to adjust.
                Ok(integer_binary!(function, i32::from(a), i32::from(b)) as u8)
            })
        }
        (DataRef::Bool(a), DataRef::Bool(b)) => {
            compute!(a, b, Bool, |a: u8, b: u8| -> Result<u8, EvaluationError> {
                Ok(integer_binary!(function, i32::from(a), i32::from(b)) as u8)
            })
        }
        (left, _) => Err(operands.wrong_type(left.dtype())),
    }
}

pub(super) fn choose(operands: &Operands<'_>, fact: &Fact) -> Result<Data, EvaluationError> {
    let (condition, left, right) = (operands.view(0)?, operands.view(1)?, operands.view(2)?);
    let DataRef::Bool(flags) = condition.data else {
        return Err(operands.wrong_type(condition.data.dtype()));
    };
    let dims = [condition.dims, left.dims, right.dims];
    macro_rules! compute {
        ($a:expr, $b:expr, $kind:ident) => {{
            let mut out = Vec::with_capacity(fact.n_elements());
            each(&fact.dims, dims, |[flag, a, b]| {
                out.push(if flags[flag] != 0 { $a[a] } else { $b[b] });
                Ok(())
            })?;
            Ok(Data::$kind(out))
        }};
    }
    match (left.data, right.data) {
        (DataRef::F32(a), DataRef::F32(b)) => compute!(a, b, F32),
        (DataRef::I64(a), DataRef::I64(b)) => compute!(a, b, I64),
        (DataRef::I32(a), DataRef::I32(b)) => compute!(a, b, I32),
        (DataRef::U8(a), DataRef::U8(b)) => compute!(a, b, U8),
        (DataRef::I8(a), DataRef::I8(b)) => compute!(a, b, I8),
        (DataRef::Bool(a), DataRef::Bool(b)) => compute!(a, b, Bool),
        (left, _) => Err(operands.wrong_type(left.dtype())),
    }
}

/// Floats truncate towards zero and saturate; integers wrap; everything but zero is true.
pub(super) fn cast(operands: &Operands<'_>, fact: &Fact) -> Result<Data, EvaluationError> {
    macro_rules! convert {
        ($data:expr, $zero:expr) => {
            match fact.dtype {
                DType::F32 => Data::F32($data.iter().map(|&x| x as f32).collect()),
                DType::I64 => Data::I64($data.iter().map(|&x| x as i64).collect()),
                DType::I32 => Data::I32($data.iter().map(|&x| x as i32).collect()),
                DType::U8 => Data::U8($data.iter().map(|&x| x as u8).collect()),
                DType::I8 => Data::I8($data.iter().map(|&x| x as i8).collect()),
                DType::Bool => Data::Bool($data.iter().map(|&x| u8::from(x != $zero)).collect()),
            }
        };
    }
    Ok(match operands.view(0)?.data {
        DataRef::F32(data) => convert!(data, 0.0),
        DataRef::I64(data) => convert!(data, 0),
        DataRef::I32(data) => convert!(data, 0),
        DataRef::U8(data) | DataRef::Bool(data) => convert!(data, 0),
        DataRef::I8(data) => convert!(data, 0),
    })
}
