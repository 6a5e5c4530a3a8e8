//! What each step computes: operators with every parameter resolved.
//!
//! ONNX has many spellings for one meaning (attributes or inputs, 1-D or 2-D, decomposed or fused). Here each meaning
//! has one form, which backends implement and passes match on.

use crate::tensor::{DType, broadcast_strides, strides};

mod function;
mod parameter;

pub use function::{Binary, Reduction, Unary};
pub use parameter::{
    Cell, Direction, Epilogue, NearestRounding, PadMode, Pooling, ResizeCoordinates, ResizeMode, SampleMode,
    SamplePadding, ScatterMode, Window,
};

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
    /// Position of the largest element of each window of max pooling, counted through the whole input.
    PoolIndices {
        /// Window.
        window: Window,
        /// Count down columns instead of along rows.
        by_column: bool,
    },
    /// Exact integer convolution. Inputs: x, weights, optional zero points of x and of the weights, one or one per output
    /// channel.
    ConvInteger {
        /// Window.
        window: Window,
        /// Groups of channels.
        groups: usize,
    },
    /// The first input, [batch, channels, lengths…], at the positions of the second, [batch, lengths…, coordinates]:
    /// the innermost dimension's first, −1 to 1 from one end to the other.
    GridSample {
        /// How neighbours combine.
        mode: SampleMode,
        /// What is outside.
        padding: SamplePadding,
        /// The ends are centres of elements, else their outer edges.
        aligns_corners: bool,
    },
    /// Regions of images, resampled to one size. Inputs: images, regions [n, 4] as x and y of two corners, image of each
    /// region.
    RoiAlign {
        /// Largest of the samples of a cell, else their mean.
        is_max: bool,
        /// Pixel centres are at half positions.
        half_pixel: bool,
        /// Samples per cell in each direction; 0 takes one per pixel.
        n_samples: usize,
        /// Pixels per unit of the regions.
        scale: f32,
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
            Self::PoolIndices { .. } => "pool-indices",
            Self::ConvInteger { .. } => "conv-integer",
            Self::GridSample { .. } => "grid-sample",
            Self::RoiAlign { .. } => "roi-align",
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
