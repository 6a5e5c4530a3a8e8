//! Reductions, softmax and normalisations.

use crate::op::{Fact, Reduction};
use crate::plan::Step;
use crate::tensor::{DType, Data};

use super::Lowering;
use crate::webnn::builder::{Reason, refuse};
use crate::webnn::program::{Argument, OperandId};

impl Lowering<'_> {
    pub(super) fn reduce(&mut self, step: &Step, kind: Reduction, axes: &[usize]) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let x = Self::value(step, 0)?;
        let rank = self.dims(x).len();
        let method = match kind {
            Reduction::Sum => "reduceSum",
            Reduction::Mean => "reduceMean",
            Reduction::Max => "reduceMax",
            Reduction::Min => "reduceMin",
            Reduction::Prod => "reduceProduct",
            Reduction::L1 => "reduceL1",
            Reduction::L2 => "reduceL2",
            Reduction::LogSum => "reduceLogSum",
            Reduction::LogSumExp => return self.log_sum_exp(step, axes),
            Reduction::SumSquare => "reduceSumSquare",
        };
        let keeps_dims = fact.dims.len() == rank;
        if self.is_image(x) && keeps_dims && rank == 4 {
            let image = self.image(x)?;
            let axes: Vec<usize> = axes.iter().map(|&axis| self.image_axis(axis, rank)).collect();
            let y = self.builder.reduce(method, image, &axes, true)?;
            self.put(out, true, y);
            return Ok(());
        }
        let planar = self.planar(x)?;
        let y = self.builder.reduce(method, planar, axes, keeps_dims)?;
        self.put(out, false, y);
        Ok(())
    }

    /// Stable: the largest element is taken out before anything grows.
    fn log_sum_exp(&mut self, step: &Step, axes: &[usize]) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let (largest, log) = self.logarithm_of_sum(x, axes)?;
        let y = self.builder.binary("add", largest, log)?;
        self.finish(step.outputs[0], y)
    }

    /// Largest element along axes, and the logarithm of the sum of exponentials relative to it.
    fn logarithm_of_sum(&mut self, x: OperandId, axes: &[usize]) -> Result<(OperandId, OperandId), Reason> {
        let b = &mut self.builder;
        let largest = b.reduce("reduceMax", x, axes, true)?;
        let below = b.binary("sub", x, largest)?;
        let grown = b.unary("exp", below)?;
        let sum = b.reduce("reduceSum", grown, axes, true)?;
        Ok((largest, b.unary("log", sum)?))
    }

    pub(super) fn arg_reduce(
        &mut self,
        step: &Step,
        axis: usize,
        is_max: bool,
        takes_last: bool,
    ) -> Result<(), Reason> {
        let mut x = self.operand(step, 0)?;
        let last = self.builder.dims(x)[axis] as i64 - 1;
        if takes_last {
            x = self.builder.unary_with("reverse", x, vec![("axes", Argument::Numbers(vec![axis]))])?;
        }
        let mut y = self.arg(x, axis, is_max)?;
        if takes_last {
            let last = self.builder.integer(last, DType::I32)?;
            y = self.builder.binary("sub", last, y)?;
        }
        let y = self.builder.cast(y, DType::I64)?;
        self.finish(step.outputs[0], y)
    }

    /// Index of the first largest or smallest element along an axis, which stays with length 1.
    fn arg(&mut self, x: OperandId, axis: usize, is_max: bool) -> Result<OperandId, Reason> {
        let mut dims = self.builder.dims(x);
        dims[axis] = 1;
        let arguments = vec![Argument::Operand("input", x), Argument::Number(axis as f64)];
        let options =
            vec![("keepDimensions", Argument::Flag(true)), ("outputDataType", Argument::Text("int32"))];
        let method = if is_max { "argMax" } else { "argMin" };
        self.builder.call(method, arguments, options, Fact::new(DType::I32, dims))
    }

    pub(super) fn cumulative_sum(
        &mut self,
        step: &Step,
        axis: usize,
        is_exclusive: bool,
        is_reverse: bool,
    ) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let arguments = vec![Argument::Operand("input", x), Argument::Number(axis as f64)];
        let options =
            vec![("exclusive", Argument::Flag(is_exclusive)), ("reversed", Argument::Flag(is_reverse))];
        let fact = self.builder.fact(x).clone();
        let y = self.builder.call("cumulativeSum", arguments, options, fact)?;
        self.finish(step.outputs[0], y)
    }

    pub(super) fn softmax(&mut self, step: &Step, axis: usize, is_log: bool) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let y = if is_log {
            let (largest, log) = self.logarithm_of_sum(x, &[axis])?;
            let below = self.builder.binary("sub", x, largest)?;
            self.builder.binary("sub", below, log)?
        } else {
            self.soft_weights(x, axis)?
        };
        self.finish(step.outputs[0], y)
    }

    /// Softmax along an axis.
    pub(super) fn soft_weights(&mut self, x: OperandId, axis: usize) -> Result<OperandId, Reason> {
        let arguments = vec![Argument::Operand("input", x), Argument::Number(axis as f64)];
        let fact = self.builder.fact(x).clone();
        self.builder.call("softmax", arguments, Vec::new(), fact)
    }

    pub(super) fn hardmax(&mut self, step: &Step, axis: usize) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let dims = self.builder.dims(x);
        let first = self.arg(x, axis, true)?;
        let mut along = vec![1; dims.len()];
        along[axis] = dims[axis];
        let positions = self.builder.made(along, Data::I32((0..dims[axis] as i32).collect()))?;
        let is_first = self.builder.relation("equal", positions, first)?;
        let y = self.builder.cast(is_first, DType::F32)?;
        self.finish(step.outputs[0], y)
    }

    pub(super) fn layer_norm(
        &mut self,
        step: &Step,
        axis: usize,
        epsilon: f32,
        is_rms: bool,
    ) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let dims = self.builder.dims(x);
        let axes: Vec<usize> = (axis..dims.len()).collect();
        let scale = self.operand(step, 1)?;
        let scale = self.over(scale, &dims[axis..])?;
        let bias = match Self::optional(step, 2) {
            Some(bias) => {
                let bias = self.planar(bias)?;
                Some(self.over(bias, &dims[axis..])?)
            }
            None => None,
        };
        let y = if is_rms {
            let square = self.builder.binary("mul", x, x)?;
            let mean = self.builder.reduce("reduceMean", square, &axes, true)?;
            let mean = self.affine(mean, 1.0, epsilon)?;
            let root = self.builder.unary("sqrt", mean)?;
            let normal = self.builder.binary("div", x, root)?;
            let scaled = self.builder.binary("mul", normal, scale)?;
            match bias {
                Some(bias) => self.builder.binary("add", scaled, bias)?,
                None => scaled,
            }
        } else {
            let mut options = vec![
                ("axes", Argument::Numbers(axes)),
                ("epsilon", Argument::Number(f64::from(epsilon))),
                ("scale", Argument::Operand("scale", scale)),
            ];
            options.extend(bias.map(|bias| ("bias", Argument::Operand("bias", bias))));
            self.builder.unary_with("layerNormalization", x, options)?
        };
        self.finish(step.outputs[0], y)
    }

    /// A scale or bias that broadcasts to `dims`, in exactly that shape.
    fn over(&mut self, x: OperandId, dims: &[usize]) -> Result<OperandId, Reason> {
        let own = self.builder.dims(x);
        if own.iter().product::<usize>() == dims.iter().product::<usize>() {
            return self.builder.reshape(x, dims);
        }
        let arguments = vec![Argument::Operand("input", x), Argument::Numbers(dims.to_vec())];
        let fact = Fact::new(self.builder.dtype(x), dims.to_vec());
        self.builder.call("expand", arguments, Vec::new(), fact)
    }

    pub(super) fn group_norm(&mut self, step: &Step, n_groups: usize, epsilon: f32) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let dims = self.builder.dims(x);
        let inner: usize = dims.iter().skip(1).product();
        let grouped = self.builder.reshape(x, &[dims[0], n_groups, inner / n_groups])?;
        let options =
            vec![("axes", Argument::Numbers(vec![2])), ("epsilon", Argument::Number(f64::from(epsilon)))];
        let normal = self.builder.unary_with("layerNormalization", grouped, options)?;
        let normal = self.builder.reshape(normal, &dims)?;
        let y = self.scale_channels(step, normal, false)?;
        self.finish(step.outputs[0], y)
    }

    pub(super) fn channel_affine(&mut self, step: &Step) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let x = Self::value(step, 0)?;
        let is_image = self.is_image(x) && fact.dims.len() >= 3;
        let x = if is_image { self.image(x)? } else { self.planar(x)? };
        let y = self.scale_channels(step, x, is_image)?;
        self.put(out, is_image, y);
        Ok(())
    }

    /// `x · scale + bias` with operands 1 and 2 along the channels.
    fn scale_channels(&mut self, step: &Step, x: OperandId, is_image: bool) -> Result<OperandId, Reason> {
        let axis = if is_image { self.image_axis(1, 4) } else { 1 };
        let mut along = vec![1; self.builder.dims(x).len()];
        along[axis] = self.builder.dims(x)[axis];
        let scale = self.operand(step, 1)?;
        let scale = self.builder.reshape(scale, &along)?;
        let bias = self.operand(step, 2)?;
        let bias = self.builder.reshape(bias, &along)?;
        let scaled = self.builder.binary("mul", x, scale)?;
        self.builder.binary("add", scaled, bias)
    }

    pub(super) fn lp_norm(&mut self, step: &Step, axis: usize, p: u8) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let method = if p == 1 { "reduceL1" } else { "reduceL2" };
        let norm = self.builder.reduce(method, x, &[axis], true)?;
        // Nothing but zeros stays zeros.
        let (zero, one) = (self.builder.float(0.0)?, self.builder.float(1.0)?);
        let is_zero = self.builder.relation("equal", norm, zero)?;
        let divisor = self.builder.choose(is_zero, one, norm)?;
        let y = self.builder.binary("div", x, divisor)?;
        self.finish(step.outputs[0], y)
    }

    pub(super) fn local_response_norm(
        &mut self,
        step: &Step,
        size: usize,
        [alpha, beta, bias]: [f32; 3],
    ) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let dims = self.builder.dims(x);
        if dims.len() < 2 || size == 0 {
            return refuse("it has no channels");
        }
        let square = self.builder.binary("mul", x, x)?;
        let (mut before, mut after) = (vec![0; dims.len()], vec![0; dims.len()]);
        before[1] = (size - 1) / 2;
        after[1] = size / 2;
        let padded = self.builder.pad(square, &before, &after, Vec::new())?;
        let mut sum = None;
        for shift in 0..size {
            let mut starts = vec![0; dims.len()];
            starts[1] = shift;
            let part = self.builder.slice(padded, &starts, &dims, &vec![1; dims.len()])?;
            sum = Some(match sum {
                None => part,
                Some(sum) => self.builder.binary("add", sum, part)?,
            });
        }
        let inner = self.affine(sum.unwrap_or(padded), alpha / size as f32, bias)?;
        let beta = self.builder.float(beta)?;
        let divisor = self.builder.binary("pow", inner, beta)?;
        let y = self.builder.binary("div", x, divisor)?;
        self.finish(step.outputs[0], y)
    }
}
