//! Programs for small graphs, call by call, and what is refused before a browser sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::op::{Binary, Epilogue, Fact, Op, Unary, Window};
use crate::plan::Plan;
use crate::tensor::scaled::ScaledBytes;
use crate::tensor::{DType, Data, Tensor};
use crate::testing::{GraphBuilder, noise};

/// Limits that name everything a program may call: `types` for every operand, up to `most` dimensions.
fn limits(methods: &[&str], types: &[&str], most: usize) -> Limits {
    let operand =
        OperandLimits { types: types.iter().map(|&name| name.to_owned()).collect(), ranks: [0, most] };
    let names = ["", "a", "b", "input", "output", "filter", "inputs"];
    let operands: BTreeMap<String, OperandLimits> =
        names.iter().map(|&name| (name.to_owned(), operand.clone())).collect();
    let methods = methods.iter().map(|&method| (method.to_owned(), operands.clone())).collect();
    Limits { methods: Some(methods), ..Limits::UNKNOWN }
}

/// The methods called, in order.
fn methods(program: &Program) -> Vec<&'static str> {
    program.calls.iter().map(|call| call.method).collect()
}

#[track_caller]
fn check(builder: GraphBuilder, output: usize, expected: &[&str]) -> Program {
    let program = lower(&Plan::new(builder.finish(output)), &Limits::UNKNOWN).expect("everything works");
    assert_eq!(methods(&program), expected, "{program}");
    program
}

#[track_caller]
fn check_refusal(builder: GraphBuilder, output: usize, limits: &Limits, expected: &str) {
    let refusal = lower(&Plan::new(builder.finish(output)), limits).expect_err("it is refused");
    assert_eq!(format!("{}: {refusal}", refusal.operator), expected);
}

fn window(kernel: usize) -> Window {
    let pads = [kernel / 2; 2];
    Window { kernel: [kernel; 2], strides: [1; 2], dilations: [1; 2], pads_begin: pads, pads_end: pads }
}

#[test]
fn a_batch_times_a_matrix_is_one_product_of_matrices() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2, 3, 4]);
    let (w, bias) = (b.constant(noise(&[4, 5], 1)), b.constant(noise(&[5], 2)));
    let epilogue = Epilogue { has_bias: true, activations: vec![Unary::Gelu], ..Epilogue::default() };
    let op = Op::MatMul { trans_a: false, trans_b: false, epilogue };
    let y = b.op(op, &[x, w, bias], &[2, 3, 5]);
    let program = check(b, y, &["reshape", "gemm", "reshape", "gelu"]);
    let text = program.to_string();
    assert!(text.contains("float32 [6×5] = gemm(%3, %1, c: %2)"), "{text}");
}

#[test]
fn images_stay_in_the_contexts_layout_between_convolutions() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[1, 8, 6, 6]);
    let (w, v) = (b.constant(noise(&[8, 8, 3, 3], 1)), b.constant(noise(&[8, 1, 3, 3], 2)));
    let conv = |groups| Op::Conv { window: window(3), groups, epilogue: Epilogue::default() };
    let y = b.op(conv(1), &[x, w], &[1, 8, 6, 6]);
    let z = b.op(Op::Unary(vec![Unary::HardSwish]), &[y], &[1, 8, 6, 6]);
    let z = b.op(conv(8), &[z, v], &[1, 8, 6, 6]);
    let sum = b.op(Op::Binary(Binary::Add), &[y, z], &[1, 8, 6, 6]);
    let program = check(b, sum, &["transpose", "conv2d", "hardSwish", "conv2d", "add", "transpose"]);
    let filters: Vec<_> = program.constants.iter().map(|constant| constant.permutation.clone()).collect();
    assert_eq!(filters, [Some(vec![0, 2, 3, 1]), Some(vec![1, 2, 3, 0])], "dense, then depthwise");
}

#[test]
fn a_context_that_wants_channels_first_gets_them_so() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[1, 8, 6, 6]);
    let w = b.constant(noise(&[8, 8, 3, 3], 1));
    let op = Op::Conv { window: window(3), groups: 1, epilogue: Epilogue::default() };
    let y = b.op(op, &[x, w], &[1, 8, 6, 6]);
    let limits = Limits { layout: Layout::Nchw, ..Limits::UNKNOWN };
    let program = lower(&Plan::new(b.finish(y)), &limits).expect("everything works");
    assert_eq!(methods(&program), ["conv2d"], "{program}");
}

#[test]
fn integers_that_a_method_lacks_are_widened_and_narrowed() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[4]);
    let bytes = b.typed(Op::Cast, &[x], DType::U8, &[4]);
    let sum = b.typed(Op::Binary(Binary::Add), &[bytes, bytes], DType::U8, &[4]);
    let mut limits =
        limits(&["input", "constant", "output", "cast"], &["float32", "int32", "int64", "uint8"], 5);
    let add = limits_of_add();
    limits.methods.get_or_insert_default().insert("add".to_owned(), add);
    let program = lower(&Plan::new(b.finish(sum)), &limits).expect("int32 is there");
    assert_eq!(methods(&program), ["cast", "cast", "cast", "add", "cast"], "{program}");
    assert_eq!(program.operands.last().map(|fact| fact.dtype), Some(DType::U8));
}

fn limits_of_add() -> BTreeMap<String, OperandLimits> {
    let operand = OperandLimits { types: vec!["float32".to_owned(), "int32".to_owned()], ranks: [0, 5] };
    ["a", "b"].map(|name| (name.to_owned(), operand.clone())).into()
}

#[test]
fn a_context_without_wide_integers_gets_narrow_ones() {
    let mut b = GraphBuilder::default();
    let x = b.graph.add_value("x", Fact::new(DType::I64, vec![3]));
    b.graph.inputs.push(x);
    let y = b.typed(Op::Unary(vec![Unary::Neg]), &[x], DType::I64, &[3]);
    let limits = limits(&["input", "constant", "output", "neg"], &["float32", "int32"], 5);
    let program = lower(&Plan::new(b.finish(y)), &limits).expect("int32 is there");
    let types: Vec<DType> = program.operands.iter().map(|fact| fact.dtype).collect();
    assert_eq!(types, [DType::I32, DType::I32]);
}

#[test]
fn outputs_are_results_of_calls_under_one_name_each() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2]);
    b.graph.outputs.push(("same".to_owned(), x));
    let y = b.op(Op::Unary(vec![Unary::Exp]), &[x], &[2]);
    b.graph.outputs.push(("first".to_owned(), y));
    let program = check(b, y, &["exp", "identity", "identity"]);
    let names: Vec<&str> = program.outputs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["same", "first", "output"]);
}

#[test]
fn a_product_between_quantizations_with_known_scales_is_one_of_bytes() {
    let weights = |b: &mut GraphBuilder| {
        let bytes = Tensor::new(vec![4, 5], Data::I8((0..20).collect())).expect("the shape fits");
        let scales = (1..6).map(|n| n as f32 / 64.0).collect();
        let scaled = ScaledBytes::new(Arc::new(bytes), 1, scales, vec![0]).expect("they fit");
        b.constant(Tensor::scaled(scaled))
    };
    let graph = |reads_product: bool| {
        let mut b = GraphBuilder::default();
        let x = b.input(&[2, 3, 4]);
        let scale = b.scalar(0.5);
        let x = b.typed(Op::Quantize { axis: 1 }, &[x, scale], DType::I8, &[2, 3, 4]);
        let x = b.op(Op::Dequantize { axis: 1 }, &[x, scale], &[2, 3, 4]);
        let (w, bias) = (weights(&mut b), b.constant(noise(&[5], 2)));
        let epilogue = Epilogue { has_bias: true, ..Epilogue::default() };
        let y = b.op(Op::MatMul { trans_a: false, trans_b: false, epilogue }, &[x, w, bias], &[2, 3, 5]);
        let q = b.typed(Op::Quantize { axis: 1 }, &[y, scale], DType::I8, &[2, 3, 5]);
        let z = b.op(Op::Dequantize { axis: 1 }, &[q, scale], &[2, 3, 5]);
        let z = if reads_product { b.op(Op::Binary(Binary::Add), &[z, y], &[2, 3, 5]) } else { z };
        (b, z)
    };
    let (b, z) = graph(false);
    let program = lower(&Plan::new(b.finish(z)), &Limits::UNKNOWN).expect("everything works");
    let product = [
        "reshape",
        "dequantizeLinear",
        "dequantizeLinear",
        "dequantizeLinear",
        "gemm",
        "quantizeLinear",
        "reshape",
    ];
    let names = methods(&program);
    assert!(names.windows(product.len()).any(|window| window == product), "{program}");
    let (b, z) = graph(true);
    let program = lower(&Plan::new(b.finish(z)), &Limits::UNKNOWN).expect("everything works");
    assert!(!methods(&program).contains(&"quantizeLinear"), "the product is read: {program}");
}

#[test]
fn what_a_context_lacks_is_refused_by_name() {
    let graph = |dims: &[usize]| {
        let mut b = GraphBuilder::default();
        let x = b.input(dims);
        let y = b.op(Op::Unary(vec![Unary::Exp]), &[x], dims);
        (b, y)
    };
    let all = ["input", "constant", "output", "exp"];
    let (b, y) = graph(&[2]);
    check_refusal(b, y, &limits(&all[..3], &["float32"], 5), "unary: this browser's WebNN has no exp");
    let (b, y) = graph(&[2]);
    check_refusal(b, y, &limits(&all, &["float16"], 5), "input: the context has no inputs of type float32");
    let (b, y) = graph(&[1, 1, 1]);
    check_refusal(b, y, &limits(&all, &["float32"], 2), "unary: exp takes 0 to 2 dimensions here, not 3");
    let (b, y) = graph(&[0]);
    let expected = "input: it has a tensor without elements, which WebNN does not know";
    check_refusal(b, y, &Limits::UNKNOWN, expected);
    let (b, y) = graph(&[8]);
    let small = Limits { max_tensor_bytes: 31, ..Limits::UNKNOWN };
    check_refusal(b, y, &small, "input: it has a tensor of 32 bytes, the context holds 31");
}
