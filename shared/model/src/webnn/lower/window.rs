//! Convolutions and pooling, on images in the layout that the context prefers.

use crate::op::{Epilogue, Fact, Pooling, Window};
use crate::plan::Step;
use crate::tensor::{DType, Data};

use super::{Lowering, ValueId};
use crate::webnn::builder::{Options, Reason, refuse};
use crate::webnn::limits::Layout;
use crate::webnn::program::{Argument, OperandId};

impl Lowering<'_> {
    /// Batch, channels, height and width of an image.
    fn image_size(&self, image: OperandId) -> [usize; 4] {
        let dims = self.builder.dims(image);
        match self.builder.limits.layout {
            Layout::Nchw => [dims[0], dims[1], dims[2], dims[3]],
            Layout::Nhwc => [dims[0], dims[3], dims[1], dims[2]],
        }
    }

    fn image_fact(&self, [n, channels, height, width]: [usize; 4]) -> Fact {
        Fact::new(
            DType::F32,
            match self.builder.limits.layout {
                Layout::Nchw => vec![n, channels, height, width],
                Layout::Nhwc => vec![n, height, width, channels],
            },
        )
    }

    fn layout_name(&self) -> Argument {
        Argument::Text(match self.builder.limits.layout {
            Layout::Nchw => "nchw",
            Layout::Nhwc => "nhwc",
        })
    }

    /// Batch, channels, height and width of a value of three or four dimensions.
    fn four(&self, value: ValueId) -> Result<[usize; 4], Reason> {
        match self.dims(value)[..] {
            [n, channels, width] => Ok([n, channels, 1, width]),
            [n, channels, height, width] => Ok([n, channels, height, width]),
            ref dims => refuse(format!("{} dimensions", dims.len())),
        }
    }

    /// Weights in the order of the filter layout that follows.
    fn filter(&mut self, value: ValueId, permutation: [usize; 4]) -> Result<OperandId, Reason> {
        let four = self.four(value)?;
        self.turned(value, &four, &permutation)
    }

    fn bias(&mut self, step: &Step, epilogue: &Epilogue, n_channels: usize) -> Result<Options, Reason> {
        if !epilogue.has_bias {
            return Ok(Vec::new());
        }
        let bias = self.operand(step, 2)?;
        let bias = self.builder.reshape(bias, &[n_channels])?;
        Ok(vec![("bias", Argument::Operand("bias", bias))])
    }

    pub(super) fn conv(
        &mut self,
        step: &Step,
        window: &Window,
        groups: usize,
        epilogue: &Epilogue,
    ) -> Result<(), Reason> {
        let (out, _) = self.result(step);
        let x = self.image(Self::value(step, 0)?)?;
        let weights = Self::value(step, 1)?;
        let [n_out, per_group, ..] = self.four(weights)?;
        let [_, n_in, ..] = self.image_size(x);
        let is_depthwise = groups > 1 && groups == n_in && n_out == n_in && per_group == 1;
        let (permutation, filter_layout) = match (self.builder.limits.layout, is_depthwise) {
            (Layout::Nchw, _) => ([0, 1, 2, 3], "oihw"),
            (Layout::Nhwc, false) => ([0, 2, 3, 1], "ohwi"),
            (Layout::Nhwc, true) => ([1, 2, 3, 0], "ihwo"),
        };
        let filter = self.filter(weights, permutation)?;
        let mut options = self.bias(step, epilogue, n_out)?;
        let [top, left] = window.pads_begin;
        let [bottom, right] = window.pads_end;
        options.extend([
            ("padding", Argument::Numbers(vec![top, bottom, left, right])),
            ("strides", Argument::Numbers(window.strides.to_vec())),
            ("dilations", Argument::Numbers(window.dilations.to_vec())),
            ("groups", Argument::Number(groups as f64)),
            ("inputLayout", self.layout_name()),
            ("filterLayout", Argument::Text(filter_layout)),
        ]);
        let fact = self.image_fact(self.four(out)?);
        let arguments = vec![Argument::Operand("input", x), Argument::Operand("filter", filter)];
        let product = self.builder.call("conv2d", arguments, options, fact)?;
        let y = self.epilogue(step, epilogue, 2, true, product)?;
        self.put(out, true, y);
        Ok(())
    }

    pub(super) fn conv_transpose(
        &mut self,
        step: &Step,
        window: &Window,
        groups: usize,
        epilogue: &Epilogue,
    ) -> Result<(), Reason> {
        let (out, _) = self.result(step);
        if groups > 1 || window.dilations != [1, 1] {
            return refuse("convTranspose2d with groups or dilations");
        }
        let x = self.image(Self::value(step, 0)?)?;
        let weights = Self::value(step, 1)?;
        let [_, n_out, ..] = self.four(weights)?;
        let (permutation, filter_layout) = match self.builder.limits.layout {
            Layout::Nchw => ([0, 1, 2, 3], "iohw"),
            Layout::Nhwc => ([1, 2, 3, 0], "ohwi"),
        };
        let filter = self.filter(weights, permutation)?;
        let [n, channels, height, width] = self.four(out)?;
        let size = self.image_size(x);
        // All that the taps reach is computed, then cropped or filled up: contexts differ in the padding they take.
        let reach = |axis: usize| (size[2 + axis] - 1) * window.strides[axis] + window.kernel[axis];
        let full = [n, channels, reach(0), reach(1)];
        let mut options = self.bias(step, epilogue, n_out)?;
        options.extend([
            ("strides", Argument::Numbers(window.strides.to_vec())),
            ("inputLayout", self.layout_name()),
            ("filterLayout", Argument::Text(filter_layout)),
        ]);
        let [top, left] = window.pads_begin;
        let short =
            |axis: usize, wanted: usize| (window.pads_begin[axis] + wanted).saturating_sub(full[2 + axis]);
        if short(0, height) + short(1, width) > 0 && epilogue.has_bias {
            return refuse("an output beyond the taps' reach with a bias");
        }
        let fact = self.image_fact(full);
        let arguments = vec![Argument::Operand("input", x), Argument::Operand("filter", filter)];
        let mut y = self.builder.call("convTranspose2d", arguments, options, fact)?;
        let ends = self.per_image_axis(&[0, 0, short(0, height), short(1, width)], 0);
        if ends.iter().any(|&end| end > 0) {
            y = self.builder.pad(y, &[0; 4], &ends, Vec::new())?;
        }
        let wanted = self.image_fact([n, channels, height, width]).dims;
        if self.builder.dims(y) != wanted {
            let starts = self.per_image_axis(&[0, 0, top, left], 0);
            y = self.builder.slice(y, &starts, &wanted, &[1; 4])?;
        }
        let y = self.epilogue(step, epilogue, 2, true, y)?;
        self.put(out, true, y);
        Ok(())
    }

    pub(super) fn pool(&mut self, step: &Step, kind: Pooling, window: &Window) -> Result<(), Reason> {
        let (out, _) = self.result(step);
        if window.dilations != [1, 1] {
            return refuse("pooling with dilations");
        }
        let mut x = self.image(Self::value(step, 0)?)?;
        let size = self.image_size(x);
        let wanted = self.four(out)?;
        // What the windows cover beyond the input, which rounding up can make more than the padding.
        let after = |axis: usize| {
            let covered = (wanted[2 + axis] - 1) * window.strides[axis] + window.kernel[axis];
            covered.saturating_sub(size[2 + axis] + window.pads_begin[axis])
        };
        let [top, left] = window.pads_begin;
        let ends = [after(0), after(1)];
        let is_padded = top + left + ends[0] + ends[1] > 0;
        if is_padded {
            let starts = self.per_image_axis(&[0, 0, top, left], 0);
            let ends = self.per_image_axis(&[0, 0, ends[0], ends[1]], 0);
            let fill = if kind == Pooling::Max { f64::NEG_INFINITY } else { 0.0 };
            x = self.builder.pad(x, &starts, &ends, vec![("value", Argument::Number(fill))])?;
        }
        let options = vec![
            ("windowDimensions", Argument::Numbers(window.kernel.to_vec())),
            ("strides", Argument::Numbers(window.strides.to_vec())),
            ("layout", self.layout_name()),
        ];
        let method = if kind == Pooling::Max { "maxPool2d" } else { "averagePool2d" };
        let fact = self.image_fact(wanted);
        let mut y = self.builder.call(method, vec![Argument::Operand("input", x)], options, fact)?;
        if let (Pooling::Average { counts_padding }, true) = (kind, is_padded) {
            y = self.correct_means(y, window, [size[2], size[3]], [wanted[2], wanted[3]], counts_padding)?;
        }
        self.put(out, true, y);
        Ok(())
    }

    /// Means over whole windows become means over what they count: the input, and the declared padding if that counts.
    fn correct_means(
        &mut self,
        means: OperandId,
        window: &Window,
        size: [usize; 2],
        n_out: [usize; 2],
        counts_padding: bool,
    ) -> Result<OperandId, Reason> {
        let counted = |axis: usize, at: usize| {
            let first = at * window.strides[axis];
            let (begin, end) = if counts_padding {
                (0, size[axis] + window.pads_begin[axis] + window.pads_end[axis])
            } else {
                (window.pads_begin[axis], size[axis] + window.pads_begin[axis])
            };
            (first..first + window.kernel[axis]).filter(|tap| (begin..end).contains(tap)).count().max(1)
        };
        let whole = window.kernel[0] * window.kernel[1];
        let factors: Vec<f32> = (0..n_out[0])
            .flat_map(|row| (0..n_out[1]).map(move |column| (row, column)))
            .map(|(row, column)| whole as f32 / (counted(0, row) * counted(1, column)) as f32)
            .collect();
        if factors.iter().all(|&factor| factor == 1.0) {
            return Ok(means);
        }
        let dims = self.image_fact([1, 1, n_out[0], n_out[1]]).dims;
        let factors = self.builder.made(dims, Data::F32(factors))?;
        self.builder.binary("mul", means, factors)
    }
}
