//! Functions of single elements, and ways to reduce many to one.

/// One element in, one element out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unary {
    /// |x|
    Abs,
    /// −x
    Neg,
    /// Smallest integer not below.
    Ceil,
    /// Largest integer not above.
    Floor,
    /// Nearest integer, ties to even.
    Round,
    /// −1, 0 or 1.
    Sign,
    /// √x
    Sqrt,
    /// 1 / x
    Reciprocal,
    /// e^x
    Exp,
    /// Natural logarithm.
    Log,
    /// Error function.
    Erf,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Tangent.
    Tan,
    /// Inverse sine.
    Asin,
    /// Inverse cosine.
    Acos,
    /// Inverse tangent.
    Atan,
    /// Hyperbolic sine.
    Sinh,
    /// Hyperbolic cosine.
    Cosh,
    /// Hyperbolic tangent.
    Tanh,
    /// Inverse hyperbolic sine.
    Asinh,
    /// Inverse hyperbolic cosine.
    Acosh,
    /// Inverse hyperbolic tangent.
    Atanh,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// max(x, 0)
    Relu,
    /// x, or slope · x when negative.
    LeakyRelu(f32),
    /// x, or alpha · (e^x − 1) when negative.
    Elu(f32),
    /// max(0, x) + min(0, alpha · (e^(x / alpha) − 1))
    Celu(f32),
    /// gamma · (x, or alpha · (e^x − 1) when negative).
    Selu {
        /// alpha
        alpha: f32,
        /// gamma
        gamma: f32,
    },
    /// ln(1 + e^x)
    Softplus,
    /// x / (1 + |x|)
    Softsign,
    /// max(0, min(1, alpha · x + beta))
    HardSigmoid {
        /// alpha
        alpha: f32,
        /// beta
        beta: f32,
    },
    /// x · max(0, min(1, x / 6 + 1 / 2))
    HardSwish,
    /// x · sigmoid(x)
    Silu,
    /// x · tanh(softplus(x))
    Mish,
    /// x / 2 · (1 + erf(x / √2))
    Gelu,
    /// x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))
    GeluTanh,
    /// x when above alpha, else 0.
    ThresholdedRelu(f32),
    /// x − bias above lambda, x + bias below −lambda, else 0.
    Shrink {
        /// lambda
        lambda: f32,
        /// bias
        bias: f32,
    },
    /// min(max(x, low), high)
    Clip {
        /// low
        low: f32,
        /// high
        high: f32,
    },
    /// scale · x + shift, rounded once per operation.
    Affine {
        /// scale
        scale: f32,
        /// shift
        shift: f32,
    },
    /// x^p for a constant p.
    Power(f32),
    /// Not-a-number, as truth.
    IsNan,
    /// Infinite, as truth.
    IsInf {
        /// Count +∞.
        positive: bool,
        /// Count −∞.
        negative: bool,
    },
    /// Logical not.
    Not,
    /// Bitwise not.
    BitNot,
}

/// Two elements in, one element out; inputs broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binary {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b; integers truncate.
    Div,
    /// a^b; the result has a's type.
    Pow,
    /// Smaller.
    Min,
    /// Larger.
    Max,
    /// Remainder with the divisor's sign.
    Mod,
    /// Remainder with the dividend's sign.
    Fmod,
    /// a, or a · b when a is negative.
    PRelu,
    /// a = b, as truth.
    Equal,
    /// a > b, as truth.
    Greater,
    /// a ≥ b, as truth.
    GreaterOrEqual,
    /// a < b, as truth.
    Less,
    /// a ≤ b, as truth.
    LessOrEqual,
    /// Logical or bitwise and.
    And,
    /// Logical or bitwise or.
    Or,
    /// Logical or bitwise exclusive or.
    Xor,
}

impl Binary {
    /// True when the result is a truth value whatever the inputs are.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Equal | Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual)
    }
}

/// How a reduction combines elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reduction {
    /// Sum.
    Sum,
    /// Mean.
    Mean,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Product.
    Prod,
    /// Sum of absolute values.
    L1,
    /// Root of the sum of squares.
    L2,
    /// Logarithm of the sum.
    LogSum,
    /// Logarithm of the sum of exponentials, computed stably.
    LogSumExp,
    /// Sum of squares.
    SumSquare,
}
