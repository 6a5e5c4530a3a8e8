//! Operators that combine the elements along an axis: one invocation per line, or one workgroup.

use super::elementwise::{Expression, Load};
use super::lower::{Call, Failure, LoweredStep, Lowering, Operand};
use super::variant::{Shape, Variant};
use crate::op::{Op, Reduction};
use crate::tensor::{DType, n_elements, strides};

/// Lines of `length` elements, `inner` apart, of which there are `outer` · `inner`.
struct Lines {
    outer: usize,
    length: usize,
    inner: usize,
}

impl Lines {
    fn along(dims: &[usize], axis: usize) -> Self {
        Self { outer: n_elements(&dims[..axis]), length: dims[axis], inner: n_elements(&dims[axis + 1..]) }
    }

    fn n(&self) -> usize {
        self.outer * self.inner
    }

    fn call(&self, kernel: &'static str, template: &'static str, x: &Operand) -> Call {
        Call::new(kernel, template).uint("length", self.length).uint("inner", self.inner).read("x", x)
    }
}

impl Lowering<'_> {
    pub(super) fn rows(&mut self, step: &LoweredStep<'_>) -> Result<(), Failure> {
        let (x, out) = (step.input(0)?, step.output());
        match step.op {
            Op::Reduce { kind, axes } => self.reduce(*kind, axes, x, out),
            Op::ArgReduce { axis, is_max, takes_last } => {
                let lines = Lines::along(&x.dims, *axis);
                let beats = match (is_max, takes_last) {
                    (true, false) => ">",
                    (true, true) => ">=",
                    (false, false) => "<",
                    (false, true) => "<=",
                };
                let call = lines.call("arg-reduce", include_str!("kernel/arg_reduce.wgsl"), x);
                self.emit(call.define("BEATS", beats).write("y", out), lines.n())
            }
            Op::TopK { axis, is_max } => {
                let lines = Lines::along(&x.dims, *axis);
                let call = lines
                    .call("top-k", include_str!("kernel/top_k.wgsl"), x)
                    .define("BEATS", if *is_max { ">" } else { "<" })
                    .uint("k", out.dims[*axis])
                    .write("values", out)
                    .write("indices", &step.outputs[1]);
                self.emit(call, lines.n())
            }
            Op::CumSum { axis, is_exclusive, is_reverse } => {
                let lines = Lines::along(&x.dims, *axis);
                let call = lines
                    .call("cumulative-sum", include_str!("kernel/cumulative_sum.wgsl"), x)
                    .flag("EXCLUSIVE", *is_exclusive)
                    .flag("REVERSE", *is_reverse)
                    .write("y", out);
                self.emit(call, lines.n())
            }
            Op::Softmax { axis, is_log } => {
                let lines = Lines::along(&x.dims, *axis);
                let variant = self.line_variant("softmax", lines.n(), lines.length);
                let template = match variant {
                    Variant::SharedLines => {
                        concat!(
                            include_str!("kernel/shared_line.wgsl"),
                            include_str!("kernel/group.wgsl"),
                            include_str!("kernel/softmax_group.wgsl")
                        )
                    }
                    _ => include_str!("kernel/softmax.wgsl"),
                };
                let call = lines.call("softmax", template, x);
                self.emit_lines(call.flag("LOG", *is_log).write("y", out), variant, lines.n())
            }
            Op::Hardmax { axis } => {
                let lines = Lines::along(&x.dims, *axis);
                let call = lines.call("hardmax", include_str!("kernel/hardmax.wgsl"), x);
                self.emit(call.write("y", out), lines.n())
            }
            Op::LpNorm { axis, p } => {
                let lines = Lines::along(&x.dims, *axis);
                let call = lines
                    .call("lp-norm", include_str!("kernel/lp_norm.wgsl"), x)
                    .define("TERM", if *p == 1 { "abs(v)" } else { "v * v" })
                    .define("NORM", if *p == 1 { "sum" } else { "sqrt(sum)" })
                    .write("y", out);
                self.emit(call, lines.n())
            }
            Op::LayerNorm { axis, epsilon, is_rms } => {
                let length = n_elements(&x.dims[*axis..]);
                let shape = NormShape { length, per_channel: 1, n_scales: length };
                self.norm(step, &shape, *epsilon, *is_rms)
            }
            Op::GroupNorm { n_groups, epsilon } => {
                let shape = NormShape {
                    length: n_elements(&x.dims[1..]) / n_groups,
                    per_channel: n_elements(&x.dims[2..]),
                    n_scales: x.dims[1],
                };
                self.norm(step, &shape, *epsilon, false)
            }
            Op::LocalResponseNorm { size, alpha, beta, bias } => {
                let call = Call::new("local-response-norm", include_str!("kernel/local_response_norm.wgsl"))
                    .uint("n_channels", x.dims[1])
                    .uint("inner", n_elements(&x.dims[2..]))
                    .uint("size", *size)
                    .float("alpha", *alpha)
                    .float("beta", *beta)
                    .float("bias", *bias)
                    .read("x", x)
                    .write("y", out);
                self.emit(call, out.n())
            }
            op => Err(Failure::Unsupported(format!("{} has no lines", op.name()))),
        }
    }

    fn norm(
        &mut self,
        step: &LoweredStep<'_>,
        shape: &NormShape,
        epsilon: f32,
        is_rms: bool,
    ) -> Result<(), Failure> {
        let (x, out) = (step.input(0)?, step.output());
        let n = out.n() / shape.length.max(1);
        let variant = self.line_variant("norm", n, shape.length);
        let template = match variant {
            Variant::SharedLines => {
                concat!(
                    include_str!("kernel/shared_line.wgsl"),
                    include_str!("kernel/group.wgsl"),
                    include_str!("kernel/norm_group.wgsl")
                )
            }
            _ => include_str!("kernel/norm.wgsl"),
        };
        let call = Call::new(if is_rms { "rms-norm" } else { "norm" }, template)
            .flag("RMS", is_rms)
            .uint("length", shape.length)
            .uint("per_channel", shape.per_channel.max(1))
            .uint("n_scales", shape.n_scales)
            .float("epsilon", epsilon)
            .read("x", x)
            .read("scale", step.input(1)?)
            .read_optional("bias", step.optional(2))
            .write("y", out);
        self.emit_lines(call, variant, n)
    }

    fn line_variant(&mut self, kernel: &'static str, n: usize, length: usize) -> Variant {
        self.variant(Shape::Lines { kernel, n, length })
    }

    fn reduce(&mut self, kind: Reduction, axes: &[usize], x: &Operand, out: &Operand) -> Result<(), Failure> {
        let (lines, x) = self.lines(axes, x)?;
        let kernel = Reducer::new(kind, x.dtype)?;
        let is_shifted = kind == Reduction::LogSumExp;
        let variant =
            if is_shifted { Variant::Lines } else { self.line_variant("reduce", lines.n(), lines.length) };
        let template = match variant {
            Variant::SharedLines => {
                concat!(include_str!("kernel/shared_line.wgsl"), include_str!("kernel/reduce_group.wgsl"))
            }
            _ => include_str!("kernel/reduce.wgsl"),
        };
        let call = lines
            .call("reduce", template, &x)
            .flag("SHIFTED", is_shifted)
            .define("TYPE", super::expression::element(x.dtype))
            .define("START", kernel.start)
            .define("STEP", kernel.step)
            .define("JOIN", kernel.join)
            .define("FINISH", kernel.finish)
            .write("y", out);
        self.emit_lines(call, variant, lines.n())
    }

    /// The lines that a reduction combines; axes that are not neighbours are brought together by a copy.
    fn lines(&mut self, axes: &[usize], x: &Operand) -> Result<(Lines, Operand), Failure> {
        let is_reduced = |axis: &usize| axes.contains(axis);
        let relevant: Vec<usize> = (0..x.dims.len()).filter(|&axis| x.dims[axis] != 1).collect();
        let first = relevant.iter().position(is_reduced).unwrap_or(relevant.len());
        let last = relevant.iter().rposition(is_reduced).map_or(first, |last| last + 1);
        let product = |axes: &[usize]| axes.iter().map(|&axis| x.dims[axis]).product::<usize>();
        if relevant[first..last].iter().all(is_reduced) {
            let lines = Lines {
                outer: product(&relevant[..first]),
                length: product(&relevant[first..last]),
                inner: product(&relevant[last..]),
            };
            return Ok((lines, x.clone()));
        }
        let (reduced, kept): (Vec<usize>, Vec<usize>) = relevant.iter().partition(|axis| is_reduced(axis));
        let order: Vec<usize> = kept.iter().chain(&reduced).copied().collect();
        let own = strides(&x.dims);
        let dims: Vec<usize> = order.iter().map(|&axis| x.dims[axis]).collect();
        let steps = order.iter().map(|&axis| own[axis] as isize).collect();
        self.materialise(x.tensor)?;
        let sorted = self.temporary(x.dtype, &dims);
        let load = Load { tensor: x.tensor, dtype: x.dtype, offset: 0, strides: steps };
        self.copy(Expression::Load(load), &dims, &sorted, None)?;
        Ok((Lines { outer: product(&kept), length: product(&reduced), inner: 1 }, sorted))
    }
}

/// What normalisation goes over.
struct NormShape {
    length: usize,
    per_channel: usize,
    n_scales: usize,
}

/// WGSL of a reduction: `v` joins `part`, blocks' `part`s join `all`.
struct Reducer {
    start: &'static str,
    step: &'static str,
    join: &'static str,
    finish: &'static str,
}

impl Reducer {
    fn new(kind: Reduction, dtype: DType) -> Result<Self, Failure> {
        let new = |start, step, join, finish| Self { start, step, join, finish };
        if dtype != DType::F32 {
            return Ok(match kind {
                Reduction::Sum => new("0", "part + v", "all + part", "all"),
                Reduction::Prod => new("1", "part * v", "all * part", "all"),
                Reduction::Max => new("-2147483647 - 1", "max(part, v)", "max(all, part)", "all"),
                Reduction::Min => new("2147483647", "min(part, v)", "min(all, part)", "all"),
                Reduction::Mean
                | Reduction::L1
                | Reduction::L2
                | Reduction::LogSum
                | Reduction::LogSumExp
                | Reduction::SumSquare => {
                    return Err(Failure::Unsupported(format!("{kind:?} of {}", dtype.as_str())));
                }
            });
        }
        let sum = |step, finish| new("0.0", step, "all + part", finish);
        Ok(match kind {
            Reduction::Sum => sum("part + v", "all"),
            Reduction::Mean => sum("part + v", "all / f32(p.length)"),
            Reduction::L1 => sum("part + abs(v)", "all"),
            Reduction::L2 => sum("part + v * v", "sqrt(all)"),
            Reduction::LogSum => sum("part + v", "log_of(all)"),
            Reduction::SumSquare => sum("part + v * v", "all"),
            Reduction::LogSumExp => {
                sum("part + exp(v - largest)", "select(log_of(all) + largest, largest, is_infinite(largest))")
            }
            Reduction::Prod => new("1.0", "part * v", "all * part", "all"),
            Reduction::Max => new("bits(0xff800000u)", "larger(v, part)", "larger(part, all)", "all"),
            Reduction::Min => new("bits(0x7f800000u)", "smaller(v, part)", "smaller(part, all)", "all"),
        })
    }
}
