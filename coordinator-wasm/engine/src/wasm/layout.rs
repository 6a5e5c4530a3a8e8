//! How images lie in memory: channels innermost wherever kernels for it follow each other.
//!
//! A model says [batch, channels, height, width]. With channels innermost, windows are runs of memory, every stride is
//! as good as 1, and pixels are the rows of a product. So convolutions and pooling always work on such images, element-wise
//! operators on whatever comes, and everything else on the model's order. Between the two an image is turned.

use model::plan::{Home, Plan, Step};
use model::tensor::n_elements;
use model::{DType, Op};

use super::kernel::movement::transpose;
use super::prepare::Kernel;

/// How the kernel of a step sees operands and results.
#[derive(Debug, Default)]
pub(super) struct Arrangement {
    /// Images are [batch, height, width, channels].
    pub(super) is_channels_last: bool,
    /// Shapes of the operands, absent ones empty.
    pub(super) operands: Vec<Vec<usize>>,
    /// Operands that lie the other way.
    pub(super) turned: Vec<Turn>,
    /// Shape of the first result.
    pub(super) result: Vec<usize>,
    /// The first result must be turned to the model's order.
    pub(super) turns_result: bool,
}

/// An operand that must be turned before the kernel runs.
#[derive(Debug)]
pub(super) struct Turn {
    /// Of the operand.
    pub(super) position: usize,
    /// Shape in the model's order.
    pub(super) dims: Vec<usize>,
    /// Direction.
    pub(super) to_channels_last: bool,
}

/// A shape of the model with channels innermost.
pub(super) fn channels_last(dims: &[usize]) -> Vec<usize> {
    match dims {
        &[n, c, ref spatial @ ..] => [n].into_iter().chain(spatial.iter().copied()).chain([c]).collect(),
        short => short.to_vec(),
    }
}

/// Where an axis of the model is with channels innermost.
pub(super) fn axis_with_channels_last(axis: usize, rank: usize) -> usize {
    match axis {
        0 => 0,
        1 => rank - 1,
        spatial => spatial - 1,
    }
}

/// True when both orders are the same memory.
fn is_same_either_way(dims: &[usize]) -> bool {
    dims.len() < 3 || dims[1] == 1 || n_elements(&dims[2..]) <= 1
}

/// Turns an image between the orders; `dims` is its shape in the model's order.
pub(super) fn turn(dims: &[usize], to_channels_last: bool, x: &[f32], out: &mut [f32]) {
    let (n_channels, n_pixels) = (dims[1], n_elements(&dims[2..]));
    let [rows, columns] = if to_channels_last { [n_channels, n_pixels] } else { [n_pixels, n_channels] };
    let images = x.chunks_exact((rows * columns).max(1));
    for (image, out) in images.zip(out.chunks_exact_mut((rows * columns).max(1))) {
        transpose(image, [rows, columns], out);
    }
}

/// The arrangement of every step.
pub(super) fn arrange(plan: &Plan, kernels: &[Kernel]) -> Vec<Arrangement> {
    let pinned = pinned(plan);
    let mut is_last = vec![false; plan.values.len()];
    let steps = plan.steps.iter().zip(kernels);
    steps.map(|(step, kernel)| Arranger { plan, step, kernel }.arrange(&pinned, &mut is_last)).collect()
}

/// Values that are also read under another shape or leave the plan, and so must lie as the model says.
fn pinned(plan: &Plan) -> Vec<bool> {
    let mut pinned = vec![false; plan.values.len()];
    // Which result each buffer holds at the moment.
    let mut held: Vec<Option<usize>> = vec![None; plan.buffers.len()];
    let holder = |held: &[Option<usize>], value: usize| match plan.values[value].home {
        Home::Buffer(buffer) => held[buffer],
        Home::Input(_) | Home::Constant(_) => None,
    };
    for step in &plan.steps {
        for &input in step.inputs.iter().flatten() {
            match holder(&held, input) {
                Some(result) if result != input => pinned[result] = true,
                _ => {}
            }
        }
        for &output in &step.outputs {
            if let Home::Buffer(buffer) = plan.values[output].home {
                held[buffer] = Some(output);
            }
        }
    }
    for &(_, output) in &plan.outputs {
        if let Some(result) = holder(&held, output) {
            pinned[result] = true;
        }
    }
    pinned
}

struct Arranger<'a> {
    plan: &'a Plan,
    step: &'a Step,
    kernel: &'a Kernel,
}

impl Arranger<'_> {
    fn arrange(&self, pinned: &[bool], is_last: &mut [bool]) -> Arrangement {
        let output = self.step.outputs[0];
        let dims = &self.plan.values[output].fact.dims;
        let is_channels_last = self.works_with_channels_last(is_last);
        let turned = self.values().filter_map(|(position, value)| {
            let own = &self.plan.values[value].fact.dims;
            let to_channels_last = is_channels_last && self.is_image(position);
            let dims = if to_channels_last { self.dims_in_rank(value, dims.len()) } else { own.clone() };
            let turns = is_last[value] != to_channels_last && !is_same_either_way(&dims);
            turns.then_some(Turn { position, dims, to_channels_last })
        });
        let turned = turned.collect();
        let operand = |position: usize| match self.step.inputs[position] {
            Some(value) if is_channels_last && self.is_image(position) => {
                channels_last(&self.dims_in_rank(value, dims.len()))
            }
            Some(value) => self.plan.values[value].fact.dims.clone(),
            None => Vec::new(),
        };
        let operands = (0..self.step.inputs.len()).map(operand).collect();
        is_last[output] = is_channels_last && !pinned[output];
        Arrangement {
            is_channels_last,
            operands,
            turned,
            result: if is_channels_last { channels_last(dims) } else { dims.clone() },
            turns_result: is_channels_last && pinned[output] && !is_same_either_way(dims),
        }
    }

    fn values(&self) -> impl Iterator<Item = (usize, usize)> {
        self.step.inputs.iter().enumerate().filter_map(|(position, value)| Some((position, (*value)?)))
    }

    /// The shape of a value with ones before it, as broadcasting sees it.
    fn dims_in_rank(&self, value: usize, rank: usize) -> Vec<usize> {
        let dims = &self.plan.values[value].fact.dims;
        let missing = rank.saturating_sub(dims.len());
        std::iter::repeat_n(1, missing).chain(dims.iter().copied()).collect()
    }

    /// True for operands that are images when the kernel works on images.
    fn is_image(&self, position: usize) -> bool {
        match &self.step.op {
            Op::Conv { epilogue, .. } | Op::ConvTranspose { epilogue, .. } => {
                position == 0 || epilogue.has_residual && position == 2 + usize::from(epilogue.has_bias)
            }
            Op::Binary(_) | Op::Concat { .. } => true,
            _ => position == 0,
        }
    }

    fn works_with_channels_last(&self, is_last: &[bool]) -> bool {
        let fact = &self.plan.values[self.step.outputs[0]].fact;
        if fact.dtype != DType::F32 {
            return false;
        }
        let first = self.step.inputs.first().copied().flatten();
        let rank = first.map_or(0, |value| self.plan.values[value].fact.dims.len());
        match (self.kernel, &self.step.op) {
            (
                Kernel::Conv(_)
                | Kernel::Depthwise(_)
                | Kernel::ConvTransposed(_)
                | Kernel::Pool
                | Kernel::Resize(_),
                _,
            ) => true,
            (Kernel::Unary | Kernel::ChannelAffine | Kernel::Concat, _) => self.reads_last(is_last),
            (Kernel::Binary(_), _) => {
                let mut images = self.values().filter(|&(_, value)| is_last[value]).peekable();
                let is_whole = |value: usize| self.plan.values[value].fact.dims.len() == fact.dims.len();
                images.peek().is_some() && images.all(|(_, value)| is_whole(value))
            }
            (Kernel::Reduce, Op::Reduce { axes, .. }) => {
                self.reads_last(is_last) && axes.iter().copied().eq(2..rank) && is_same_either_way(&fact.dims)
            }
            _ => false,
        }
    }

    fn reads_last(&self, is_last: &[bool]) -> bool {
        self.values().any(|(_, value)| is_last[value])
    }
}
