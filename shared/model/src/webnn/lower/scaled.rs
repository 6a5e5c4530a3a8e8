//! Products between quantizations whose scales are known: contexts have 8-bit products for them when they are asked in one way.
//!
//! The way is `quantizeLinear(gemm(dequantizeLinear(x), dequantizeLinear(w), c: dequantizeLinear(bias)))` with signed bytes, a
//! row of `w` per column of the result, and nothing in between: LiteRT makes one kernel of XNNPACK of it.

use std::sync::Arc;

use crate::op::{Epilogue, Fact, Op};
use crate::plan::{Home, Step};
use crate::tensor::{DType, Data, Tensor};

use super::{Lowering, ValueId};
use crate::webnn::builder::Reason;
use crate::webnn::program::{Argument, OperandId};

/// A product of signed bytes.
struct Scaled {
    x: ValueId,
    x_scale: Scale,
    /// One row per row of the product's weights, which are `bytes · scales` column by column.
    bytes: Arc<Tensor>,
    scales: Vec<f32>,
    /// In units of both scales.
    bias: Option<Vec<i32>>,
    y: ValueId,
    y_scale: Scale,
}

/// One scale with its zero point.
#[derive(Clone, Copy)]
struct Scale {
    scale: f32,
    point: i8,
}

impl Lowering<'_> {
    /// Computes the quantized result of a product, if that is all that becomes of it; `false` when the product must be computed.
    pub(super) fn scaled_product(&mut self, step: &Step, epilogue: &Epilogue) -> Result<bool, Reason> {
        let Some(Scaled { x, x_scale, bytes, scales, bias, y, y_scale }) = self.find_scaled(step, epilogue)
        else {
            return Ok(false);
        };
        let [depth, n_columns] = [bytes.dims()[0], scales.len()];
        let n_rows = self.fact(y).n_elements() / n_columns;
        let x = self.planar(x)?;
        let x = self.builder.reshape(x, &[n_rows, depth])?;
        let x = self.unscaled(x, &[1, 1], vec![x_scale.scale], Data::I8(vec![x_scale.point]))?;
        let weights = self.builder.constant(&bytes, vec![n_columns, depth], Some(vec![1, 0]))?;
        let points = Data::zeros(DType::I8, n_columns);
        let weights = self.unscaled(weights, &[n_columns, 1], scales.clone(), points)?;
        let arguments = vec![Argument::Operand("a", x), Argument::Operand("b", weights)];
        let mut options = vec![("bTranspose", Argument::Flag(true))];
        if let Some(bias) = bias {
            let bias = self.builder.made(vec![n_columns], Data::I32(bias))?;
            let scales = scales.iter().map(|scale| scale * x_scale.scale).collect();
            let bias = self.unscaled(bias, &[n_columns], scales, Data::zeros(DType::I32, n_columns))?;
            options.push(("c", Argument::Operand("c", bias)));
        }
        let dims = vec![n_rows, n_columns];
        let product = self.builder.call("gemm", arguments, options, Fact::new(DType::F32, dims.clone()))?;
        let scale = self.builder.made(vec![1, 1], Data::F32(vec![y_scale.scale]))?;
        let point = self.builder.made(vec![1, 1], Data::I8(vec![y_scale.point]))?;
        let arguments = vec![
            Argument::Operand("input", product),
            Argument::Operand("scale", scale),
            Argument::Operand("zeroPoint", point),
        ];
        let quantized =
            self.builder.call("quantizeLinear", arguments, Vec::new(), Fact::new(DType::I8, dims))?;
        self.finish(y, quantized)?;
        Ok(true)
    }

    /// True when a step's result is there already, because the product before it left it.
    pub(super) fn is_done(&self, step: &Step) -> bool {
        step.outputs.iter().all(|&output| self.slots[output].planar.is_some())
    }

    fn find_scaled(&self, step: &Step, epilogue: &Epilogue) -> Option<Scaled> {
        let bytes = Fact::new(DType::I8, Vec::new());
        let limits = self.builder.limits;
        let is_offered = limits.has("quantizeLinear")
            && limits.takes("quantizeLinear", "output", &bytes)
            && limits.takes("dequantizeLinear", "input", &bytes);
        let is_bare = epilogue.activations.is_empty() && !epilogue.has_residual;
        if !is_offered || !is_bare {
            return None;
        }
        let product = step.outputs[0];
        let next_index = self.builder.step + 1;
        let next = self.plan.steps.get(next_index)?;
        let is_read_only_next = self.plan.steps.iter().enumerate().all(|(index, reader)| {
            let reads = reader.inputs.iter().flatten().any(|&value| self.roots.root(value) == product);
            reads == (index == next_index)
        });
        let is_output = self.plan.outputs.iter().any(|(_, value)| self.roots.root(*value) == product);
        if !is_read_only_next || is_output {
            return None;
        }
        let (x, x_scale) = self.scale_of(self.producer(*step.inputs.first()?.as_ref()?)?, true)?;
        let (y, y_scale) = self.scale_of(next, false)?;
        let Home::Constant(weights) = &self.plan.values[(*step.inputs.get(1)?)?].home else { return None };
        let scaled = weights.as_scaled().filter(|scaled| scaled.bytes().dtype() == DType::I8)?;
        let &[_, n_columns] = scaled.bytes().dims() else { return None };
        let is_centred = (0..n_columns).all(|column| scaled.point(column) == 0);
        if !is_centred || scaled.axis().is_some_and(|axis| axis != 1) {
            return None;
        }
        let scales: Vec<f32> = (0..n_columns).map(|column| scaled.scale(column)).collect();
        let bias = if epilogue.has_bias {
            let Home::Constant(bias) = &self.plan.values[(*step.inputs.get(2)?)?].home else { return None };
            let units = bias.data().as_f32()?.iter().zip(&scales);
            let whole = units.map(|(bias, scale)| {
                let whole = (bias / (scale * x_scale.scale)).round_ties_even();
                // Sums with the products must fit, too.
                (whole.abs() < (1 << 30) as f32).then_some(whole as i32)
            });
            Some(whole.collect::<Option<Vec<i32>>>().filter(|whole| whole.len() == n_columns)?)
        } else {
            None
        };
        Some(Scaled { x, x_scale, bytes: Arc::clone(scaled.bytes()), scales, bias, y, y_scale })
    }

    /// The step that computes a value.
    fn producer(&self, value: ValueId) -> Option<&Step> {
        let root = self.roots.root(value);
        self.plan.steps.iter().find(|step| step.outputs.contains(&root))
    }

    /// The signed bytes that a step reads or writes with one constant scale.
    fn scale_of(&self, step: &Step, reads: bool) -> Option<(ValueId, Scale)> {
        let bytes = match step.op {
            Op::Dequantize { .. } if reads => (*step.inputs.first()?)?,
            Op::Quantize { .. } if !reads => step.outputs[0],
            _ => return None,
        };
        let constant = |position: usize| match &self.plan.values[Self::optional(step, position)?].home {
            Home::Constant(tensor) if tensor.n_elements() == 1 => Some(tensor),
            Home::Constant(_) | Home::Input(_) | Home::Buffer(_) => None,
        };
        let scale = *constant(1)?.data().as_f32()?.first()?;
        let point = match Self::optional(step, 2) {
            Some(_) => *constant(2)?.data().to_i64()?.first()? as i8,
            None => 0,
        };
        (self.fact(bytes).dtype == DType::I8).then_some((bytes, Scale { scale, point }))
    }

    /// `(x − points) · scales`, both of shape `dims`.
    fn unscaled(
        &mut self,
        x: OperandId,
        dims: &[usize],
        scales: Vec<f32>,
        points: Data,
    ) -> Result<OperandId, Reason> {
        let scale = self.builder.made(dims.to_vec(), Data::F32(scales))?;
        let point = self.builder.made(dims.to_vec(), points)?;
        let arguments = vec![
            Argument::Operand("input", x),
            Argument::Operand("scale", scale),
            Argument::Operand("zeroPoint", point),
        ];
        let fact = Fact::new(DType::F32, self.builder.dims(x));
        self.builder.call("dequantizeLinear", arguments, Vec::new(), fact)
    }
}
