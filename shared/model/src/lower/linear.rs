//! Matrix products, quantization and recurrent layers.

use crate::graph::ValueId;
use crate::lower::elementwise::lower_binary;
use crate::lower::{Call, Reason, axis, invalid, length, unsupported};
use crate::op::{Binary, Cell, Direction, Epilogue, Fact, Op, Unary};
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
        "MatMulInteger" => matmul_integer(call)?,
        "Gemm" => gemm(call)?,
        "Einsum" => einsum(call)?,
        "DynamicQuantizeLinear" => return dynamic_quantize(call).map(Some),
        "QuantizeLinear" => quantize(call)?,
        "DequantizeLinear" => dequantize(call)?,
        "LSTM" | "GRU" => return recurrent(call).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

/// Shape of a matrix product with ONNX's rules for vectors and batches.
fn product_dims(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Reason> {
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

fn matmul_integer(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(a, &[DType::U8, DType::I8])?;
    call.needs_dtype(b, &[DType::U8, DType::I8])?;
    let (a_dims, b_dims) = (call.dims(a), call.dims(b));
    if a_dims.len() < 2 || b_dims.len() < 2 {
        return unsupported("a vector operand");
    }
    let dims = product_dims(&a_dims, &b_dims)?;
    for (index, n) in [(2, a_dims[a_dims.len() - 2]), (3, b_dims[b_dims.len() - 1])] {
        if let Some(point) = call.optional(index) {
            let n_points = call.graph.fact(point).n_elements();
            if n_points != 1 && n_points != n {
                return unsupported("its zero points are neither one nor one per row or column");
            }
        }
    }
    let inputs = [Some(a), Some(b), call.optional(2), call.optional(3)];
    call.emit(Op::MatMulInteger, &inputs, Fact::new(DType::I32, dims))
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

fn dynamic_quantize(call: &mut Call<'_>) -> Result<Vec<ValueId>, Reason> {
    let x = call.input(0)?;
    call.needs_dtype(x, &[DType::F32])?;
    let facts = vec![
        Fact::new(DType::U8, call.dims(x)),
        Fact::new(DType::F32, Vec::new()),
        Fact::new(DType::U8, Vec::new()),
    ];
    call.emit_all(Op::DynamicQuantize, &[Some(x)], facts)
}

/// Axis of the scales, after checking that there is one or one per element along it.
fn scale_axis(call: &Call<'_>, dims: &[usize]) -> Result<usize, Reason> {
    if call.node.attributes.int("block_size", 0) != 0 {
        return unsupported("blocked quantization");
    }
    let n_scales = call.graph.fact(call.input(1)?).n_elements();
    if n_scales == 1 {
        return Ok(0);
    }
    let axis = axis(call.node.attributes.int("axis", 1), dims.len())?;
    if n_scales == dims[axis] {
        return Ok(axis);
    }
    invalid(format!("{n_scales} scales for a dimension of {}", dims[axis]))
}

fn quantize(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, scale) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(x, &[DType::F32])?;
    let dims = call.dims(x);
    let axis = scale_axis(call, &dims)?;
    let point = call.optional(2);
    let dtype = match (point, call.node.attributes.int("output_dtype", 0)) {
        (Some(point), _) => call.dtype(point),
        (None, 0 | 2) => DType::U8,
        (None, 3) => DType::I8,
        (None, _) => return unsupported("its output type"),
    };
    if !matches!(dtype, DType::U8 | DType::I8) {
        return unsupported("its output type");
    }
    call.emit(Op::Quantize { axis }, &[Some(x), Some(scale), point], Fact::new(dtype, dims))
}

fn dequantize(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let (x, scale) = (call.input(0)?, call.input(1)?);
    call.needs_dtype(x, &[DType::U8, DType::I8, DType::I32])?;
    call.needs_dtype(scale, &[DType::F32])?;
    let dims = call.dims(x);
    let axis = scale_axis(call, &dims)?;
    let inputs = [Some(x), Some(scale), call.optional(2)];
    call.emit(Op::Dequantize { axis }, &inputs, Fact::new(DType::F32, dims))
}

fn recurrent(call: &mut Call<'_>) -> Result<Vec<ValueId>, Reason> {
    let (x, w, r) = (call.input(0)?, call.input(1)?, call.input(2)?);
    call.needs_dtype(x, &[DType::F32])?;
    let attributes = &call.node.attributes;
    let is_lstm = call.node.op_type == "LSTM";
    let n_gates = if is_lstm { 4 } else { 3 };
    let (direction, n_directions) = match attributes.text("direction", "forward") {
        "forward" => (Direction::Forward, 1),
        "reverse" => (Direction::Reverse, 1),
        "bidirectional" => (Direction::Bidirectional, 2),
        other => return invalid(format!("direction `{other}`")),
    };
    let defaults: &[&str] = if is_lstm { &["Sigmoid", "Tanh", "Tanh"] } else { &["Sigmoid", "Tanh"] };
    if let Some(given) = attributes.strings("activations")
        && !given.iter().enumerate().all(|(index, name)| name == defaults[index % defaults.len()])
    {
        return unsupported("its activations");
    }
    let has_odd_form = attributes.has("clip")
        || attributes.int("layout", 0) != 0
        || attributes.int("input_forget", 0) != 0
        || is_lstm && call.optional(7).is_some();
    if has_odd_form {
        return unsupported("clipping, batch-first layout, coupled gates or peepholes");
    }
    let &[length_of_sequence, batch, width] = &call.dims(x)[..] else {
        return invalid("its input does not have 3 dimensions");
    };
    let hidden_size = match call.dims(r)[..] {
        [_, _, hidden] => hidden,
        _ => return invalid("its recurrence weights do not have 3 dimensions"),
    };
    if length(attributes.int("hidden_size", hidden_size as i64))? != hidden_size {
        return invalid("its hidden size does not fit its weights");
    }
    let expected = [
        (w, vec![n_directions, n_gates * hidden_size, width]),
        (r, vec![n_directions, n_gates * hidden_size, hidden_size]),
    ];
    let optional = [
        (call.optional(3), vec![n_directions, 2 * n_gates * hidden_size]),
        (call.optional(5), vec![n_directions, batch, hidden_size]),
        (if is_lstm { call.optional(6) } else { None }, vec![n_directions, batch, hidden_size]),
    ];
    let present = optional.into_iter().filter_map(|(value, dims)| value.map(|value| (value, dims)));
    for (value, dims) in expected.into_iter().chain(present) {
        if call.dims(value) != dims || call.dtype(value) != DType::F32 {
            return invalid(format!("an operand of shape {:?} is not float32 {dims:?}", call.dims(value)));
        }
    }
    if let Some(lengths) = call.ints(4, "its sequence lengths")?
        && lengths.iter().any(|&length| length != length_of_sequence as i64)
    {
        return unsupported("sequences of different lengths");
    }
    let cell = if is_lstm {
        Cell::Lstm
    } else {
        Cell::Gru { linear_before_reset: call.node.attributes.flag("linear_before_reset", false) }
    };
    let state = Fact::new(DType::F32, vec![n_directions, batch, hidden_size]);
    let mut facts = vec![
        Fact::new(DType::F32, vec![length_of_sequence, n_directions, batch, hidden_size]),
        state.clone(),
    ];
    let mut inputs = vec![Some(x), Some(w), Some(r), call.optional(3), None, call.optional(5)];
    if is_lstm {
        facts.push(state);
        inputs.push(call.optional(6));
    }
    call.emit_all(Op::Recurrent { cell, direction, hidden_size }, &inputs, facts)
}
