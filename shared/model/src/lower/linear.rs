//! Matrix products.

use crate::graph::ValueId;
use crate::lower::elementwise::lower_binary;
use crate::lower::{Call, Reason, invalid, unsupported};
use crate::op::{Binary, Epilogue, Fact, Op, Unary};
use crate::tensor::{DType, broadcast};

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let output = match call.node.op_type.as_str() {
        "MatMul" => {
            let (a, b) = (call.input(0)?, call.input(1)?);
            call.needs_dtype(a, &[DType::F32])?;
            let dims = product_dims(&call.dims(a), &call.dims(b))?;
            let op = Op::MatMul { trans_a: false, trans_b: false, epilogue: Epilogue::default() };
            call.emit(op, &[Some(a), Some(b)], Fact::new(DType::F32, dims))?
        }
        "Gemm" => gemm(call)?,
        "Einsum" => einsum(call)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

/// Shape of a matrix product with ONNX's rules for vectors and batches.
pub(super) fn product_dims(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Reason> {
    let mismatch = || Reason::Invalid(format!("{a:?} and {b:?} cannot be multiplied"));
    let (a_matrix, b_matrix) = match (a, b) {
        ([], _) | (_, []) => return Err(mismatch()),
        (&[k], _) => (vec![1, k], b.to_vec()),
        (_, &[k]) => (a.to_vec(), vec![k, 1]),
        _ => (a.to_vec(), b.to_vec()),
    };
    let b_matrix = if b_matrix.len() == 1 { vec![b_matrix[0], 1] } else { b_matrix };
    let (a_batch, a_last) = a_matrix.split_at(a_matrix.len() - 2);
    let (b_batch, b_last) = b_matrix.split_at(b_matrix.len() - 2);
    if a_last[1] != b_last[0] {
        return Err(mismatch());
    }
    let mut dims = broadcast(a_batch, b_batch).ok_or_else(mismatch)?;
    if a.len() > 1 {
        dims.push(a_last[0]);
    }
    if b.len() > 1 {
        dims.push(b_last[1]);
    }
    Ok(dims)
}

fn gemm(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(a, &[DType::F32])?;
    let attributes = &call.node.attributes;
    let (trans_a, trans_b) = (attributes.flag("transA", false), attributes.flag("transB", false));
    let (alpha, beta) = (attributes.float("alpha", 1.0), attributes.float("beta", 1.0));
    let (&[a0, a1], &[b0, b1]) = (&call.dims(a)[..], &call.dims(b)[..]) else {
        return invalid("its operands are not matrices");
    };
    let (m, k) = if trans_a { (a1, a0) } else { (a0, a1) };
    let (k_of_b, n) = if trans_b { (b1, b0) } else { (b0, b1) };
    if k != k_of_b {
        return invalid(format!("inner dimensions {k} and {k_of_b} differ"));
    }
    let fact = Fact::new(DType::F32, vec![m, n]);
    let mut addend = call.optional(2);
    if let Some(c) = addend
        && beta != 1.0
    {
        let scaled = call.graph.fact(c).clone();
        let scale = Unary::Affine { scale: beta, shift: 0.0 };
        addend = Some(call.emit(Op::Unary(vec![scale]), &[Some(c)], scaled)?);
    }
    let is_bias = alpha == 1.0
        && addend.is_some_and(|c| {
            let dims = &call.graph.fact(c).dims;
            dims[..] == [n] || dims[..] == [1, n]
        });
    let epilogue = Epilogue { has_bias: is_bias, ..Epilogue::default() };
    let mut inputs = vec![Some(a), Some(b)];
    if let Some(c) = addend
        && is_bias
    {
        inputs.push(Some(call.reshape(c, vec![n])?));
    }
    let mut product = call.emit(Op::MatMul { trans_a, trans_b, epilogue }, &inputs, fact.clone())?;
    if alpha != 1.0 {
        let scale = Unary::Affine { scale: alpha, shift: 0.0 };
        product = call.emit(Op::Unary(vec![scale]), &[Some(product)], fact)?;
    }
    match addend {
        Some(c) if !is_bias => lower_binary(call, Binary::Add, product, c),
        _ => Ok(product),
    }
}

fn einsum(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let equation: String =
        call.node.attributes.text("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
    if equation.contains('.') {
        return unsupported("an ellipsis in its equation");
    }
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left.to_owned(), right.to_owned()),
        None => {
            let mut once: Vec<char> = equation.chars().filter(|c| c.is_alphabetic()).collect();
            once.sort_unstable();
            let is_single = |c: &char| equation.matches(*c).count() == 1;
            (equation.clone(), once.into_iter().filter(is_single).collect())
        }
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != call.n_inputs() {
        return invalid("its equation has another number of terms than inputs");
    }
    let mut names: Vec<char> = Vec::new();
    let mut lengths: Vec<usize> = Vec::new();
    let mut numbered = Vec::with_capacity(terms.len());
    let mut inputs = Vec::with_capacity(terms.len());
    for (index, term) in terms.iter().enumerate() {
        let input = call.input(index)?;
        call.needs_dtype(input, &[DType::F32])?;
        let dims = call.dims(input);
        if dims.len() != term.chars().count() {
            return invalid(format!("term `{term}` does not fit shape {dims:?}"));
        }
        let mut numbers = Vec::with_capacity(dims.len());
        for (name, dim) in term.chars().zip(dims) {
            let number = names.iter().position(|&known| known == name).unwrap_or_else(|| {
                names.push(name);
                lengths.push(dim);
                names.len() - 1
            });
            if lengths[number] != dim {
                return invalid(format!("dimension `{name}` is both {} and {dim}", lengths[number]));
            }
            numbers.push(number);
        }
        numbered.push(numbers);
        inputs.push(Some(input));
    }
    let mut output = Vec::new();
    for name in right.chars() {
        match names.iter().position(|&known| known == name) {
            Some(number) => output.push(number),
            None => return invalid(format!("output dimension `{name}` is in no term")),
        }
    }
    let fact = Fact::new(DType::F32, output.iter().map(|&number| lengths[number]).collect());
    call.emit(Op::Einsum { inputs: numbered, output, lengths }, &inputs, fact)
}
