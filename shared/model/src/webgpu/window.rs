//! Convolutions, pooling and resizing.

use std::sync::Arc;

use super::Packing;
use super::elementwise::with_activation;
use super::linear::{Batches, Bias, Product};
use super::lower::{Call, Failure, LoweredStep, Lowering, Operand};
use crate::op::{Epilogue, Op, Pooling, ResizeCoordinates, ResizeMode, Window};
use crate::reference::resize_samples;
use crate::tensor::{DType, Data, Tensor, n_elements};

/// Most memory that the windows of one convolution may take as columns, bytes.
const MAX_COLUMNS_BYTES: u64 = 64 << 20;

/// Height and width of an image tensor; one-dimensional ones have height 1.
fn size(dims: &[usize]) -> [usize; 2] {
    match *dims {
        [_, _, width] => [1, width],
        [_, _, height, width] => [height, width],
        _ => [1, 1],
    }
}

/// Sizes that all window kernels read.
fn describe(call: Call, window: &Window, x: &Operand, out: &Operand) -> Call {
    let ([height, width], [out_height, out_width]) = (size(&x.dims), size(&out.dims));
    call.int("height", height as isize)
        .int("width", width as isize)
        .uint("out_height", out_height)
        .uint("out_width", out_width)
        .uint("kernel_height", window.kernel[0])
        .uint("kernel_width", window.kernel[1])
        .int("stride0", window.strides[0] as isize)
        .int("stride1", window.strides[1] as isize)
        .int("dilation0", window.dilations[0] as isize)
        .int("dilation1", window.dilations[1] as isize)
        .int("pad0", window.pads_begin[0] as isize)
        .int("pad1", window.pads_begin[1] as isize)
}

/// Channels that convolution kernels read.
fn channels(call: Call, x: &Operand, out: &Operand, groups: usize) -> Call {
    call.uint("in_channels", x.dims[1])
        .uint("out_channels", out.dims[1])
        .uint("per_group", x.dims[1] / groups)
        .uint("per_group_out", out.dims[1] / groups)
}

impl Lowering<'_> {
    pub(super) fn window(&mut self, step: &LoweredStep<'_>) -> Result<(), Failure> {
        match step.op {
            Op::Conv { window, groups, epilogue } => self.conv(step, window, *groups, epilogue),
            Op::ConvTranspose { window, groups, epilogue } => {
                let template = include_str!("kernel/conv_transpose.wgsl");
                self.conv_directly(step, window, *groups, epilogue, template)
            }
            Op::ConvInteger { window, groups } => self.conv_integer(step, window, *groups),
            Op::Pool { kind: Pooling::Max, window } => self.pool(step, "largest", false, window),
            Op::Pool { kind: Pooling::Average { counts_padding }, window } => {
                self.pool(step, "sum / count", *counts_padding, window)
            }
            Op::PoolIndices { window, by_column: false } => self.pool(step, "base + position", false, window),
            Op::PoolIndices { window, by_column: true } => {
                let result = "base + position % p.width * p.height + position / p.width";
                self.pool(step, result, false, window)
            }
            Op::Resize { coordinates, mode, scales } => self.resize(step, *coordinates, *mode, scales),
            _ => Err(Failure::Unsupported("none of its forms has one".to_owned())),
        }
    }

    fn conv(
        &mut self,
        step: &LoweredStep<'_>,
        window: &Window,
        groups: usize,
        epilogue: &Epilogue,
    ) -> Result<(), Failure> {
        let (x, w, out) = (step.input(0)?, step.input(1)?, step.output());
        let (n_batch, n_pixels) = (x.dims[0], n_elements(&out.dims[2..]));
        let taps = window.kernel[0] * window.kernel[1];
        let per_group = w.dims[1];
        let n4 = n_pixels.div_ceil(4);
        let column_bytes = (n_batch * x.dims[1] * taps * n4 * 16) as u64;
        if per_group == 1 || column_bytes > MAX_COLUMNS_BYTES.min(self.target.max_binding_bytes) {
            return self.conv_directly(step, window, groups, epilogue, include_str!("kernel/conv.wgsl"));
        }
        let is_pointwise =
            taps == 1 && window.strides == [1, 1] && window.pads_begin == [0, 0] && window.pads_end == [0, 0];
        let columns = if is_pointwise && n_pixels % 4 == 0 {
            self.materialise(x.tensor)?;
            x.tensor
        } else {
            self.columns_of_windows(window, x, out)?
        };
        let (m, k) = (w.dims[0] / groups, per_group * taps);
        let [bias, residual] = step.epilogue(epilogue, 2);
        self.product(Product {
            a: w,
            a_steps: [k, 1],
            a_matrix: m * k,
            b: columns,
            batches: Batches::new(&[1, groups, m, k], &[n_batch, groups, k, n_pixels]),
            m,
            k,
            n: n_pixels,
            bias: bias.map_or(Bias::None, |values| Bias::Row { values, groups }),
            residual,
            epilogue,
            out,
        })
    }

    /// The windows of an image as the columns of a matrix, [batch, channel · tap, pixel].
    fn columns_of_windows(
        &mut self,
        window: &Window,
        x: &Operand,
        out: &Operand,
    ) -> Result<super::lower::TensorId, Failure> {
        let taps = window.kernel[0] * window.kernel[1];
        let n4 = n_elements(&out.dims[2..]).div_ceil(4);
        let n_rows = x.dims[0] * x.dims[1] * taps;
        let columns = self.temporary(DType::F32, &[n_rows, n4 * 4]);
        let call = Call::new("windows", include_str!("kernel/im2col.wgsl"))
            .uint("n4", n4)
            .uint("taps", taps)
            .read("x", x)
            .bind("y", "vec4<f32>", columns.tensor, true);
        self.emit(describe(call, window, x, out), n_rows * n4)?;
        Ok(columns.tensor)
    }

    fn conv_directly(
        &mut self,
        step: &LoweredStep<'_>,
        window: &Window,
        groups: usize,
        epilogue: &Epilogue,
        template: &'static str,
    ) -> Result<(), Failure> {
        let (x, w, out) = (step.input(0)?, step.input(1)?, step.output());
        let [bias, residual] = step.epilogue(epilogue, 2);
        let call = with_activation(step.op.name(), template, &epilogue.activations);
        let call = channels(call, x, out, groups)
            .read("x", x)
            .read("w", w)
            .read_optional("bias", bias)
            .read_optional("residual", residual)
            .write("y", out);
        self.emit(describe(call, window, x, out), out.n())
    }

    fn conv_integer(
        &mut self,
        step: &LoweredStep<'_>,
        window: &Window,
        groups: usize,
    ) -> Result<(), Failure> {
        let (x, out) = (step.input(0)?, step.output());
        let w_points = step.optional(3);
        let call = channels(Call::new("conv", include_str!("kernel/conv.wgsl")), x, out, groups)
            .flag("INTEGER", true)
            .uint("w_point_step", usize::from(w_points.is_some_and(|points| points.n() > 1)))
            .read("x", x)
            .read("w", step.input(1)?)
            .read_optional("x_points", step.optional(2))
            .read_optional("w_points", w_points)
            .write("y", out);
        self.emit(describe(call, window, x, out), out.n())
    }

    fn pool(
        &mut self,
        step: &LoweredStep<'_>,
        result: &str,
        counts_padding: bool,
        window: &Window,
    ) -> Result<(), Failure> {
        let (x, out) = (step.input(0)?, step.output());
        let call = Call::new("pool", include_str!("kernel/pool.wgsl"))
            .define("RESULT", result)
            .uint("counts_padding", usize::from(counts_padding))
            .int("pad_end0", window.pads_end[0] as isize)
            .int("pad_end1", window.pads_end[1] as isize)
            .read("x", x)
            .write("y", out);
        self.emit(describe(call, window, x, out), out.n())
    }

    /// One axis at a time: both modes are separable.
    fn resize(
        &mut self,
        step: &LoweredStep<'_>,
        coordinates: ResizeCoordinates,
        mode: ResizeMode,
        scales: &[f32],
    ) -> Result<(), Failure> {
        let (mut x, out) = (step.input(0)?.clone(), step.output());
        let changed: Vec<usize> = (0..x.dims.len()).filter(|&axis| x.dims[axis] != out.dims[axis]).collect();
        for &axis in &changed {
            let mut dims = x.dims.clone();
            dims[axis] = out.dims[axis];
            let next =
                if Some(&axis) == changed.last() { out.clone() } else { self.temporary(DType::F32, &dims) };
            let samples = resize_samples(coordinates, mode, scales[axis], x.dims[axis], dims[axis]);
            let table = samples
                .into_iter()
                .flat_map(|(low, high, weight)| [low as i32, high as i32, weight.to_bits().cast_signed()])
                .collect();
            let table = Tensor::new(vec![dims[axis], 3], Data::I32(table))
                .ok_or_else(|| "samples that fit no table".to_owned())?;
            let samples = self.constant(&Arc::new(table), Packing::Elements);
            let call = Call::new("resize", include_str!("kernel/resize.wgsl"))
                .uint("length", x.dims[axis])
                .uint("n_out", dims[axis])
                .uint("inner", n_elements(&dims[axis + 1..]))
                .read("x", &x)
                .bind("samples", "i32", samples, false)
                .write("y", &next);
            self.emit(call, n_elements(&dims))?;
            x = next;
        }
        if changed.is_empty() {
            let expression = self.load(&x, &x.dims, 1)?;
            self.copy(expression, &x.dims, out, None)?;
        }
        Ok(())
    }
}
