//! Matrix products and attention.

use super::Packing;
use super::elementwise::with_activation;
use super::lower::{Call, Failure, LoweredStep, Lowering, Operand, TensorId};
use super::variant::{MIN_INVOCATIONS, Shape, Variant};
use crate::op::{Epilogue, Op};
use crate::tensor::{DType, broadcast, broadcast_strides, n_elements, strides};

/// Widest head that one invocation holds in registers, elements.
const MAX_HEAD_WIDTH: usize = 128;

/// Shape of an operand as a stack of matrices; a vector is a row on the left and a column on the right.
pub(super) fn matrices(dims: &[usize], is_right: bool) -> Vec<usize> {
    match *dims {
        [k] if is_right => vec![k, 1],
        [k] => vec![1, k],
        _ => dims.to_vec(),
    }
}

/// The batches of a product and which matrix each operand has there.
pub(super) struct Batches {
    dims: Vec<usize>,
    a: Vec<usize>,
    b: Vec<usize>,
}

impl Batches {
    /// Those of two stacks of matrices that broadcast.
    pub(super) fn new(a: &[usize], b: &[usize]) -> Self {
        let (a, b) = (&a[..a.len() - 2], &b[..b.len() - 2]);
        let dims = broadcast(a, b).unwrap_or_default();
        Self { a: broadcast_strides(a, &dims), b: broadcast_strides(b, &dims), dims }
    }

    fn n(&self) -> usize {
        n_elements(&self.dims)
    }

    /// Defines the loop over dimensions, given the elements of a matrix of each operand.
    pub(super) fn define(&self, call: Call, a_matrix: usize, b_matrix: usize) -> Call {
        let scaled =
            |steps: &[usize], by: usize| -> Vec<usize> { steps.iter().rev().map(|step| step * by).collect() };
        call.define("RANK", self.dims.len())
            .uints("batch", self.dims.iter().rev().copied())
            .uints("a_batch", scaled(&self.a, a_matrix))
            .uints("b_batch", scaled(&self.b, b_matrix))
    }
}

/// What is added to a product.
pub(super) enum Bias<'a> {
    None,
    /// One value per column.
    Column(&'a Operand),
    /// One value per row; of consecutive batches, `groups` have values of their own.
    Row {
        values: &'a Operand,
        groups: usize,
    },
}

/// A product of matrices.
pub(super) struct Product<'a> {
    pub(super) a: &'a Operand,
    /// Elements between rows and between columns of a.
    pub(super) a_steps: [usize; 2],
    /// Elements of one matrix of a.
    pub(super) a_matrix: usize,
    /// [batch, k, n rounded up to 4]
    pub(super) b: TensorId,
    pub(super) batches: Batches,
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) bias: Bias<'a>,
    pub(super) residual: Option<&'a Operand>,
    pub(super) epilogue: &'a Epilogue,
    pub(super) out: &'a Operand,
}

impl Product<'_> {
    fn shape(&self) -> Shape {
        let steps = [self.a_steps[0], self.a_matrix];
        let in_fours = self.a_steps[1] == 1
            && self.k.is_multiple_of(4)
            && steps.iter().all(|step| step.is_multiple_of(4));
        Shape::Product { batch: self.batches.n(), m: self.m, k: self.k, n: self.n, in_fours }
    }

    /// What is added to the sums, shaped like the result.
    fn addends(&self) -> Vec<Operand> {
        let bias = match self.bias {
            Bias::None => None,
            Bias::Column(values) => Some(values.clone()),
            Bias::Row { values, .. } => {
                let mut dims = vec![1; self.out.dims.len().saturating_sub(1)];
                dims[0] = values.n();
                Some(values.with_dims(&dims))
            }
        };
        bias.into_iter().chain(self.residual.map(|residual| residual.with_dims(&self.out.dims))).collect()
    }

    /// What all kernels for products read; the left operand in units of `unit` elements.
    fn describe(&self, call: Call, unit: usize) -> Call {
        let n4 = self.n.div_ceil(4);
        let is_whole = self.n.is_multiple_of(4);
        let element = if is_whole { "vec4<f32>" } else { "f32" };
        let mut call = call
            .flag("WHOLE", is_whole)
            .flag("RESIDUAL", self.residual.is_some())
            .uint("m", self.m)
            .uint("k", self.k / unit)
            .uint("n4", n4)
            .uint("n_columns", self.n)
            .uint("a_row", self.a_steps[0] / unit)
            .uint("a_k", self.a_steps[1])
            .bind("a", if unit == 4 { "vec4<f32>" } else { "f32" }, self.a.tensor, false)
            .bind("b", "vec4<f32>", self.b, false);
        call = self.batches.define(call, self.a_matrix / unit, self.k * n4);
        call = match self.bias {
            Bias::None => call,
            Bias::Column(values) => {
                call.flag("COLUMN_BIAS", true).bind("bias", element, values.tensor, false)
            }
            Bias::Row { values, groups } => {
                call.flag("ROW_BIAS", true).uint("groups", groups).read("bias", values)
            }
        };
        if let Some(residual) = self.residual {
            call = call.bind("residual", element, residual.tensor, false);
        }
        call.bind("y", element, self.out.tensor, true)
    }
}

impl Lowering<'_> {
    pub(super) fn linear(&mut self, step: &LoweredStep<'_>) -> Result<(), Failure> {
        match step.op {
            Op::MatMul { trans_a, trans_b, epilogue } => self.matmul(step, [*trans_a, *trans_b], epilogue),
            Op::Attention { scale, zeroes_undefined, heads_inside } => {
                self.attention(step, *scale, *zeroes_undefined, *heads_inside)
            }
            Op::Einsum { inputs, output, lengths } => self.einsum(step, inputs, output, lengths),
            op => Err(Failure::Unsupported(format!("{} is no product", op.name()))),
        }
    }

    fn matmul(
        &mut self,
        step: &LoweredStep<'_>,
        [trans_a, trans_b]: [bool; 2],
        epilogue: &Epilogue,
    ) -> Result<(), Failure> {
        let (a, b) = (step.input(0)?, step.input(1)?);
        let (mut a_dims, b_dims) = (matrices(&a.dims, false), matrices(&b.dims, true));
        let last = |dims: &[usize]| [dims[dims.len() - 2], dims[dims.len() - 1]];
        if !trans_a && b_dims[..b_dims.len() - 2].iter().all(|&dim| dim == 1) {
            // One right operand for all batches: they are more rows.
            let k = a_dims[a_dims.len() - 1];
            a_dims = vec![n_elements(&a_dims[..a_dims.len() - 1]), k];
        }
        let [a_rows, a_columns] = last(&a_dims);
        let [b_rows, b_columns] = last(&b_dims);
        let (m, k) = if trans_a { (a_columns, a_rows) } else { (a_rows, a_columns) };
        let n = if trans_b { b_rows } else { b_columns };
        let a_steps = if trans_a { [1, a_columns] } else { [a_columns, 1] };
        let [bias, residual] = step.epilogue(epilogue, 2);
        let bias = bias.map_or(Bias::None, Bias::Column);
        let packed = self.columns(b, [k, n], trans_b)?;
        self.product(Product {
            a,
            a_steps,
            a_matrix: m * k,
            b: packed,
            batches: Batches::new(&a_dims, &b_dims),
            m,
            k,
            n,
            bias,
            residual,
            epilogue,
            out: step.output(),
        })
    }

    /// A right operand as [batch, k, n rounded up to 4].
    pub(super) fn columns(
        &mut self,
        b: &Operand,
        [k, n]: [usize; 2],
        is_transposed: bool,
    ) -> Result<TensorId, Failure> {
        if let Some(tensor) = self.constant_of(b) {
            return Ok(self.constant(&tensor, Packing::Columns { n_rows: k, n_columns: n, is_transposed }));
        }
        if n % 4 == 0 && !is_transposed {
            self.materialise(b.tensor)?;
            return Ok(b.tensor);
        }
        let n_batches = b.n() / (k * n).max(1);
        let padded = n.next_multiple_of(4);
        let out = self.temporary(DType::F32, &[n_batches, k, padded]);
        let [x_k, x_column] = if is_transposed { [1, k] } else { [n, 1] };
        let call = Call::new("pack", include_str!("kernel/pack.wgsl"))
            .define("RANK", 1)
            .uint("k", k)
            .uint("n_columns", n)
            .uint("padded", padded)
            .uint("batch0", n_batches.max(1))
            .uint("x_batch0", k * n)
            .uint("x_k", x_k)
            .uint("x_column", x_column)
            .read("x", b)
            .write("y", &out);
        self.emit(call, out.n())?;
        Ok(out.tensor)
    }

    pub(super) fn product(&mut self, product: Product<'_>) -> Result<(), Failure> {
        let addends = product.addends();
        let activations = &product.epilogue.activations;
        let operands = [product.a.tensor, product.b, product.out.tensor];
        let bound = operands.into_iter().chain(addends.iter().map(|addend| addend.tensor));
        let n_buffers: usize = bound.map(|tensor| self.n_parts(tensor)).sum();
        let fuses = !self.target.compiles_slowly && n_buffers <= self.target.max_storage_buffers;
        if fuses || (addends.is_empty() && activations.is_empty()) {
            return self.fused_product(&product);
        }
        // Where it compiles slowly all products share one kernel then, and what follows each of them is quick to compile.
        let (out, sums) = (product.out, self.temporary(DType::F32, &product.out.dims));
        let plain = Epilogue::default();
        self.fused_product(&Product {
            bias: Bias::None,
            residual: None,
            epilogue: &plain,
            out: &sums,
            ..product
        })?;
        let terms: Vec<Operand> = std::iter::once(sums).chain(addends).collect();
        self.define_sum(&terms, activations, out)
    }

    fn fused_product(&mut self, product: &Product<'_>) -> Result<(), Failure> {
        const STORE: &str = include_str!("kernel/matmul_store.wgsl");
        let shape = product.shape();
        let variant = self.variant(shape);
        let (kernel, template) = match variant {
            Variant::Tiled { .. } => ("matmul-tiled", include_str!("kernel/matmul_tiled.wgsl")),
            Variant::Subgroups { .. } => ("matmul-subgroups", include_str!("kernel/matmul_subgroups.wgsl")),
            Variant::Registers { .. } | Variant::Lines | Variant::SharedLines => {
                ("matmul", include_str!("kernel/matmul.wgsl"))
            }
        };
        let call = with_activation(kernel, &format!("{STORE}{template}"), &product.epilogue.activations);
        let groups = shape.groups(variant).map(|n| n as u32);
        match variant {
            Variant::Tiled { rows, columns, is_half } => {
                let call = if is_half { call.define("ENABLE", "f16") } else { call }
                    .define("TYPE", if is_half { "f16" } else { "f32" })
                    .define("ROWS", rows)
                    .define("COLS", columns)
                    .define("TILEROWS", format!("{}u", 16 * rows))
                    .define("TILECOLS", format!("{}u", 16 * columns))
                    .define("ATILE", 256 * rows)
                    .define("BTILE", 256 * columns);
                self.emit_workgroups(product.describe(call, 1), groups)
            }
            Variant::Subgroups { rows } => {
                let call = call.define("ENABLE", "subgroups").define("ROWS", rows);
                self.emit_workgroups(product.describe(call, 1), groups)
            }
            Variant::Registers { rows, columns, depth, workgroup } => {
                let (row_tiles, column_tiles) = (product.m.div_ceil(rows), product.n.div_ceil(4 * columns));
                let call = call
                    .define("ROWS", rows)
                    .define("COLS", columns)
                    .define("WG", workgroup)
                    .uint("row_tiles", row_tiles)
                    .uint("column_tiles", column_tiles);
                let call = if depth == 4 { call.define("FOURS", 4) } else { call };
                self.emit(product.describe(call, depth), row_tiles * column_tiles * product.batches.n())
            }
            Variant::Lines | Variant::SharedLines => {
                Err(Failure::Unsupported(format!("{variant} is not for products")))
            }
        }
    }

    fn attention(
        &mut self,
        step: &LoweredStep<'_>,
        scale: f32,
        zeroes_undefined: bool,
        heads_inside: bool,
    ) -> Result<(), Failure> {
        let (q, k, v, out) = (step.input(0)?, step.input(1)?, step.input(2)?, step.output());
        let heads = Heads::new(q, k, v, heads_inside);
        let mask = step.optional(3);
        if self.plan.quantizes() {
            return self.exact_attention(&heads, [q, k, v, out], mask, scale, zeroes_undefined);
        }
        let Heads { width, v_width, n_queries, .. } = heads;
        let is_wide = width.max(v_width) > MAX_HEAD_WIDTH;
        let in_registers = width % 4 == 0 && v_width % 4 == 0 && !is_wide;
        let unit = if in_registers { 4 } else { 1 };
        let shares_keys =
            n_queries >= 2 && heads.n_rows() >= 2 * MIN_INVOCATIONS && !self.target.compiles_slowly;
        let queries = if shares_keys { 2 } else { 1 };
        let mut call = if in_registers {
            Call::new("attention", include_str!("kernel/attention.wgsl"))
                .define("QUERIES", queries)
                .define("WIDTH", width / 4)
                .define("VALUES", v_width / 4)
                .uint("query_groups", n_queries.div_ceil(queries))
        } else {
            Call::new("attention-any", include_str!("kernel/attention_any.wgsl"))
                .uint("width", width)
                .uint("v_width", v_width)
        };
        call = heads.describe(call).flag("ZEROES", zeroes_undefined).float("scale", scale);
        for (name, operand) in [("q", q), ("k", k), ("v", v), ("y", out)] {
            call = heads.bind(call, name, operand, unit);
        }
        call = heads.mask(call, mask);
        let n = if in_registers {
            heads.n_rows() / n_queries * n_queries.div_ceil(queries)
        } else {
            heads.n_rows()
        };
        self.emit(call, n)
    }

    fn exact_attention(
        &mut self,
        heads: &Heads,
        [q, k, v, out]: [&Operand; 4],
        mask: Option<&Operand>,
        scale: f32,
        zeroes_undefined: bool,
    ) -> Result<(), Failure> {
        let n_scores = heads.n_rows() * heads.n_keys;
        let scores = self.temporary(DType::F32, &[n_scores, 2]);
        let weights = self.temporary(DType::F32, &[n_scores]);
        let mut call = Call::new("attention-scores", include_str!("kernel/attention_scores.wgsl"))
            .uint("width", heads.width)
            .float("scale", scale);
        call = heads.bind(heads.bind(heads.describe(call), "q", q, 1), "k", k, 1);
        call = heads.mask(call, mask).bind("y", "vec2<f32>", scores.tensor, true);
        self.emit(call, n_scores)?;
        let call = Call::new("attention-weights", include_str!("kernel/attention_weights.wgsl"))
            .flag("ZEROES", zeroes_undefined)
            .uint("n_keys", heads.n_keys)
            .bind("x", "vec2<f32>", scores.tensor, false)
            .write("y", &weights);
        self.emit(call, heads.n_rows())?;
        let call = Call::new("attention-values", include_str!("kernel/attention_values.wgsl"))
            .uint("v_width", heads.v_width)
            .read("weights", &weights);
        let call = heads.bind(heads.bind(heads.describe(call), "v", v, 1), "y", out, 1);
        self.emit(call, heads.n_rows() * heads.v_width)
    }

    fn einsum(
        &mut self,
        step: &LoweredStep<'_>,
        inputs: &[Vec<usize>],
        output: &[usize],
        lengths: &[usize],
    ) -> Result<(), Failure> {
        let summed: Vec<usize> = (0..lengths.len()).filter(|dim| !output.contains(dim)).collect();
        let coordinates = |order: &[usize], rest: &str| -> String {
            order
                .iter()
                .rev()
                .map(|dim| format!("    let c{dim} = {rest} % p.d{dim};\n    {rest} /= p.d{dim};\n"))
                .collect()
        };
        let mut call = Call::new("einsum", include_str!("kernel/einsum.wgsl"))
            .define("OUTER", coordinates(output, "rest"))
            .define("INNER", coordinates(&summed, "inner"))
            .uint("n_summed", summed.iter().map(|&dim| lengths[dim]).product())
            .uints("d", lengths.iter().copied());
        let mut factors = Vec::new();
        for (index, numbers) in inputs.iter().enumerate() {
            let operand = step.input(index)?;
            let mut terms = Vec::new();
            for (axis, (&number, stride)) in numbers.iter().zip(strides(&operand.dims)).enumerate() {
                call = call.uint(format!("s{index}_{axis}"), stride);
                terms.push(format!("c{number} * p.s{index}_{axis}"));
            }
            let at = if terms.is_empty() { "0u".to_owned() } else { terms.join(" + ") };
            factors.push(format!("x{index}[{at}]"));
            call = call.read(&format!("x{index}"), operand);
        }
        let out = step.output();
        self.emit(call.define("PRODUCT", factors.join(" * ")).write("y", out), out.n())
    }
}

/// Sizes of an attention, and where heads and rows are.
struct Heads {
    length_axis: usize,
    head_axis: usize,
    n_batch: usize,
    n_heads: usize,
    n_queries: usize,
    n_keys: usize,
    width: usize,
    v_width: usize,
}

impl Heads {
    fn new(q: &Operand, k: &Operand, v: &Operand, heads_inside: bool) -> Self {
        let (length_axis, head_axis) = if heads_inside { (1, 2) } else { (2, 1) };
        Self {
            length_axis,
            head_axis,
            n_batch: q.dims[0],
            n_heads: q.dims[head_axis],
            n_queries: q.dims[length_axis],
            n_keys: k.dims[length_axis],
            width: q.dims[3],
            v_width: v.dims[3],
        }
    }

    /// Queries of all heads.
    fn n_rows(&self) -> usize {
        self.n_batch * self.n_heads * self.n_queries
    }

    fn describe(&self, call: Call) -> Call {
        call.uint("n_heads", self.n_heads).uint("n_queries", self.n_queries).uint("n_keys", self.n_keys)
    }

    /// Binds an operand in units of 1 or 4 elements, with its steps; the result is called `y`.
    fn bind(&self, call: Call, name: &str, operand: &Operand, unit: usize) -> Call {
        let own = strides(&operand.dims);
        call.uint(format!("{name}_batch"), own[0] / unit)
            .uint(format!("{name}_head"), own[self.head_axis] / unit)
            .uint(format!("{name}_row"), own[self.length_axis] / unit)
            .bind(name, if unit == 4 { "vec4<f32>" } else { "f32" }, operand.tensor, name == "y")
    }

    fn mask(&self, mut call: Call, mask: Option<&Operand>) -> Call {
        let Some(mask) = mask else { return call };
        let own = broadcast_strides(&mask.dims, &[self.n_batch, self.n_heads, self.n_queries, self.n_keys]);
        call = call.flag("MASK", true).read("mask", mask);
        for (name, step) in ["batch", "head", "row", "column"].into_iter().zip(own) {
            call = call.uint(format!("mask_{name}"), step);
        }
        call
    }
}
