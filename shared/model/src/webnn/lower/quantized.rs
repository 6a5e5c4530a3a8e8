//! 8-bit arithmetic, computed in floats: they hold the integers that occur exactly, and contexts have no integer products.

use crate::op::Epilogue;
use crate::plan::{Home, Step};
use crate::tensor::{DType, Data, DataRef};

use super::{Lowering, ValueId};
use crate::webnn::builder::{Reason, refuse};
use crate::webnn::program::{Argument, OperandId};

/// Products of bytes that a float sums exactly, whatever the bytes are: 2²⁴ / 255².
const EXACT_DEPTH: usize = 258;

/// What dynamic quantization makes of floats.
struct Quantized {
    /// Whole numbers from 0 to 255, as floats.
    values: OperandId,
    scale: OperandId,
    /// A whole number, as a float.
    zero_point: OperandId,
}

impl Lowering<'_> {
    fn quantized(&mut self, x: OperandId) -> Result<Quantized, Reason> {
        let axes: Vec<usize> = (0..self.builder.dims(x).len()).collect();
        let b = &mut self.builder;
        let (zero, one) = (b.float(0.0)?, b.float(1.0)?);
        let low = b.reduce("reduceMin", x, &axes, false)?;
        let low = b.binary("min", low, zero)?;
        let high = b.reduce("reduceMax", x, &axes, false)?;
        let high = b.binary("max", high, zero)?;
        let range = b.binary("sub", high, low)?;
        let most = b.float(255.0)?;
        let step = b.binary("div", range, most)?;
        let is_flat = b.relation("equal", step, zero)?;
        let scale = b.choose(is_flat, one, step)?;
        let point = b.binary("div", low, scale)?;
        let point = b.unary("neg", point)?;
        let point = b.unary("roundEven", point)?;
        let zero_point = self.byte_range(point)?;
        let scaled = self.builder.binary("div", x, scale)?;
        let rounded = self.builder.unary("roundEven", scaled)?;
        let shifted = self.builder.binary("add", rounded, zero_point)?;
        Ok(Quantized { values: self.byte_range(shifted)?, scale, zero_point })
    }

    fn byte_range(&mut self, x: OperandId) -> Result<OperandId, Reason> {
        let bounds = vec![("minValue", Argument::Number(0.0)), ("maxValue", Argument::Number(255.0))];
        self.builder.unary_with("clamp", x, bounds)
    }

    pub(super) fn dynamic_quantize(&mut self, step: &Step) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let Quantized { values, scale, zero_point } = self.quantized(x)?;
        for (&out, operand) in step.outputs.iter().zip([values, scale, zero_point]) {
            let operand = self.builder.cast(operand, self.fact(out).dtype)?;
            self.finish(out, operand)?;
        }
        Ok(())
    }

    pub(super) fn quantized_matmul(&mut self, step: &Step, epilogue: &Epilogue) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let Quantized { values, scale, zero_point } = self.quantized(x)?;
        let centred = self.builder.binary("sub", values, zero_point)?;
        let weights = self.weights(Self::value(step, 1)?, Self::optional(step, 3))?;
        let n = self.builder.dims(weights)[1];
        let product = self.product(centred, weights, [false, false], None)?;
        let b_scale = self.operand(step, 2)?;
        let b_scale = if self.builder.is_scalar(b_scale) {
            self.builder.reshape(b_scale, &[])?
        } else {
            self.builder.reshape(b_scale, &[n])?
        };
        let factor = self.builder.binary("mul", b_scale, scale)?;
        let mut y = self.builder.binary("mul", product, factor)?;
        if epilogue.has_bias {
            let bias = self.operand(step, 4)?;
            let bias = self.builder.reshape(bias, &[n])?;
            y = self.builder.binary("add", y, bias)?;
        }
        let y = self.builder.reshape(y, &self.dims(step.outputs[0]))?;
        let y = self.epilogue(step, epilogue, 4, false, y)?;
        self.finish(step.outputs[0], y)
    }

    /// Weights minus their zero points, as floats: computed here when they are constants, since a context would compute
    /// them in every run.
    fn weights(&mut self, weights: ValueId, point: Option<ValueId>) -> Result<OperandId, Reason> {
        let constant = |value: ValueId| match &self.plan.values[value].home {
            Home::Constant(tensor) => byte_floats(tensor.data()),
            Home::Input(_) | Home::Buffer(_) => None,
        };
        let points = point.map_or_else(|| Some(vec![0.0]), constant);
        let (Some(mut floats), Some(points)) = (constant(weights), points) else {
            let operand = self.planar(weights)?;
            let point = point.map(|point| self.planar(point)).transpose()?;
            return self.difference(operand, point, 1);
        };
        for row in floats.chunks_mut(points.len()) {
            row.iter_mut().zip(&points).for_each(|(value, point)| *value -= point);
        }
        let floats = Data::F32(floats);
        self.builder.made(self.dims(weights), floats)
    }

    /// Bytes minus their zero point, which is one or one along an axis, as floats.
    fn difference(
        &mut self,
        x: OperandId,
        point: Option<OperandId>,
        axis: usize,
    ) -> Result<OperandId, Reason> {
        let wide = self.builder.cast(x, DType::F32)?;
        let Some(point) = point else { return Ok(wide) };
        let point = self.builder.cast(point, DType::F32)?;
        let point = self.along(point, axis, x)?;
        self.builder.binary("sub", wide, point)
    }

    /// One number, or one along an axis of `x`, in a shape that broadcasts to `x`.
    fn along(&mut self, numbers: OperandId, axis: usize, x: OperandId) -> Result<OperandId, Reason> {
        if self.builder.is_scalar(numbers) {
            return self.builder.reshape(numbers, &[]);
        }
        let dims = self.builder.dims(x);
        let mut shape = vec![1; dims.len()];
        match shape.get_mut(axis) {
            Some(length) => *length = dims[axis],
            None => return refuse("its scales lie along no dimension"),
        }
        self.builder.reshape(numbers, &shape)
    }

    pub(super) fn matmul_integer(&mut self, step: &Step) -> Result<(), Reason> {
        let (a, b) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let (a_dims, b_dims) = (self.builder.dims(a), self.builder.dims(b));
        let depth = a_dims[a_dims.len() - 1];
        let mut sides = Vec::new();
        for (x, position, axis) in [(a, 2, a_dims.len() - 2), (b, 3, b_dims.len() - 1)] {
            let point = Self::optional(step, position).map(|point| self.planar(point)).transpose()?;
            sides.push(self.difference(x, point, axis)?);
        }
        // In pieces whose sums floats hold exactly; the pieces are added as integers.
        let mut sum = None;
        for start in (0..depth).step_by(EXACT_DEPTH) {
            let n = EXACT_DEPTH.min(depth - start);
            let mut parts = Vec::new();
            for (&side, dims, axis) in
                [(&sides[0], &a_dims, a_dims.len() - 1), (&sides[1], &b_dims, b_dims.len() - 2)]
            {
                let (mut starts, mut piece) = (vec![0; dims.len()], dims.clone());
                starts[axis] = start;
                piece[axis] = n;
                let is_whole = n == depth;
                let steps = vec![1; dims.len()];
                parts.push(if is_whole {
                    side
                } else {
                    self.builder.slice(side, &starts, &piece, &steps)?
                });
            }
            let product = self.product(parts[0], parts[1], [false, false], None)?;
            let product = self.builder.cast(product, DType::I32)?;
            sum = Some(match sum {
                None => product,
                Some(sum) => self.builder.binary("add", sum, product)?,
            });
        }
        match sum {
            Some(sum) => self.finish(step.outputs[0], sum),
            None => refuse("it sums over nothing"),
        }
    }

    pub(super) fn quantize(&mut self, step: &Step, axis: usize) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let x = self.operand(step, 0)?;
        let scale = self.operand(step, 1)?;
        let scale = self.along(scale, axis, x)?;
        let scaled = self.builder.binary("div", x, scale)?;
        let mut y = self.builder.unary("roundEven", scaled)?;
        if let Some(point) = Self::optional(step, 2) {
            let point = self.planar(point)?;
            let point = self.builder.cast(point, DType::F32)?;
            let point = self.along(point, axis, x)?;
            y = self.builder.binary("add", y, point)?;
        }
        let (low, high) = if fact.dtype == DType::I8 { (-128.0, 127.0) } else { (0.0, 255.0) };
        let bounds = vec![("minValue", Argument::Number(low)), ("maxValue", Argument::Number(high))];
        let y = self.builder.unary_with("clamp", y, bounds)?;
        let y = self.builder.cast(y, fact.dtype)?;
        self.put(out, false, y);
        Ok(())
    }

    pub(super) fn dequantize(&mut self, step: &Step, axis: usize) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let point = Self::optional(step, 2).map(|point| self.planar(point)).transpose()?;
        let difference = self.difference(x, point, axis)?;
        let scale = self.operand(step, 1)?;
        let scale = self.along(scale, axis, x)?;
        let y = self.builder.binary("mul", difference, scale)?;
        self.finish(step.outputs[0], y)
    }
}

/// Bytes as floats; `None` for other types.
fn byte_floats(data: DataRef<'_>) -> Option<Vec<f32>> {
    match data {
        DataRef::I8(data) => Some(data.iter().map(|&x| f32::from(x)).collect()),
        DataRef::U8(data) => Some(data.iter().map(|&x| f32::from(x)).collect()),
        _ => None,
    }
}
