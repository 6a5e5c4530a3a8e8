//! Parameters of operators.

use crate::op::Unary;

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

/// How sampling at a position between elements combines its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleMode {
    /// The nearest one; halves round to even.
    Nearest,
    /// Linear along each axis.
    Linear,
    /// Cubic convolution along each axis.
    Cubic,
}

/// What sampling finds outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplePadding {
    /// Zeros.
    Zeros,
    /// The nearest element.
    Border,
    /// The mirror image.
    Reflection,
}
