//! Element-wise operators: chains of them become one generated kernel, and operands may be read in any order.

use super::expression::{self, Function, element};
use super::lower::{Call, Failure, LoweredStep, Lowering, Operand, TensorId};
use crate::op::{Op, Unary};
use crate::tensor::{DType, broadcast_strides, n_elements, strides};
use crate::walk::merge;

/// An expression over the elements of some tensors, for every position of a shape.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    expression: Expression,
    dtype: DType,
    dims: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Expression {
    Load(Load),
    Apply(Function, Vec<Expression>),
}

/// How a tensor is read, or the result written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    pub(super) tensor: TensorId,
    pub(super) dtype: DType,
    pub(super) offset: usize,
    /// Step along each dimension of the result.
    pub(super) strides: Vec<isize>,
}

impl Load {
    fn is_single(&self) -> bool {
        self.strides.iter().all(|&stride| stride == 0)
    }
}

/// Where the elements of a result go when they do not lie one after another: offset and strides.
pub(super) type Store = (usize, Vec<isize>);

fn signed(strides: Vec<usize>) -> Vec<isize> {
    strides.into_iter().map(|stride| stride as isize).collect()
}

impl Expression {
    fn loads<'a>(&'a self, found: &mut Vec<&'a Load>) {
        match self {
            Self::Load(load) if found.contains(&load) => {}
            Self::Load(load) => found.push(load),
            Self::Apply(_, operands) => operands.iter().for_each(|operand| operand.loads(found)),
        }
    }

    /// Appends statements that compute the expression, and its constants; gives the variable that holds it.
    fn write(&self, loads: &[&Load], kernel: &mut Body) -> String {
        match self {
            Self::Load(load) => {
                format!("x{}", loads.iter().position(|other| *other == load).unwrap_or_default())
            }
            Self::Apply(function, operands) => {
                let names: Vec<String> =
                    operands.iter().map(|operand| operand.write(loads, kernel)).collect();
                let value = function.apply(&names, &mut kernel.constants);
                let variable = format!("v{}", kernel.n_variables);
                kernel.n_variables += 1;
                kernel.text += &format!("    let {variable} = {value};\n");
                variable
            }
        }
    }
}

/// The middle of a generated kernel.
#[derive(Default)]
struct Body {
    text: String,
    constants: Vec<f32>,
    n_variables: usize,
}

/// A call whose template may use `activate`: functions of one float, in order.
pub(super) fn with_activation(kernel: &'static str, template: &str, functions: &[Unary]) -> Call {
    let mut constants = Vec::new();
    let mut text = String::from("fn activate(x0: f32) -> f32 {\n");
    for (index, &function) in functions.iter().enumerate() {
        let value = expression::unary(function).apply(&[format!("x{index}")], &mut constants);
        text += &format!("    let x{} = {value};\n", index + 1);
    }
    text += &format!("    return x{};\n}}\n", functions.len());
    Call::new(kernel, text + template).floats(&constants)
}

impl Lowering<'_> {
    pub(super) fn elementwise(&mut self, step: &LoweredStep<'_>) -> Result<(), Failure> {
        let out = step.output().clone();
        let x = step.input(0)?;
        let expression = match step.op {
            Op::Unary(functions) => self.unary(functions, x, &out)?,
            Op::Binary(function) => {
                let (a, b) = (step.input(0)?, step.input(1)?);
                let loaded = [a, b].map(|operand| self.load(operand, &out.dims, 2));
                let [left, right] = loaded;
                let right = converted(right?, b.dtype, a.dtype);
                let result =
                    Expression::Apply(expression::binary(*function, a.dtype).into(), vec![left?, right]);
                wrapped(result, out.dtype)
            }
            Op::Where => {
                let operands = [step.input(0)?, step.input(1)?, step.input(2)?];
                let loaded = operands.map(|operand| self.load(operand, &out.dims, 3));
                let [flag, a, b] = loaded;
                Expression::Apply("select($2, $1, $0 != 0)".into(), vec![flag?, a?, b?])
            }
            Op::Cast => {
                let loaded = self.load(x, &out.dims, 1)?;
                converted(loaded, x.dtype, out.dtype)
            }
            Op::ChannelAffine => {
                let channels = |operand: &Operand| -> Operand {
                    let mut dims = vec![1; out.dims.len().saturating_sub(1)];
                    dims[0] = operand.n();
                    operand.with_dims(&dims)
                };
                let (scale, bias) = (channels(step.input(1)?), channels(step.input(2)?));
                let loaded = [x, &scale, &bias].map(|operand| self.load(operand, &out.dims, 3));
                let [x, scale, bias] = loaded;
                Expression::Apply("$0 * $1 + $2".into(), vec![x?, scale?, bias?])
            }
            Op::Quantize { axis } | Op::Dequantize { axis } => self.affine_bytes(step, *axis)?,
            op => {
                let read = match op {
                    Op::Reshape => None,
                    _ => op.strided_read(&x.dims, &out.dims),
                };
                let (offset, strides) = match read {
                    Some(read) => (read.offset, read.strides),
                    None => (0, signed(strides(&out.dims))),
                };
                self.materialise(x.tensor)?;
                Expression::Load(Load { tensor: x.tensor, dtype: x.dtype, offset, strides })
            }
        };
        self.define(expression, &out)
    }

    /// Says what a tensor's elements are; whoever is the only one to read them may compute them itself.
    fn define(&mut self, expression: Expression, out: &Operand) -> Result<(), Failure> {
        let chain = Chain { expression, dtype: out.dtype, dims: out.dims.clone() };
        if self.has_one_use(out.tensor) {
            self.chains.insert(out.tensor, chain);
            return Ok(());
        }
        self.emit_chain(&chain, out, None)
    }

    /// Functions of the sum of tensors that broadcast.
    pub(super) fn define_sum(
        &mut self,
        terms: &[Operand],
        functions: &[Unary],
        out: &Operand,
    ) -> Result<(), Failure> {
        let mut sum: Option<Expression> = None;
        for term in terms {
            let term = self.load(term, &out.dims, terms.len())?;
            sum = Some(match sum {
                Some(sum) => Expression::Apply("$0 + $1".into(), vec![sum, term]),
                None => term,
            });
        }
        let sum = sum.ok_or_else(|| "a sum has terms".to_owned())?;
        let value = functions
            .iter()
            .fold(sum, |value, &function| Expression::Apply(expression::unary(function), vec![value]));
        self.define(value, out)
    }

    fn unary(&mut self, functions: &[Unary], x: &Operand, out: &Operand) -> Result<Expression, Failure> {
        let mut value = self.load(x, &out.dims, 1)?;
        if x.dtype == DType::F32 {
            for &function in functions {
                value = Expression::Apply(expression::unary(function), vec![value]);
            }
            return Ok(converted(value, DType::F32, out.dtype));
        }
        for &function in functions {
            let text = expression::unary_integer(function)
                .ok_or_else(|| format!("{function:?} of {}", x.dtype.as_str()))?;
            value = wrapped(Expression::Apply(text.into(), vec![value]), x.dtype);
        }
        Ok(value)
    }

    /// Quantization and its inverse with a scale, and maybe a zero point, for all elements or per index of an axis.
    fn affine_bytes(&mut self, step: &LoweredStep<'_>, axis: usize) -> Result<Expression, Failure> {
        let out = step.output();
        let along = |operand: &Operand| {
            let mut dims = vec![1; out.dims.len()];
            if operand.n() > 1 {
                dims[axis] = operand.n();
            }
            operand.with_dims(&dims)
        };
        let x = self.load(step.input(0)?, &out.dims, 3)?;
        let scale = self.load(&along(step.input(1)?), &out.dims, 3)?;
        let mut operands = vec![x, scale];
        let point = step.optional(2).map(along);
        if let Some(point) = &point {
            operands.push(self.load(point, &out.dims, 3)?);
        }
        let text = match (step.op, &point) {
            (Op::Dequantize { .. }, Some(_)) => "f32($0 - $2) * $1".to_owned(),
            (Op::Dequantize { .. }, None) => "f32($0) * $1".to_owned(),
            (_, point) => {
                let shift = if point.is_some() { " + f32($2)" } else { "" };
                let (low, high) = if out.dtype == DType::I8 { (-128, 127) } else { (0, 255) };
                format!("i32(clamp(round($0 / $1){shift}, {low}.0, {high}.0))")
            }
        };
        Ok(Expression::Apply(text.into(), operands))
    }

    /// An operand of an element-wise operator with `n_operands` of them: the expression behind it when that is cheap
    /// and nobody else needs it, else its elements.
    pub(super) fn load(
        &mut self,
        operand: &Operand,
        out_dims: &[usize],
        n_operands: usize,
    ) -> Result<Expression, Failure> {
        let n_written = self.target.n_parts(n_elements(out_dims) as u64 * 4);
        let budget = self.target.max_storage_buffers.saturating_sub(n_written) / n_operands;
        let fits = self.chains.get(&operand.tensor).is_some_and(|chain| {
            let mut loads = Vec::new();
            chain.expression.loads(&mut loads);
            let n_read: usize = loads.iter().map(|load| self.n_parts(load.tensor)).sum();
            n_read <= budget && chain.dims == out_dims && operand.dims == out_dims
        });
        if fits && let Some(chain) = self.chains.remove(&operand.tensor) {
            return Ok(chain.expression);
        }
        self.materialise(operand.tensor)?;
        let strides = signed(broadcast_strides(&operand.dims, out_dims));
        Ok(Expression::Load(Load { tensor: operand.tensor, dtype: operand.dtype, offset: 0, strides }))
    }

    /// Computes a tensor whose chain is still pending.
    pub(super) fn materialise(&mut self, tensor: TensorId) -> Result<(), Failure> {
        match self.chains.remove(&tensor) {
            Some(chain) => {
                let out = Operand { tensor, dtype: chain.dtype, dims: chain.dims.clone() };
                self.emit_chain(&chain, &out, None)
            }
            None => Ok(()),
        }
    }

    /// Copies elements in another order into a tensor.
    pub(super) fn copy(
        &mut self,
        expression: Expression,
        dims: &[usize],
        out: &Operand,
        store: Option<Store>,
    ) -> Result<(), Failure> {
        self.emit_chain(&Chain { expression, dtype: out.dtype, dims: dims.to_vec() }, out, store)
    }

    fn emit_chain(&mut self, chain: &Chain, out: &Operand, store: Option<Store>) -> Result<(), Failure> {
        let mut loads = Vec::new();
        chain.expression.loads(&mut loads);
        let n = n_elements(&chain.dims);
        let store =
            store.map(|(offset, strides)| Load { tensor: out.tensor, dtype: out.dtype, offset, strides });
        let mut walks: Vec<Load> = loads.iter().map(|load| (*load).clone()).chain(store.clone()).collect();
        let own: Vec<&[isize]> = walks.iter().map(|walk| walk.strides.as_slice()).collect();
        let (dims, merged) = merge(&chain.dims, &own);
        for (walk, strides) in walks.iter_mut().zip(merged) {
            walk.strides = strides;
        }
        let dense = signed(strides(&dims));
        let is_dense = |walk: &Load| walk.offset == 0 && walk.strides == dense;
        let mut call = Call::new("element-wise", "");
        let mut body = Body::default();
        if walks.iter().any(|walk| !walk.is_single() && !is_dense(walk)) {
            body.text.push_str("    var rest = i;\n");
            for axis in (1..dims.len()).rev() {
                call = call.uint(format!("d{axis}"), dims[axis]);
                body.text
                    .push_str(&format!("    let c{axis} = i32(rest % p.d{axis});\n    rest /= p.d{axis};\n"));
            }
            body.text.push_str("    let c0 = i32(rest);\n");
        }
        let mut bound: Vec<TensorId> = Vec::new();
        let mut positions = Vec::new();
        for (index, walk) in walks.iter().enumerate() {
            let position = if is_dense(walk) {
                "i".to_owned()
            } else {
                call = call.uint(format!("o{index}"), walk.offset);
                let mut sum = format!("p.o{index}");
                let moving = walk.strides.iter().enumerate().filter(|&(_, &stride)| stride != 0);
                let terms: Vec<String> = moving
                    .map(|(axis, &stride)| {
                        call.push_int(format!("s{index}_{axis}"), stride);
                        format!("c{axis} * p.s{index}_{axis}")
                    })
                    .collect();
                if !terms.is_empty() {
                    sum = format!("u32(i32({sum}) + {})", terms.join(" + "));
                }
                sum
            };
            positions.push(position);
        }
        for (index, load) in loads.iter().enumerate() {
            let binding = bound.iter().position(|&tensor| tensor == load.tensor).unwrap_or_else(|| {
                bound.push(load.tensor);
                bound.len() - 1
            });
            body.text.push_str(&format!("    let x{index} = a{binding}[{}];\n", positions[index]));
        }
        let result = chain.expression.write(&loads, &mut body);
        let to = if store.is_some() { &positions[positions.len() - 1] } else { "i" };
        let text = include_str!("kernel/elementwise.wgsl");
        call.set_template(text.replace("$BODY", &format!("{}    y[{to}] = {result};", body.text)));
        call = call.floats(&body.constants);
        for (index, tensor) in bound.iter().enumerate() {
            let dtype =
                loads.iter().find(|load| load.tensor == *tensor).map_or(DType::F32, |load| load.dtype);
            call = call.bind(&format!("a{index}"), element(dtype), *tensor, false);
        }
        self.emit(call.write("y", out), n)
    }
}

fn converted(value: Expression, from: DType, to: DType) -> Expression {
    match expression::cast(from, to) {
        Some(text) => Expression::Apply(text.into(), vec![value]),
        None => value,
    }
}

fn wrapped(value: Expression, dtype: DType) -> Expression {
    match expression::wrap(dtype) {
        Some(text) => Expression::Apply(text.into(), vec![value]),
        None => value,
    }
}
