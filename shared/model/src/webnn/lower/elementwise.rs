//! Element-wise steps.

use crate::op::{Binary, Unary};
use crate::plan::Step;
use crate::tensor::DType;

use super::Lowering;
use crate::webnn::builder::{Reason, refuse};
use crate::webnn::program::{Argument, OperandId};

/// √(2/π), the factor inside the tanh form of GELU.
const GELU_FACTOR: f32 = 0.797_884_6;

impl Lowering<'_> {
    pub(super) fn unary(&mut self, step: &Step, functions: &[Unary]) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let (is_image, operands) = self.alike(&[Self::value(step, 0)?], fact.dims.len())?;
        let y = self.chain(functions, operands[0])?;
        self.put(out, is_image, y);
        Ok(())
    }

    /// Functions of one operand, one after another.
    pub(super) fn chain(&mut self, functions: &[Unary], x: OperandId) -> Result<OperandId, Reason> {
        functions.iter().try_fold(x, |x, &function| self.function(function, x))
    }

    fn function(&mut self, function: Unary, x: OperandId) -> Result<OperandId, Reason> {
        let number = |name: &'static str, value: f32| (name, Argument::Number(f64::from(value)));
        let b = &mut self.builder;
        match function {
            Unary::Abs => b.unary("abs", x),
            Unary::Neg => b.unary("neg", x),
            Unary::Ceil => b.unary("ceil", x),
            Unary::Floor => b.unary("floor", x),
            Unary::Round => b.unary("roundEven", x),
            Unary::Sign => b.unary("sign", x),
            Unary::Sqrt => b.unary("sqrt", x),
            Unary::Reciprocal => b.unary("reciprocal", x),
            Unary::Exp => b.unary("exp", x),
            Unary::Log => b.unary("log", x),
            Unary::Erf => b.unary("erf", x),
            Unary::Sin => b.unary("sin", x),
            Unary::Cos => b.unary("cos", x),
            Unary::Tan => b.unary("tan", x),
            Unary::Tanh => b.unary("tanh", x),
            Unary::Sigmoid => b.unary("sigmoid", x),
            Unary::Relu => b.unary("relu", x),
            Unary::LeakyRelu(slope) => b.unary_with("leakyRelu", x, vec![number("alpha", slope)]),
            Unary::Elu(alpha) => b.unary_with("elu", x, vec![number("alpha", alpha)]),
            Unary::Celu(alpha) => {
                // alpha · elu(x / alpha), with elu's own alpha 1.
                let scaled = self.affine(x, 1.0 / alpha, 0.0)?;
                let curve = self.builder.unary("elu", scaled)?;
                self.affine(curve, alpha, 0.0)
            }
            Unary::Selu { alpha, gamma } => {
                let curve = self.function(Unary::Elu(alpha), x)?;
                self.affine(curve, gamma, 0.0)
            }
            Unary::Softplus => b.unary("softplus", x),
            Unary::Softsign => b.unary("softsign", x),
            Unary::HardSigmoid { alpha, beta } => {
                b.unary_with("hardSigmoid", x, vec![number("alpha", alpha), number("beta", beta)])
            }
            Unary::HardSwish => b.unary("hardSwish", x),
            Unary::Gelu => b.unary("gelu", x),
            Unary::Silu => {
                let gate = b.unary("sigmoid", x)?;
                b.binary("mul", x, gate)
            }
            Unary::Mish => {
                // x · n / (n + 2) with n = e² + 2e and e = e^x, which is exact where ln(1 + e^x) is not; 1 beyond 20.
                let most = vec![number("maxValue", 20.0)];
                let bounded = b.unary_with("clamp", x, most)?;
                let grown = b.unary("exp", bounded)?;
                let above = self.affine(grown, 1.0, 2.0)?;
                let n = self.builder.binary("mul", grown, above)?;
                let sum = self.affine(n, 1.0, 2.0)?;
                let gate = self.builder.binary("div", n, sum)?;
                self.builder.binary("mul", x, gate)
            }
            Unary::GeluTanh => {
                // x / 2 · (1 + tanh(x · factor · (1 + 0.044715 · x²)))
                let square = b.binary("mul", x, x)?;
                let inner = self.affine(square, 0.044_715 * GELU_FACTOR, GELU_FACTOR)?;
                let inner = self.builder.binary("mul", x, inner)?;
                let curve = self.builder.unary("tanh", inner)?;
                let gate = self.affine(curve, 0.5, 0.5)?;
                self.builder.binary("mul", x, gate)
            }
            Unary::ThresholdedRelu(alpha) => {
                let (alpha, zero) = (b.float(alpha)?, b.float(0.0)?);
                let is_above = b.relation("greater", x, alpha)?;
                b.choose(is_above, x, zero)
            }
            Unary::Shrink { lambda, bias } => self.shrink(x, lambda, bias),
            Unary::Clip { low, high } => {
                let bounds = [("minValue", low), ("maxValue", high)];
                let finite = bounds.into_iter().filter(|(_, bound)| bound.is_finite());
                b.unary_with("clamp", x, finite.map(|(name, bound)| number(name, bound)).collect())
            }
            Unary::Affine { scale, shift } => self.affine(x, scale, shift),
            Unary::Power(p) => self.power(x, p),
            Unary::IsNan => self.test("isNaN", x),
            Unary::IsInf { positive, negative } => {
                let infinite = self.test("isInfinite", x)?;
                if positive && negative {
                    return Ok(infinite);
                }
                let zero = self.builder.float(0.0)?;
                let side = self.builder.relation(if positive { "greater" } else { "lesser" }, x, zero)?;
                self.builder.relation("logicalAnd", infinite, side)
            }
            Unary::Not => {
                let fact = b.fact(x).clone();
                b.call("logicalNot", vec![Argument::Operand("a", x)], Vec::new(), fact)
            }
            Unary::BitNot => {
                // −1 − x in two's complement; 255 − x in a byte.
                let dtype = b.dtype(x);
                let ones = b.integer(if dtype == DType::U8 { 255 } else { -1 }, dtype)?;
                b.binary("sub", ones, x)
            }
            Unary::Sinh | Unary::Cosh | Unary::Asinh | Unary::Acosh | Unary::Atanh => {
                self.hyperbolic(function, x)
            }
            Unary::Asin | Unary::Acos | Unary::Atan => {
                refuse(format!("WebNN has no {}", format!("{function:?}").to_lowercase()))
            }
        }
    }

    /// `scale · x + shift`.
    pub(super) fn affine(&mut self, x: OperandId, scale: f32, shift: f32) -> Result<OperandId, Reason> {
        let b = &mut self.builder;
        let mut y = x;
        if scale != 1.0 {
            let scale = b.float(scale)?;
            y = b.binary("mul", y, scale)?;
        }
        if shift != 0.0 {
            let shift = b.float(shift)?;
            y = b.binary("add", y, shift)?;
        }
        Ok(y)
    }

    fn power(&mut self, x: OperandId, p: f32) -> Result<OperandId, Reason> {
        let b = &mut self.builder;
        if p == 2.0 {
            return b.binary("mul", x, x);
        }
        if p == 3.0 {
            let square = b.binary("mul", x, x)?;
            return b.binary("mul", square, x);
        }
        if p == 0.5 {
            return b.unary("sqrt", x);
        }
        let p = b.float(p)?;
        b.binary("pow", x, p)
    }

    pub(super) fn test(&mut self, method: &'static str, x: OperandId) -> Result<OperandId, Reason> {
        let mut fact = self.builder.fact(x).clone();
        fact.dtype = DType::Bool;
        self.builder.call(method, vec![Argument::Operand("a", x)], Vec::new(), fact)
    }

    fn shrink(&mut self, x: OperandId, lambda: f32, bias: f32) -> Result<OperandId, Reason> {
        let b = &mut self.builder;
        let (low, high, zero) = (b.float(-lambda)?, b.float(lambda)?, b.float(0.0)?);
        let (is_low, is_high) = (b.relation("lesser", x, low)?, b.relation("greater", x, high)?);
        let (raised, lowered) = (self.affine(x, 1.0, bias)?, self.affine(x, 1.0, -bias)?);
        let inner = self.builder.choose(is_high, lowered, zero)?;
        self.builder.choose(is_low, raised, inner)
    }

    fn hyperbolic(&mut self, function: Unary, x: OperandId) -> Result<OperandId, Reason> {
        match function {
            Unary::Sinh | Unary::Cosh => {
                let grown = self.builder.unary("exp", x)?;
                let shrunk = self.builder.unary("reciprocal", grown)?;
                let method = if function == Unary::Sinh { "sub" } else { "add" };
                let sum = self.builder.binary(method, grown, shrunk)?;
                self.affine(sum, 0.5, 0.0)
            }
            Unary::Atanh => {
                let (above, below) = (self.affine(x, 1.0, 1.0)?, self.affine(x, -1.0, 1.0)?);
                let ratio = self.builder.binary("div", above, below)?;
                let log = self.builder.unary("log", ratio)?;
                self.affine(log, 0.5, 0.0)
            }
            _ => {
                // acosh: ln(x + √(x² − 1)); asinh: sign(x) · ln(|x| + √(x² + 1)).
                let is_odd = function == Unary::Asinh;
                let size = if is_odd { self.builder.unary("abs", x)? } else { x };
                let square = self.builder.binary("mul", x, x)?;
                let inner = self.affine(square, 1.0, if is_odd { 1.0 } else { -1.0 })?;
                let root = self.builder.unary("sqrt", inner)?;
                let sum = self.builder.binary("add", size, root)?;
                let log = self.builder.unary("log", sum)?;
                if !is_odd {
                    return Ok(log);
                }
                let sign = self.builder.unary("sign", x)?;
                self.builder.binary("mul", sign, log)
            }
        }
    }

    pub(super) fn binary(&mut self, step: &Step, function: Binary) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let values = [Self::value(step, 0)?, Self::value(step, 1)?];
        let (is_image, operands) = self.alike(&values, fact.dims.len())?;
        let y = self.function_of_two(function, operands[0], operands[1])?;
        self.put(out, is_image, y);
        Ok(())
    }

    fn function_of_two(&mut self, function: Binary, x: OperandId, y: OperandId) -> Result<OperandId, Reason> {
        let b = &mut self.builder;
        let dtype = b.dtype(x);
        let is_integer = !matches!(dtype, DType::F32 | DType::Bool);
        match function {
            Binary::Add => b.binary("add", x, y),
            Binary::Sub => b.binary("sub", x, y),
            Binary::Mul => b.binary("mul", x, y),
            Binary::Div => b.binary("div", x, y),
            Binary::Pow if b.dtype(y) != dtype => {
                let exponent = b.cast(y, dtype)?;
                b.binary("pow", x, exponent)
            }
            Binary::Pow => b.binary("pow", x, y),
            Binary::Min => b.binary("min", x, y),
            Binary::Max => b.binary("max", x, y),
            Binary::PRelu if is_integer => refuse("prelu takes floats"),
            Binary::PRelu => {
                let fact = b.fact(x).clone();
                let arguments = vec![Argument::Operand("input", x), Argument::Operand("slope", y)];
                b.call("prelu", arguments, Vec::new(), fact)
            }
            Binary::Mod | Binary::Fmod => self.remainder(function, x, y),
            Binary::Equal => b.relation("equal", x, y),
            Binary::Greater => b.relation("greater", x, y),
            Binary::GreaterOrEqual => b.relation("greaterOrEqual", x, y),
            Binary::Less => b.relation("lesser", x, y),
            Binary::LessOrEqual => b.relation("lesserOrEqual", x, y),
            Binary::And | Binary::Or | Binary::Xor if is_integer => refuse("WebNN has no bitwise operators"),
            Binary::And => b.relation("logicalAnd", x, y),
            Binary::Or => b.relation("logicalOr", x, y),
            Binary::Xor => b.relation("logicalXor", x, y),
        }
    }

    /// `x − y · q` with the quotient rounded down, or towards zero for `Fmod`.
    fn remainder(&mut self, function: Binary, x: OperandId, y: OperandId) -> Result<OperandId, Reason> {
        let b = &mut self.builder;
        let is_float = b.dtype(x) == DType::F32;
        let mut quotient = b.binary("div", x, y)?;
        if is_float && function == Binary::Fmod {
            let (size, sign) = (b.unary("abs", quotient)?, b.unary("sign", quotient)?);
            let whole = b.unary("floor", size)?;
            quotient = b.binary("mul", sign, whole)?;
        } else if is_float {
            quotient = b.unary("floor", quotient)?;
        }
        let product = b.binary("mul", quotient, y)?;
        let rest = b.binary("sub", x, product)?;
        if is_float || function == Binary::Fmod {
            return Ok(rest);
        }
        // Integers divide towards zero: a rest that has not the divisor's sign needs one divisor more.
        let zero = b.integer(0, b.dtype(x))?;
        let product = b.binary("mul", rest, y)?;
        let differs = b.relation("lesser", product, zero)?;
        let more = b.binary("add", rest, y)?;
        b.choose(differs, more, rest)
    }

    pub(super) fn choose(&mut self, step: &Step) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let values = [Self::value(step, 0)?, Self::value(step, 1)?, Self::value(step, 2)?];
        let (is_image, operands) = self.alike(&values, fact.dims.len())?;
        let y = self.builder.choose(operands[0], operands[1], operands[2])?;
        self.put(out, is_image, y);
        Ok(())
    }

    pub(super) fn cast(&mut self, step: &Step) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let (is_image, operands) = self.alike(&[Self::value(step, 0)?], fact.dims.len())?;
        let x = operands[0];
        let y = if fact.dtype == DType::Bool && self.builder.dtype(x) != DType::Bool {
            let dtype = self.builder.dtype(x);
            let zero = if dtype == DType::F32 {
                self.builder.float(0.0)?
            } else {
                self.builder.integer(0, dtype)?
            };
            self.builder.relation("notEqual", x, zero)?
        } else {
            self.builder.cast(x, fact.dtype)?
        };
        self.put(out, is_image, y);
        Ok(())
    }
}
