//! Operators that move elements.

use super::elementwise::{Expression, Load};
use super::expression::element;
use super::lower::{Call, Failure, LoweredStep, Lowering, Operand};
use crate::op::{Op, PadMode, ScatterMode};
use crate::tensor::{DType, n_elements, strides};

/// Zero as a literal of a type.
fn zero(dtype: DType) -> &'static str {
    if dtype == DType::F32 { "0.0" } else { "0" }
}

/// Dimensions with their strides from the innermost outwards.
fn inside_out(values: &[usize]) -> impl Iterator<Item = usize> + '_ {
    values.iter().rev().copied()
}

impl Lowering<'_> {
    pub(super) fn movement(&mut self, step: &LoweredStep<'_>) -> Result<(), Failure> {
        let out = step.output();
        let x = step.input(0)?;
        match step.op {
            Op::Tile => self.tile(x, out),
            Op::Concat { axis } => self.concat(step, *axis),
            Op::Gather { axis } => {
                let indices = step.input(1)?;
                let call = Call::new("gather", include_str!("kernel/gather.wgsl"))
                    .uint("inner", n_elements(&x.dims[axis + 1..]))
                    .uint("n_indices", indices.n())
                    .uint("length", x.dims[*axis])
                    .read("x", x)
                    .read("indices", indices)
                    .write("y", out);
                self.emit(call, out.n())
            }
            Op::GatherElements { axis } => {
                let own = strides(&x.dims);
                let others: Vec<usize> =
                    (0..own.len()).map(|one| if one == *axis { 0 } else { own[one] }).collect();
                let call = Call::new("gather-elements", include_str!("kernel/gather_elements.wgsl"))
                    .define("RANK", own.len())
                    .uint("length", x.dims[*axis])
                    .uint("axis_stride", own[*axis])
                    .uints("dim", inside_out(&out.dims))
                    .uints("stride", inside_out(&others))
                    .read("x", x)
                    .read("indices", step.input(1)?)
                    .write("y", out);
                self.emit(call, out.n())
            }
            Op::GatherNd { batch_dims } => self.gather_nd(step, *batch_dims),
            Op::ScatterNd(mode) => self.scatter_nd(step, *mode),
            Op::ScatterElements { axis, mode } => self.scatter_elements(step, *axis, *mode),
            Op::Pad { before, mode, .. } => self.pad(step, before, *mode),
            Op::Trilu { upper, diagonal } => {
                let [n_rows, n_columns] = [x.dims[x.dims.len() - 2], x.dims[x.dims.len() - 1]];
                let limit = (n_rows + n_columns) as i64;
                let call = Call::new("trilu", include_str!("kernel/trilu.wgsl"))
                    .define("ZERO", zero(x.dtype))
                    .define("KEEPS", if *upper { ">=" } else { "<=" })
                    .uint("n_rows", n_rows)
                    .uint("n_columns", n_columns)
                    .int("diagonal", (*diagonal).clamp(-limit, limit) as isize)
                    .read("x", x)
                    .write("y", out);
                self.emit(call, out.n())
            }
            Op::OneHot { axis } => {
                let call = Call::new("one-hot", include_str!("kernel/one_hot.wgsl"))
                    .uint("depth", out.dims[*axis])
                    .uint("inner", n_elements(&out.dims[axis + 1..]))
                    .bind("indices", element(x.dtype), x.tensor, false)
                    .read("values", step.input(1)?)
                    .write("y", out);
                if x.dtype == DType::F32 {
                    return Err(Failure::Unsupported("indices that are floats".to_owned()));
                }
                self.emit(call, out.n())
            }
            op => Err(Failure::Unsupported(format!("{} does not move elements", op.name()))),
        }
    }

    /// Every dimension becomes two: repetitions, which are read without a step, and elements.
    fn tile(&mut self, x: &Operand, out: &Operand) -> Result<(), Failure> {
        self.materialise(x.tensor)?;
        let mut dims = Vec::new();
        let mut steps = Vec::new();
        for (axis, stride) in strides(&x.dims).into_iter().enumerate() {
            dims.extend([out.dims[axis] / x.dims[axis].max(1), x.dims[axis]]);
            steps.extend([0, stride as isize]);
        }
        let load = Load { tensor: x.tensor, dtype: x.dtype, offset: 0, strides: steps };
        self.copy(Expression::Load(load), &dims, out, None)
    }

    fn concat(&mut self, step: &LoweredStep<'_>, axis: usize) -> Result<(), Failure> {
        let out = step.output();
        let own = strides(&out.dims);
        let mut offset = 0;
        for position in 0..step.n_inputs() {
            let part = step.input(position)?;
            let expression = self.load(part, &part.dims, 1)?;
            let store = (offset * own[axis], own.iter().map(|&stride| stride as isize).collect());
            self.copy(expression, &part.dims, out, Some(store))?;
            offset += part.dims[axis];
        }
        Ok(())
    }

    fn gather_nd(&mut self, step: &LoweredStep<'_>, batch_dims: usize) -> Result<(), Failure> {
        let (x, indices, out) = (step.input(0)?, step.input(1)?, step.output());
        let depth = indices.dims.last().copied().unwrap_or(0);
        let own = strides(&x.dims);
        let indexed = batch_dims..batch_dims + depth;
        let n_batches = n_elements(&x.dims[..batch_dims]).max(1);
        let n_tuples = indices.n() / depth.max(1);
        let call = Call::new("gather-nd", include_str!("kernel/gather_nd.wgsl"))
            .define("DEPTH", depth)
            .uint("n_slice", n_elements(&x.dims[indexed.end..]).max(1))
            .uint("per_batch", (n_tuples / n_batches).max(1))
            .uint("batch_stride", n_elements(&x.dims[batch_dims..]))
            .uints("dim", x.dims[indexed.clone()].iter().copied())
            .uints("stride", own[indexed].iter().copied())
            .read("x", x)
            .read("indices", indices)
            .write("y", out);
        self.emit(call, out.n())
    }

    /// The first operand of a scatter, copied to where updates are combined.
    fn copy_input(&mut self, step: &LoweredStep<'_>) -> Result<(), Failure> {
        let x = step.input(0)?;
        let expression = self.load(x, &x.dims, 1)?;
        self.copy(expression, &x.dims, step.output(), None)
    }

    fn scatter_nd(&mut self, step: &LoweredStep<'_>, mode: ScatterMode) -> Result<(), Failure> {
        self.copy_input(step)?;
        let (x, indices, updates) = (step.input(0)?, step.input(1)?, step.input(2)?);
        let depth = indices.dims.last().copied().unwrap_or(0);
        let n_slice = n_elements(&x.dims[depth..]);
        let n_tuples = updates.n() / n_slice.max(1);
        // Updates that replace may come in any order; others must not meet.
        let n_parallel = if mode == ScatterMode::Replace { n_tuples } else { 1 };
        let call = Call::new("scatter-nd", include_str!("kernel/scatter_nd.wgsl"))
            .define("DEPTH", depth)
            .define("COMBINE", combine(mode, x.dtype))
            .uint("n_slice", n_slice)
            .uint("n_tuples", n_tuples)
            .uint("n_parallel", n_parallel)
            .uints("dim", x.dims[..depth].iter().copied())
            .uints("stride", strides(&x.dims)[..depth].iter().copied())
            .read("indices", indices)
            .read("updates", updates)
            .write("y", step.output());
        self.emit(call, n_slice * n_parallel)
    }

    fn scatter_elements(
        &mut self,
        step: &LoweredStep<'_>,
        axis: usize,
        mode: ScatterMode,
    ) -> Result<(), Failure> {
        self.copy_input(step)?;
        let (x, indices, updates) = (step.input(0)?, step.input(1)?, step.input(2)?);
        let mut lines = indices.dims.clone();
        let mut own = strides(&x.dims);
        let axis_stride = own.remove(axis);
        let n_updates = lines.remove(axis);
        let call = Call::new("scatter-elements", include_str!("kernel/scatter_elements.wgsl"))
            .define("RANK", lines.len())
            .define("COMBINE", combine(mode, x.dtype))
            .uint("inner", n_elements(&indices.dims[axis + 1..]))
            .uint("n_updates", n_updates)
            .uint("length", x.dims[axis])
            .uint("axis_stride", axis_stride)
            .uints("dim", inside_out(&lines))
            .uints("stride", inside_out(&own))
            .read("indices", indices)
            .read("updates", updates)
            .write("y", step.output());
        self.emit(call, n_elements(&lines))
    }

    fn pad(&mut self, step: &LoweredStep<'_>, before: &[usize], mode: PadMode) -> Result<(), Failure> {
        let (x, out) = (step.input(0)?, step.output());
        let source = match mode {
            PadMode::Constant | PadMode::Edge => "clamp(q, 0, length - 1)",
            PadMode::Wrap => "((q % length + length) % length)",
            PadMode::Reflect => "select(abs(q), 2 * (length - 1) - q, q >= length)",
        };
        let fill = step.optional(1).filter(|_| mode == PadMode::Constant);
        let ints = |call: Call, name: &str, values: &[usize]| {
            values
                .iter()
                .rev()
                .enumerate()
                .fold(call, |call, (index, &value)| call.int(format!("{name}{index}"), value as isize))
        };
        let mut call = Call::new("pad", include_str!("kernel/pad.wgsl"))
            .define("RANK", x.dims.len())
            .define("SOURCE", source)
            .define("ZERO", zero(x.dtype))
            .flag("CONSTANT", mode == PadMode::Constant)
            .uints("dim", inside_out(&out.dims));
        call = ints(call, "length", &x.dims);
        call = ints(call, "before", before);
        call = ints(call, "stride", &strides(&x.dims)).read("x", x);
        if let Some(fill) = fill {
            call = call.flag("FILL", true).read("fill_value", fill);
        }
        self.emit(call.write("y", out), out.n())
    }
}

/// What becomes of an element that an update meets.
fn combine(mode: ScatterMode, dtype: DType) -> &'static str {
    match (mode, dtype) {
        (ScatterMode::Replace, _) => "new_value",
        (ScatterMode::Add, _) => "old + new_value",
        (ScatterMode::Mul, _) => "old * new_value",
        (ScatterMode::Max, DType::F32) => "larger(old, new_value)",
        (ScatterMode::Min, DType::F32) => "smaller(old, new_value)",
        (ScatterMode::Max, _) => "max(old, new_value)",
        (ScatterMode::Min, _) => "min(old, new_value)",
    }
}
