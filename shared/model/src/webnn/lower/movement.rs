//! Steps that move elements.

use crate::op::{Fact, PadMode, ScatterMode};
use crate::plan::{Home, Step};
use crate::tensor::{DType, Data};

use super::Lowering;
use crate::webnn::builder::{Reason, refuse};
use crate::webnn::program::Argument;

impl Lowering<'_> {
    pub(super) fn transpose(&mut self, step: &Step, permutation: &[usize]) -> Result<(), Reason> {
        let (out, _) = self.result(step);
        let x = Self::value(step, 0)?;
        let y = if self.is_image(x) && permutation.len() == 4 {
            // Straight from the image's layout: one transpose instead of two, and often none.
            let image = self.image(x)?;
            let permutation: Vec<usize> = permutation.iter().map(|&axis| self.image_axis(axis, 4)).collect();
            self.builder.transpose(image, &permutation)?
        } else {
            let planar = self.planar(x)?;
            self.builder.transpose(planar, permutation)?
        };
        self.put(out, false, y);
        Ok(())
    }

    pub(super) fn slice(&mut self, step: &Step, starts: &[usize], steps: &[isize]) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let x = Self::value(step, 0)?;
        let sizes: Vec<usize> = steps.iter().map(|step| step.unsigned_abs()).collect();
        // Backwards: the same elements forwards, then reversed.
        let first = |axis: usize| {
            let reach = (fact.dims[axis].max(1) - 1) * sizes[axis];
            if steps[axis] < 0 { starts[axis] - reach } else { starts[axis] }
        };
        let firsts: Vec<usize> = (0..starts.len()).map(first).collect();
        let backwards: Vec<usize> = (0..steps.len()).filter(|&axis| steps[axis] < 0).collect();
        let is_image = self.is_image(x) && fact.dims.len() == 4 && backwards.is_empty();
        let y = if is_image {
            let image = self.image(x)?;
            let firsts = self.per_image_axis(&firsts, 0);
            let (dims, sizes) = (self.per_image_axis(&fact.dims, 1), self.per_image_axis(&sizes, 1));
            self.builder.slice(image, &firsts, &dims, &sizes)?
        } else {
            let planar = self.planar(x)?;
            let forwards = self.builder.slice(planar, &firsts, &fact.dims, &sizes)?;
            if backwards.is_empty() {
                forwards
            } else {
                self.builder.unary_with("reverse", forwards, vec![("axes", Argument::Numbers(backwards))])?
            }
        };
        self.put(out, is_image, y);
        Ok(())
    }

    pub(super) fn expand(&mut self, step: &Step) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let x = self.operand(step, 0)?;
        let arguments = vec![Argument::Operand("input", x), Argument::Numbers(fact.dims.clone())];
        let fact = Fact::new(self.builder.dtype(x), fact.dims);
        let y = self.builder.call("expand", arguments, Vec::new(), fact)?;
        self.put(out, false, y);
        Ok(())
    }

    pub(super) fn tile(&mut self, step: &Step) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let x = self.operand(step, 0)?;
        let repetitions = fact.dims.iter().zip(self.builder.dims(x)).map(|(to, from)| to / from).collect();
        let arguments = vec![Argument::Operand("input", x), Argument::Numbers(repetitions)];
        let fact = Fact::new(self.builder.dtype(x), fact.dims);
        let y = self.builder.call("tile", arguments, Vec::new(), fact)?;
        self.put(out, false, y);
        Ok(())
    }

    pub(super) fn concat(&mut self, step: &Step, axis: usize) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let rank = fact.dims.len();
        // An empty part adds nothing, and WebNN has no empty tensors.
        let parts: Vec<usize> =
            step.inputs.iter().flatten().copied().filter(|&part| self.fact(part).n_elements() > 0).collect();
        let is_image = (3..=4).contains(&rank) && parts.iter().any(|&part| self.is_image(part));
        let operands = parts
            .iter()
            .map(|&part| if is_image { self.image(part) } else { self.planar(part) })
            .collect::<Result<Vec<_>, _>>()?;
        let Some(&first) = operands.first() else { return refuse("all its parts are empty") };
        let axis = if is_image { self.image_axis(axis, rank) } else { axis };
        let y = if operands.len() == 1 { first } else { self.builder.concat(operands, axis)? };
        self.put(out, is_image, y);
        Ok(())
    }

    pub(super) fn gather(&mut self, step: &Step, axis: usize) -> Result<(), Reason> {
        let (x, indices) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let y = self.builder.gather(x, indices, axis)?;
        self.finish(step.outputs[0], y)
    }

    pub(super) fn gather_elements(&mut self, step: &Step, axis: usize) -> Result<(), Reason> {
        let (x, indices) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let arguments = vec![Argument::Operand("input", x), Argument::Operand("indices", indices)];
        let options = vec![("axis", Argument::Number(axis as f64))];
        let fact = Fact::new(self.builder.dtype(x), self.builder.dims(indices));
        let y = self.builder.call("gatherElements", arguments, options, fact)?;
        self.finish(step.outputs[0], y)
    }

    pub(super) fn gather_nd(&mut self, step: &Step, batch_dims: usize) -> Result<(), Reason> {
        if batch_dims > 0 {
            return refuse("gatherND has no batches");
        }
        let (out, fact) = self.result(step);
        let (x, indices) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let arguments = vec![Argument::Operand("input", x), Argument::Operand("indices", indices)];
        let fact = Fact::new(self.builder.dtype(x), fact.dims);
        let y = self.builder.call("gatherND", arguments, Vec::new(), fact)?;
        self.put(out, false, y);
        Ok(())
    }

    pub(super) fn scatter_nd(&mut self, step: &Step, mode: ScatterMode) -> Result<(), Reason> {
        self.scatter(step, "scatterND", mode, Vec::new())
    }

    pub(super) fn scatter_elements(
        &mut self,
        step: &Step,
        axis: usize,
        mode: ScatterMode,
    ) -> Result<(), Reason> {
        self.scatter(step, "scatterElements", mode, vec![("axis", Argument::Number(axis as f64))])
    }

    fn scatter(
        &mut self,
        step: &Step,
        method: &'static str,
        mode: ScatterMode,
        options: Vec<(&'static str, Argument)>,
    ) -> Result<(), Reason> {
        if mode != ScatterMode::Replace {
            return refuse(format!("{method} overwrites; it does not combine"));
        }
        let (x, indices, updates) = (self.operand(step, 0)?, self.operand(step, 1)?, self.operand(step, 2)?);
        let arguments = vec![
            Argument::Operand("input", x),
            Argument::Operand("indices", indices),
            Argument::Operand("updates", updates),
        ];
        let fact = self.builder.fact(x).clone();
        let y = self.builder.call(method, arguments, options, fact)?;
        self.finish(step.outputs[0], y)
    }

    pub(super) fn pad(
        &mut self,
        step: &Step,
        before: &[usize],
        after: &[usize],
        mode: PadMode,
    ) -> Result<(), Reason> {
        let (out, _) = self.result(step);
        let x = Self::value(step, 0)?;
        let options = match mode {
            PadMode::Constant => match Self::optional(step, 1) {
                None => Vec::new(),
                Some(fill) => vec![("value", Argument::Number(self.constant_number(fill)?))],
            },
            PadMode::Reflect => vec![("mode", Argument::Text("reflection"))],
            PadMode::Edge => return self.pad_edges(step, before, after),
            PadMode::Wrap => return refuse("pad does not wrap around"),
        };
        let is_image = self.is_image(x) && before.len() == 4;
        let y = if is_image {
            let image = self.image(x)?;
            let (before, after) = (self.per_image_axis(before, 0), self.per_image_axis(after, 0));
            self.builder.pad(image, &before, &after, options)?
        } else {
            let planar = self.planar(x)?;
            self.builder.pad(planar, before, after, options)?
        };
        self.put(out, is_image, y);
        Ok(())
    }

    /// Repeats the edges by gathering, axis by axis: not every context pads that way.
    fn pad_edges(&mut self, step: &Step, before: &[usize], after: &[usize]) -> Result<(), Reason> {
        let mut x = self.operand(step, 0)?;
        for axis in 0..before.len() {
            if before[axis] + after[axis] == 0 {
                continue;
            }
            let n = self.builder.dims(x)[axis];
            let position = |at: usize| at.saturating_sub(before[axis]).min(n - 1) as i32;
            let positions: Vec<i32> = (0..before[axis] + n + after[axis]).map(position).collect();
            let positions = self.builder.made(vec![positions.len()], Data::I32(positions))?;
            x = self.builder.gather(x, positions, axis)?;
        }
        self.finish(step.outputs[0], x)
    }

    /// The number that a constant of one element holds.
    fn constant_number(&self, value: usize) -> Result<f64, Reason> {
        let Home::Constant(tensor) = &self.plan.values[value].home else {
            return refuse("what it pads with depends on the inputs");
        };
        let float = tensor.data().as_f32().and_then(|floats| floats.first().copied()).map(f64::from);
        let integer = || tensor.data().to_i64().and_then(|integers| integers.first().map(|&x| x as f64));
        match float.or_else(integer) {
            Some(number) => Ok(number),
            None => refuse("what it pads with is empty"),
        }
    }

    pub(super) fn triangular(&mut self, step: &Step, upper: bool, diagonal: i64) -> Result<(), Reason> {
        let x = self.operand(step, 0)?;
        let options = vec![("upper", Argument::Flag(upper)), ("diagonal", Argument::Number(diagonal as f64))];
        let y = self.builder.unary_with("triangular", x, options)?;
        self.finish(step.outputs[0], y)
    }

    /// `position along the axis = index ? on : off`.
    pub(super) fn one_hot(&mut self, step: &Step, axis: usize) -> Result<(), Reason> {
        let (_, fact) = self.result(step);
        let (indices, values) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let depth = fact.dims[axis];
        let mut at_dims = self.builder.dims(indices);
        at_dims.insert(axis, 1);
        let indices = self.builder.cast(indices, DType::I32)?;
        let indices = self.builder.reshape(indices, &at_dims)?;
        let (zero, length) =
            (self.builder.integer(0, DType::I32)?, self.builder.integer(depth as i64, DType::I32)?);
        let is_negative = self.builder.relation("lesser", indices, zero)?;
        let from_end = self.builder.binary("add", indices, length)?;
        let indices = self.builder.choose(is_negative, from_end, indices)?;
        let mut along = vec![1; fact.dims.len()];
        along[axis] = depth;
        let positions = self.builder.made(along, Data::I32((0..depth as i32).collect()))?;
        let is_hot = self.builder.relation("equal", indices, positions)?;
        let off = self.builder.slice(values, &[0], &[1], &[1])?;
        let on = self.builder.slice(values, &[1], &[1], &[1])?;
        let y = self.builder.choose(is_hot, on, off)?;
        self.finish(step.outputs[0], y)
    }
}
