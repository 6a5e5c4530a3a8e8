//! What each step computes: operators with every parameter resolved.
//!
//! ONNX has many spellings for one meaning (attributes or inputs, 1-D or 2-D, decomposed or fused). Here each meaning
//! has one form, which backends implement and passes match on.

use crate::tensor::{DType, broadcast_strides, strides};

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

/// A window over two spatial dimensions; one-dimensional windows have height 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Step between windows.
    pub strides: [usize; 2],
    /// Distance between taps.
    pub dilations: [usize; 2],
    /// Padding before the first row and column.
    pub pads_begin: [usize; 2],
    /// Padding after the last row and column.
    pub pads_end: [usize; 2],
}

/// What happens to each output element of a matmul or convolution before it is stored:
/// `activations(product + bias + residual)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Epilogue {
    /// An input with one value per output column (matmul) or channel (convolution) follows the operands.
    pub has_bias: bool,
    /// An input of the output's shape follows, to be added.
    pub has_residual: bool,
    /// Applied in order.
    pub activations: Vec<Unary>,
}

/// How pooling combines a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Largest element.
    Max,
    /// Mean of the elements.
    Average {
        /// Padding counts as zeros.
        counts_padding: bool,
    },
}

/// What padding is filled with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// A value: the third input when there is one, else 0.
    Constant,
    /// Mirror without repeating the edge.
    Reflect,
    /// Repeat the edge.
    Edge,
    /// Continue at the other end.
    Wrap,
}

/// How an output position maps to an input position in a resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeCoordinates {
    /// Pixel centres at half positions.
    HalfPixel,
    /// Half-pixel, but 0 when the output has one element.
    PytorchHalfPixel,
    /// Corner pixels map to corner pixels.
    AlignCorners,
    /// position / scale
    Asymmetric,
}

/// How a resize picks values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeMode {
    /// One input element, by rounding.
    Nearest(NearestRounding),
    /// Between neighbours.
    Linear,
}

/// How a nearest resize rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NearestRounding {
    /// Half rounds down.
    PreferFloor,
    /// Half rounds up.
    PreferCeil,
    /// Down.
    Floor,
    /// Up.
    Ceil,
}

/// The kinds of recurrent cell, with their ONNX gate order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Long short-term memory: gates i, o, f, c.
    Lstm,
    /// Gated recurrent unit: gates z, r, h.
    Gru {
        /// Multiply by the reset gate after the matmul.
        linear_before_reset: bool,
    },
}

/// Direction of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// First to last.
    Forward,
    /// Last to first.
    Reverse,
    /// Both.
    Bidirectional,
}

/// How a scatter combines with what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScatterMode {
    /// Overwrite.
    Replace,
    /// Add.
    Add,
    /// Multiply.
    Mul,
    /// Keep the larger.
    Max,
    /// Keep the smaller.
    Min,
}

/// An operator with every parameter resolved. Axes are never negative.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Element-wise functions applied in order.
    Unary(Vec<Unary>),
    /// Element-wise with broadcasting.
    Binary(Binary),
    /// `condition ? a : b` with broadcasting.
    Where,
    /// Conversion to the output's type.
    Cast,
    /// The same elements with another shape.
    Reshape,
    /// Dimension `i` of the output is dimension `perm[i]` of the input.
    Transpose(Vec<usize>),
    /// Element `starts[i] + steps[i] · index` along each dimension.
    Slice {
        /// First element along each dimension.
        starts: Vec<usize>,
        /// Step along each dimension; not 0.
        steps: Vec<isize>,
    },
    /// Repetition along dimensions of length 1.
    Expand,
    /// Repetition of the whole along each dimension.
    Tile,
    /// Inputs one after another along an axis.
    Concat {
        /// Axis.
        axis: usize,
    },
    /// Slices of the first input at the indices of the second along an axis.
    Gather {
        /// Axis.
        axis: usize,
    },
    /// Elements of the first input at the positions of the second along an axis.
    GatherElements {
        /// Axis.
        axis: usize,
    },
    /// Slices of the first input at index tuples of the second.
    GatherNd {
        /// Leading dimensions the two share.
        batch_dims: usize,
    },
    /// The first input with slices replaced at the index tuples of the second by the third.
    ScatterNd(ScatterMode),
    /// The first input with elements replaced at the positions of the second along an axis by the third.
    ScatterElements {
        /// Axis.
        axis: usize,
        /// How elements combine.
        mode: ScatterMode,
    },
    /// Padding before and cropping is not here: pads are not negative. Inputs: x, optional fill value.
    Pad {
        /// Elements added before each dimension.
        before: Vec<usize>,
        /// Elements added after each dimension.
        after: Vec<usize>,
        /// What they are.
        mode: PadMode,
    },
    /// Resampling; `scales[i]` is output length over input length as the model gives it.
    Resize {
        /// Where values come from.
        coordinates: ResizeCoordinates,
        /// How they combine.
        mode: ResizeMode,
        /// Scale of each dimension.
        scales: Vec<f32>,
    },
    /// Upper or lower triangle of the last two dimensions, zero elsewhere.
    Trilu {
        /// Keep the upper triangle, else the lower.
        upper: bool,
        /// Diagonal offset.
        diagonal: i64,
    },
    /// One-hot rows; inputs: indices, [off, on] values.
    OneHot {
        /// Axis of the output that is new.
        axis: usize,
    },
    /// Running sum along an axis.
    CumSum {
        /// Axis.
        axis: usize,
        /// Leave out the element itself.
        is_exclusive: bool,
        /// Start at the end.
        is_reverse: bool,
    },
    /// Reduction over axes, sorted; the output keeps or drops them.
    Reduce {
        /// How.
        kind: Reduction,
        /// Over which axes.
        axes: Vec<usize>,
    },
    /// Index of the largest or smallest element along an axis.
    ArgReduce {
        /// Axis.
        axis: usize,
        /// Largest, else smallest.
        is_max: bool,
        /// Of equal elements take the last.
        takes_last: bool,
    },
    /// The k largest or smallest elements along an axis in order, and their indices.
    TopK {
        /// Axis.
        axis: usize,
        /// Largest, else smallest.
        is_max: bool,
    },
    /// Softmax along an axis.
    Softmax {
        /// Axis.
        axis: usize,
        /// Logarithm of it.
        is_log: bool,
    },
    /// One at the first largest element along an axis, zero elsewhere.
    Hardmax {
        /// Axis.
        axis: usize,
    },
    /// Normalisation over the trailing dimensions from an axis on. Inputs: x, scale, optional bias.
    LayerNorm {
        /// First normalised axis.
        axis: usize,
        /// Added to the variance.
        epsilon: f32,
        /// Leave out the mean: root mean square normalisation.
        is_rms: bool,
    },
    /// Normalisation per sample and group of channels. Inputs: x, scale, bias (one per channel).
    GroupNorm {
        /// Groups; as many as channels is instance normalisation.
        n_groups: usize,
        /// Added to the variance.
        epsilon: f32,
    },
    /// x · scale + bias per channel (dimension 1). Inputs: x, scale, bias.
    ChannelAffine,
    /// x divided by its norm along an axis.
    LpNorm {
        /// Axis.
        axis: usize,
        /// 1 or 2.
        p: u8,
    },
    /// Response normalisation across `size` neighbouring channels.
    LocalResponseNorm {
        /// Channels.
        size: usize,
        /// alpha
        alpha: f32,
        /// beta
        beta: f32,
        /// k
        bias: f32,
    },
    /// Matrix product over the last two dimensions, batches broadcast. Inputs: a, b, then the epilogue's.
    MatMul {
        /// Swap the last two dimensions of a.
        trans_a: bool,
        /// Swap the last two dimensions of b.
        trans_b: bool,
        /// What follows.
        epilogue: Epilogue,
    },
    /// Exact integer product. Inputs: a, b, optional zero points of a and b.
    MatMulInteger,
    /// Product of floats with 8-bit weights: a is quantized per call to 8 bits as `DynamicQuantize` does, the
    /// integer product is exact, and the result is rescaled.
    /// Inputs: a (floats), b (8-bit), scale of b, zero point of b, then the epilogue's.
    QuantizedMatMul {
        /// What follows.
        epilogue: Epilogue,
    },
    /// Attention: `softmax(scale · q · kᵀ + mask) · v`. Inputs: q, k, v, optional mask that broadcasts to the scores.
    Attention {
        /// Factor of the scores.
        scale: f32,
        /// Queries whose scores have no softmax (all −∞, or not a number) give zeros.
        zeroes_undefined: bool,
        /// q, k, v and the output are [batch, length, heads, width] instead of [batch, heads, length, width].
        heads_inside: bool,
    },
    /// Convolution over one or two spatial dimensions. Inputs: x, weights, then the epilogue's.
    Conv {
        /// Window.
        window: Window,
        /// Groups of channels.
        groups: usize,
        /// What follows.
        epilogue: Epilogue,
    },
    /// Transposed convolution. Inputs: x, weights, then the epilogue's.
    ConvTranspose {
        /// Window of the convolution it transposes.
        window: Window,
        /// Groups of channels.
        groups: usize,
        /// What follows.
        epilogue: Epilogue,
    },
    /// Pooling over one or two spatial dimensions.
    Pool {
        /// How.
        kind: Pooling,
        /// Window.
        window: Window,
    },
    /// Recurrent layer. Inputs as in ONNX: x, w, r, optional b, sequence lengths (absent), initial h, initial c.
    /// Outputs: y, last h, and for LSTM last c.
    Recurrent {
        /// Kind of cell.
        cell: Cell,
        /// Direction.
        direction: Direction,
        /// Width of the state.
        hidden_size: usize,
    },
    /// 8-bit unsigned quantization with the range of the input. Outputs: y, scale, zero point.
    DynamicQuantize,
    /// `saturate(round(x / scale) + zero point)`. Inputs: x, scale, optional zero point.
    Quantize {
        /// Axis of a scale per channel.
        axis: usize,
    },
    /// `(x − zero point) · scale`. Inputs: x, scale, optional zero point.
    Dequantize {
        /// Axis of a scale per channel.
        axis: usize,
    },
    /// Sum over products of elements with named dimensions.
    Einsum {
        /// One list of dimension numbers per input.
        inputs: Vec<Vec<usize>>,
        /// Dimension numbers of the output; the others are summed over.
        output: Vec<usize>,
        /// Length of each numbered dimension.
        lengths: Vec<usize>,
    },
}

impl Op {
    /// Short name for tables and messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unary(_) => "unary",
            Self::Binary(_) => "binary",
            Self::Where => "where",
            Self::Cast => "cast",
            Self::Reshape => "reshape",
            Self::Transpose(_) => "transpose",
            Self::Slice { .. } => "slice",
            Self::Expand => "expand",
            Self::Tile => "tile",
            Self::Concat { .. } => "concat",
            Self::Gather { .. } => "gather",
            Self::GatherElements { .. } => "gather-elements",
            Self::GatherNd { .. } => "gather-nd",
            Self::ScatterNd(_) => "scatter-nd",
            Self::ScatterElements { .. } => "scatter-elements",
            Self::Pad { .. } => "pad",
            Self::Resize { .. } => "resize",
            Self::Trilu { .. } => "trilu",
            Self::OneHot { .. } => "one-hot",
            Self::CumSum { .. } => "cumulative-sum",
            Self::Reduce { .. } => "reduce",
            Self::ArgReduce { .. } => "arg-reduce",
            Self::TopK { .. } => "top-k",
            Self::Softmax { .. } => "softmax",
            Self::Hardmax { .. } => "hardmax",
            Self::LayerNorm { is_rms: false, .. } => "layer-norm",
            Self::LayerNorm { is_rms: true, .. } => "rms-norm",
            Self::GroupNorm { .. } => "group-norm",
            Self::ChannelAffine => "channel-affine",
            Self::LpNorm { .. } => "lp-norm",
            Self::LocalResponseNorm { .. } => "local-response-norm",
            Self::MatMul { .. } => "matmul",
            Self::MatMulInteger => "matmul-integer",
            Self::QuantizedMatMul { .. } => "quantized-matmul",
            Self::Attention { .. } => "attention",
            Self::Conv { .. } => "conv",
            Self::ConvTranspose { .. } => "conv-transpose",
            Self::Pool { .. } => "pool",
            Self::Recurrent { cell: Cell::Lstm, .. } => "lstm",
            Self::Recurrent { cell: Cell::Gru { .. }, .. } => "gru",
            Self::DynamicQuantize => "dynamic-quantize",
            Self::Quantize { .. } => "quantize",
            Self::Dequantize { .. } => "dequantize",
            Self::Einsum { .. } => "einsum",
        }
    }

    /// For operators that only move elements of one input: offset and strides with which the input is read in the
    /// output's order.
    #[must_use]
    pub fn strided_read(&self, from: &[usize], to: &[usize]) -> Option<StridedRead> {
        let own = strides(from);
        let signed = |stride: usize| stride as isize;
        match self {
            Self::Transpose(perm) => {
                Some(StridedRead { offset: 0, strides: perm.iter().map(|&axis| signed(own[axis])).collect() })
            }
            Self::Slice { starts, steps } => Some(StridedRead {
                offset: starts.iter().zip(&own).map(|(start, stride)| start * stride).sum(),
                strides: steps.iter().zip(&own).map(|(&step, &stride)| step * signed(stride)).collect(),
            }),
            Self::Expand => Some(StridedRead {
                offset: 0,
                strides: broadcast_strides(from, to).into_iter().map(signed).collect(),
            }),
            _ => None,
        }
    }

    /// The epilogue, for operators that have one.
    pub(crate) fn epilogue_mut(&mut self) -> Option<&mut Epilogue> {
        match self {
            Self::MatMul { epilogue, .. }
            | Self::QuantizedMatMul { epilogue }
            | Self::Conv { epilogue, .. }
            | Self::ConvTranspose { epilogue, .. } => Some(epilogue),
            _ => None,
        }
    }
}

/// A way to read a tensor element by element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StridedRead {
    /// Position of the first element.
    pub offset: usize,
    /// Step along each output dimension.
    pub strides: Vec<isize>,
}

/// Type and shape of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Element type.
    pub dtype: DType,
    /// Shape, outermost dimension first.
    pub dims: Vec<usize>,
}

impl Fact {
    /// A fact.
    #[must_use]
    pub fn new(dtype: DType, dims: Vec<usize>) -> Self {
        Self { dtype, dims }
    }

    /// Number of elements.
    #[must_use]
    pub fn n_elements(&self) -> usize {
        crate::tensor::n_elements(&self.dims)
    }

    /// Bytes of the elements.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.n_elements() * self.dtype.size_bytes()
    }
}
