//! Convolutions: pixels are gathered into panels and multiplied with packed weights; depthwise ones run directly.

use model::op::{Epilogue, Window};

use super::elementwise;
use super::gemm::{Finish, Left, Matrix, Right, TILE_COLUMNS, Target, multiply, multiply_panels};
use super::simd::F32x4;

/// Floats of gathered pixels that are multiplied at once: 256 kB stay in the second-level cache.
const GATHERED: usize = 1 << 16;
/// Images with fewer output pixels than this are multiplied together.
const FEW_PIXELS: usize = 64;
/// Output pixels of a depthwise row computed at once.
const DEPTHWISE_RUN: usize = 16;

/// Weights ready for the kernels.
#[derive(Debug)]
pub(super) enum PackedConv {
    /// One left operand per group.
    Groups(Vec<Left>),
    /// One filter per output channel, each reading one input channel.
    Depthwise(Vec<f32>),
}

impl PackedConv {
    /// Packs weights of shape `[out channels, in channels / groups, …]`.
    pub(super) fn new(weights: &[f32], dims: &[usize], groups: usize, window: &Window) -> Self {
        let (n_out, n_in) = (dims[0], dims[1]);
        let n_taps = window.kernel.iter().product::<usize>();
        if n_in == 1 && groups > 1 {
            return Self::Depthwise(weights.to_vec());
        }
        let per_group = n_out / groups;
        let matrix = Matrix::new(weights, n_out, n_in * n_taps);
        Self::Groups((0..groups).map(|g| Left::packed(matrix.rows(g * per_group, per_group))).collect())
    }
}

/// Memory that calls share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    padded: Vec<f32>,
    panels: Vec<f32>,
    product: Vec<f32>,
    right: Right,
}

/// Batch, channels, height and width; one-dimensional images have height 1.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) n: usize,
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Shape {
    pub(super) fn new(dims: &[usize]) -> Self {
        match *dims {
            [n, channels, width] => Self { n, channels, height: 1, width },
            [n, channels, height, width] => Self { n, channels, height, width },
            _ => Self { n: 0, channels: 0, height: 0, width: 0 },
        }
    }

    fn n_pixels(self) -> usize {
        self.height * self.width
    }
}

/// One convolution call.
pub(super) struct Conv<'a> {
    pub(super) window: &'a Window,
    pub(super) input: Shape,
    pub(super) output: Shape,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) residual: Option<&'a [f32]>,
    pub(super) epilogue: &'a Epilogue,
}

impl Conv<'_> {
    pub(super) fn run(&self, x: &[f32], weights: &PackedConv, scratch: &mut Scratch, out: &mut [f32]) {
        match weights {
            PackedConv::Groups(groups) => self.run_groups(x, groups, scratch, out),
            PackedConv::Depthwise(filters) => self.run_depthwise(x, filters, scratch, out),
        }
    }

    fn run_groups(&self, x: &[f32], groups: &[Left], scratch: &mut Scratch, out: &mut [f32]) {
        let pads = [self.window.pads_begin, self.window.pads_end];
        let is_padded = pads != [[0, 0], [0, 0]];
        let Scratch { padded, panels, product, .. } = scratch;
        let (height, width) = if is_padded {
            pad(x, self.input, pads, padded);
            (self.input.height + pads[0][0] + pads[1][0], self.input.width + pads[0][1] + pads[1][1])
        } else {
            (self.input.height, self.input.width)
        };
        let image = if is_padded { padded.as_slice() } else { x };
        let gather = Gather {
            window: self.window,
            width,
            plane: height * width,
            channels: self.input.channels,
            per_group: self.input.channels / groups.len(),
            output: self.output,
        };
        let together = self.output.n > 1 && self.output.n_pixels() < FEW_PIXELS;
        for (g, left) in groups.iter().enumerate() {
            let first_channel = g * left.n_rows;
            let bias = self.bias.map(|bias| &bias[first_channel..first_channel + left.n_rows]);
            if together {
                self.run_together(image, left, g, bias, &gather, panels, product, out);
                continue;
            }
            for n in 0..self.output.n {
                let start = (n * self.output.channels + first_channel) * self.output.n_pixels();
                let end = start + left.n_rows * self.output.n_pixels();
                let finish = Finish {
                    row_bias: bias,
                    residual: self.residual.map(|residual| &residual[start..end]),
                    activations: &self.epilogue.activations,
                    ..Finish::NONE
                };
                let columns = n * self.output.n_pixels()..(n + 1) * self.output.n_pixels();
                gather.multiply(image, left, g, columns, finish, panels, &mut out[start..end]);
            }
        }
        if together {
            self.finish(out);
        }
    }

    /// Multiplies the pixels of all images at once and sorts the result by image.
    #[expect(clippy::too_many_arguments, reason = "the parts of two borrowed structures")]
    fn run_together(
        &self,
        image: &[f32],
        left: &Left,
        group: usize,
        bias: Option<&[f32]>,
        gather: &Gather<'_>,
        panels: &mut Vec<f32>,
        product: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let n_pixels = self.output.n_pixels();
        let n_columns = self.output.n * n_pixels;
        product.resize(left.n_rows * n_columns, 0.0);
        let finish = Finish { row_bias: bias, ..Finish::NONE };
        gather.multiply(image, left, group, 0..n_columns, finish, panels, product);
        for (row, products) in product.chunks_exact(n_columns).enumerate() {
            for (n, pixels) in products.chunks_exact(n_pixels).enumerate() {
                let channel = n * self.output.channels + group * left.n_rows + row;
                out[channel * n_pixels..(channel + 1) * n_pixels].copy_from_slice(pixels);
            }
        }
    }

    /// Adds the residual and applies the activations to everything.
    fn finish(&self, out: &mut [f32]) {
        if let Some(residual) = self.residual {
            out.iter_mut().zip(residual).for_each(|(out, residual)| *out += residual);
        }
        elementwise::apply(&self.epilogue.activations, out);
    }

    fn run_depthwise(&self, x: &[f32], filters: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        let window = self.window;
        let [kernel_height, kernel_width] = window.kernel;
        let n_taps = kernel_height * kernel_width;
        let stride = window.strides[1];
        let height = self.input.height + window.pads_begin[0] + window.pads_end[0];
        let width = self.input.width + window.pads_begin[1] + window.pads_end[1];
        // Columns are sorted by their rest modulo the stride, so that neighbouring outputs read neighbours.
        // Reads past the last output stay inside the row's slack.
        let phase_length = width.div_ceil(stride) + DEPTHWISE_RUN;
        let row_length = phase_length * stride;
        let plane = &mut scratch.padded;
        plane.clear();
        plane.resize(height * row_length, 0.0);
        let multiplier = self.output.channels / self.input.channels;
        let mut taps = Vec::with_capacity(n_taps);
        let n_pixels = self.output.n_pixels();
        for (index, out) in out.chunks_exact_mut(n_pixels.max(1)).enumerate() {
            let (n, channel) = (index / self.output.channels, index % self.output.channels);
            if channel % multiplier == 0 {
                let source = (n * self.input.channels + channel / multiplier) * self.input.n_pixels();
                let image = &x[source..source + self.input.n_pixels()];
                for (row, values) in image.chunks_exact(self.input.width).enumerate() {
                    let start = (row + window.pads_begin[0]) * row_length;
                    spread(values, window.pads_begin[1], stride, phase_length, &mut plane[start..]);
                }
            }
            taps.clear();
            for (tap, &weight) in filters[channel * n_taps..(channel + 1) * n_taps].iter().enumerate() {
                let column = tap % kernel_width * window.dilations[1];
                let row = tap / kernel_width * window.dilations[0];
                let offset = row * row_length + column % stride * phase_length + column / stride;
                taps.push((offset, weight));
            }
            let bias = self.bias.map_or(0.0, |bias| bias[channel]);
            for (row, out) in out.chunks_exact_mut(self.output.width).enumerate() {
                depthwise_row(&plane[row * window.strides[0] * row_length..], &taps, bias, out);
            }
            if self.residual.is_none() {
                elementwise::apply(&self.epilogue.activations, out);
            }
        }
        if self.residual.is_some() {
            self.finish(out);
        }
    }
}

/// Writes a row with its columns sorted by their rest modulo the stride.
fn spread(values: &[f32], pad: usize, stride: usize, phase_length: usize, row: &mut [f32]) {
    if stride == 1 {
        row[pad..pad + values.len()].copy_from_slice(values);
        return;
    }
    for (column, &value) in values.iter().enumerate() {
        let column = column + pad;
        row[column % stride * phase_length + column / stride] = value;
    }
}

fn depthwise_row(plane: &[f32], taps: &[(usize, f32)], bias: f32, out: &mut [f32]) {
    for (run, out) in out.chunks_mut(DEPTHWISE_RUN).enumerate() {
        let mut sums = [F32x4::splat(bias); DEPTHWISE_RUN / 4];
        for &(offset, weight) in taps {
            let start = run * DEPTHWISE_RUN + offset;
            let (values, _) = plane[start..start + DEPTHWISE_RUN].as_chunks::<4>();
            let weight = F32x4::splat(weight);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = weight.mul_add(F32x4::load(value), *sum);
            }
        }
        for (out, sum) in out.chunks_mut(4).zip(sums) {
            out.copy_from_slice(&sum.to_array()[..out.len()]);
        }
    }
}

/// Copies images into larger ones with zeros around.
fn pad(x: &[f32], shape: Shape, pads: [[usize; 2]; 2], padded: &mut Vec<f32>) {
    let [[top, left], [bottom, right]] = pads;
    let (height, width) = (shape.height + top + bottom, shape.width + left + right);
    padded.clear();
    padded.resize(shape.n * shape.channels * height * width, 0.0);
    for (index, row) in x.chunks_exact(shape.width.max(1)).enumerate() {
        let (image, y) = (index / shape.height, index % shape.height);
        let start = (image * height + y + top) * width + left;
        padded[start..start + shape.width].copy_from_slice(row);
    }
}

/// How output pixels of all images are gathered into columns.
struct Gather<'a> {
    window: &'a Window,
    /// Width of a padded image.
    width: usize,
    /// Elements of a padded channel.
    plane: usize,
    channels: usize,
    per_group: usize,
    output: Shape,
}

impl Gather<'_> {
    /// Multiplies weights with a range of output pixels; the target has as many columns as the range.
    #[expect(clippy::too_many_arguments, reason = "the parts of two borrowed structures")]
    fn multiply(
        &self,
        image: &[f32],
        left: &Left,
        group: usize,
        columns: std::ops::Range<usize>,
        finish: Finish<'_>,
        panels: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let n_inner = left.n_inner;
        let per_block = (GATHERED / n_inner.max(1) / TILE_COLUMNS).max(1) * TILE_COLUMNS;
        let row_stride = columns.len();
        for first in columns.clone().step_by(per_block) {
            let n_columns = per_block.min(columns.end - first);
            panels.resize(n_columns.div_ceil(TILE_COLUMNS) * TILE_COLUMNS * n_inner, 0.0);
            for (index, panel) in panels.chunks_exact_mut((TILE_COLUMNS * n_inner).max(1)).enumerate() {
                let start = first + index * TILE_COLUMNS;
                self.panel(image, group, start, columns.end, panel);
            }
            let mut target = Target { data: out, row_stride, first_column: first - columns.start };
            multiply_panels(left, panels, n_columns, finish, &mut target);
        }
    }

    /// Gathers eight pixels; those past the end repeat the last.
    fn panel(&self, image: &[f32], group: usize, start: usize, end: usize, panel: &mut [f32]) {
        let window = self.window;
        let n_pixels = self.output.n_pixels();
        let bases: [usize; TILE_COLUMNS] = std::array::from_fn(|lane| {
            let column = (start + lane).min(end - 1);
            let (n, pixel) = (column / n_pixels, column % n_pixels);
            let (y, x) = (pixel / self.output.width, pixel % self.output.width);
            (n * self.channels + group * self.per_group) * self.plane
                + y * window.strides[0] * self.width
                + x * window.strides[1]
        });
        let is_run = bases.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let (rows, _) = panel.as_chunks_mut::<TILE_COLUMNS>();
        let mut rows = rows.iter_mut();
        for channel in 0..self.per_group {
            for tap_row in 0..window.kernel[0] {
                for tap_column in 0..window.kernel[1] {
                    let offset = channel * self.plane
                        + tap_row * window.dilations[0] * self.width
                        + tap_column * window.dilations[1];
                    let Some(row) = rows.next() else { return };
                    if is_run {
                        let first = bases[0] + offset;
                        row.copy_from_slice(&image[first..first + TILE_COLUMNS]);
                    } else {
                        let source = &image[offset..];
                        row.iter_mut().zip(bases).for_each(|(to, base)| *to = source[base]);
                    }
                }
            }
        }
    }
}

/// Weights of a transposed convolution: per group, one row per output channel and tap.
pub(super) fn pack_transposed(weights: &[f32], dims: &[usize], groups: usize) -> Vec<Left> {
    let per_group = dims[0] / groups;
    let n_rows = dims[1..].iter().product();
    let matrix = Matrix::new(weights, dims[0], n_rows);
    (0..groups).map(|g| Left::packed(matrix.rows(g * per_group, per_group).transposed())).collect()
}

/// A transposed convolution: every input pixel is multiplied with every tap, and the products are added up in place.
pub(super) fn transposed(conv: &Conv<'_>, x: &[f32], groups: &[Left], scratch: &mut Scratch, out: &mut [f32]) {
    let (input, output, window) = (conv.input, conv.output, conv.window);
    let n_taps = window.kernel.iter().product::<usize>();
    let n_columns = input.n_pixels();
    let Scratch { product, right, .. } = scratch;
    for (index, plane) in out.chunks_exact_mut(output.n_pixels().max(1)).enumerate() {
        plane.fill(conv.bias.map_or(0.0, |bias| bias[index % output.channels]));
    }
    for n in 0..input.n {
        for (g, left) in groups.iter().enumerate() {
            let first = (n * input.channels + g * left.n_inner) * n_columns;
            right.pack(Matrix::new(&x[first..], left.n_inner, n_columns));
            product.resize(left.n_rows * n_columns, 0.0);
            let mut target = Target { data: product, row_stride: n_columns, first_column: 0 };
            multiply(left, right, Finish::NONE, &mut target);
            let per_group = left.n_rows / n_taps;
            for (row, products) in product.chunks_exact(n_columns.max(1)).enumerate() {
                let channel = n * output.channels + g * per_group + row / n_taps;
                let plane = &mut out[channel * output.n_pixels()..][..output.n_pixels()];
                let tap = [row % n_taps / window.kernel[1], row % window.kernel[1]];
                add_tap(conv, products, tap, plane);
            }
        }
    }
    conv.finish(out);
}

/// Adds the products of one tap where they belong; those that fall outside are cropped.
fn add_tap(conv: &Conv<'_>, products: &[f32], tap: [usize; 2], plane: &mut [f32]) {
    let (window, output) = (conv.window, conv.output);
    let place = |axis: usize, at: usize, length: usize| {
        let spread = at * window.strides[axis] + tap[axis] * window.dilations[axis];
        spread.checked_sub(window.pads_begin[axis]).filter(|&position| position < length)
    };
    for (y, products) in products.chunks_exact(conv.input.width.max(1)).enumerate() {
        let Some(out_y) = place(0, y, output.height) else { continue };
        let row = &mut plane[out_y * output.width..(out_y + 1) * output.width];
        for (x, &product) in products.iter().enumerate() {
            if let Some(out_x) = place(1, x, output.width) {
                row[out_x] += product;
            }
        }
    }
}
