//! Integer products and quantization whose range comes from the data.

use super::Packing;
use super::elementwise::with_activation;
use super::linear::{Batches, matrices};
use super::lower::{Call, Failure, LoweredStep, Lowering, Operand};
use crate::op::{Epilogue, Op};
use crate::tensor::{DType, n_elements};

/// Invocations that search for the range of a tensor, at most; one more invocation combines what they find.
const MAX_RANGE_PAIRS: usize = 256;
/// Elements that are worth an invocation of their own there.
const ELEMENTS_PER_PAIR: usize = 64;

/// Scale and zero point of a tensor.
struct Range {
    scale: Operand,
    point: Operand,
}

impl Lowering<'_> {
    pub(super) fn quantized(&mut self, step: &LoweredStep<'_>) -> Result<(), Failure> {
        match step.op {
            Op::DynamicQuantize => {
                let x = step.input(0)?;
                let [y, scale, point] = [0, 1, 2].map(|index| step.outputs[index].clone());
                let range = Range { scale, point };
                self.range(x, &range)?;
                let text = "i32(clamp(round($0 / $1) + f32($2), 0.0, 255.0))".to_owned();
                let operands = [x, &range.scale.with_dims(&[]), &range.point.with_dims(&[])]
                    .map(|operand| self.load(operand, &x.dims, 3));
                let operands = operands.into_iter().collect::<Result<_, _>>()?;
                self.copy(super::elementwise::Expression::Apply(text.into(), operands), &x.dims, &y, None)
            }
            Op::QuantizedMatMul { epilogue } => self.quantized_matmul(step, epilogue),
            _ => self.matmul_integer(step),
        }
    }

    fn range(&mut self, x: &Operand, range: &Range) -> Result<(), Failure> {
        let n_pairs = x.n().div_ceil(ELEMENTS_PER_PAIR).clamp(1, MAX_RANGE_PAIRS);
        let pairs = self.temporary(DType::F32, &[n_pairs, 2]);
        let search = Call::new("range", include_str!("kernel/range.wgsl"))
            .uint("length", x.n())
            .read("x", x)
            .write("y", &pairs);
        self.emit(search, n_pairs)?;
        let combine = Call::new("range-scale", include_str!("kernel/range_scale.wgsl"))
            .uint("n_pairs", n_pairs)
            .read("x", &pairs)
            .write("scale", &range.scale)
            .write("zero_point", &range.point);
        self.emit(combine, 1)
    }

    fn quantized_matmul(&mut self, step: &LoweredStep<'_>, epilogue: &Epilogue) -> Result<(), Failure> {
        let (x, b, out) = (step.input(0)?, step.input(1)?, step.output());
        let (Some(weights), &[k, n_columns]) = (self.constant_of(b), b.dims.as_slice()) else {
            return Err(Failure::Unsupported("weights that are no constant matrix".to_owned()));
        };
        let m = n_elements(&x.dims) / k.max(1);
        let range = Range { scale: self.temporary(DType::F32, &[1]), point: self.temporary(DType::U8, &[1]) };
        self.range(x, &range)?;
        let k4 = k.div_ceil(4);
        let bytes = self.temporary(DType::I32, &[m, k4]);
        let quantize = Call::new("quantize-rows", include_str!("kernel/quantize_rows.wgsl"))
            .uint("k", k)
            .uint("k4", k4)
            .read("x", x)
            .read("scale", &range.scale)
            .read("zero_point", &range.point)
            .bind("y", "u32", bytes.tensor, true);
        self.emit(quantize, m * k4)?;
        let (b_scale, b_points) = (step.input(2)?, step.optional(3));
        let [bias, residual] = step.epilogue(epilogue, 4);
        let n4 = n_columns.div_ceil(4);
        let n_rows =
            [8, 4, 2, 1].into_iter().find(|&rows| rows <= m && m.div_ceil(rows) * n4 >= 32).unwrap_or(1);
        let packed = self.constant(&weights, Packing::Bytes { n_columns });
        let template = include_str!("kernel/quantized_matmul.wgsl");
        let mut call = with_activation("quantized-matmul", template, &epilogue.activations)
            .define("ROWS", n_rows)
            .define("BYTES", 4)
            .flag("SIGNED", b.dtype == DType::I8)
            .flag("B_POINT", b_points.is_some())
            .flag("COLUMN_BIAS", bias.is_some())
            .uint("m", m)
            .uint("k", k)
            .uint("k4", k4)
            .uint("n4", n4)
            .uint("n_columns", n_columns)
            .uint("b_scale_step", usize::from(b_scale.n() > 1))
            .bind("a", "u32", bytes.tensor, false)
            .bind("b", "u32", packed, false)
            .read("a_scale", &range.scale)
            .read("a_points", &range.point)
            .read("b_scale", b_scale);
        if let Some(points) = b_points {
            call = call.uint("b_point_step", usize::from(points.n() > 1)).read("b_points", points);
        }
        call = call.read_optional("bias", bias).read_optional("residual", residual).write("y", out);
        self.emit(call, m.div_ceil(n_rows) * n4)
    }

    fn matmul_integer(&mut self, step: &LoweredStep<'_>) -> Result<(), Failure> {
        let (a, b, out) = (step.input(0)?, step.input(1)?, step.output());
        let (a_dims, b_dims) = (matrices(&a.dims, false), matrices(&b.dims, true));
        let (m, k) = (a_dims[a_dims.len() - 2], a_dims[a_dims.len() - 1]);
        let n_columns = b_dims[b_dims.len() - 1];
        let batches = Batches::new(&a_dims, &b_dims);
        let point_step = |points: Option<&Operand>| usize::from(points.is_some_and(|points| points.n() > 1));
        let (a_points, b_points) = (step.optional(2), step.optional(3));
        let mut call = Call::new("matmul-integer", include_str!("kernel/matmul_integer.wgsl"))
            .uint("m", m)
            .uint("k", k)
            .uint("n_columns", n_columns)
            .uint("a_point_step", point_step(a_points))
            .uint("b_point_step", point_step(b_points))
            .read("a", a)
            .read("b", b);
        call = batches.define(call, m * k, k * n_columns);
        for (name, points) in [("a_points", a_points), ("b_points", b_points)] {
            if let Some(points) = points {
                call = call
                    .flag(if name == "a_points" { "A_POINT" } else { "B_POINT" }, true)
                    .read(name, points);
            }
        }
        self.emit(call.write("y", out), out.n())
    }
}
