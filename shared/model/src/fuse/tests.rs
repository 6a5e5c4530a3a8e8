//! Each pass on its pattern: the result keeps its meaning, and only the expected operators remain.

use super::*;
use crate::op::{Binary, Epilogue, PadMode, Reduction, Window};
use crate::plan::Plan;
use crate::reference;
use crate::tensor::{Data, Tensor};
use crate::testing::{GraphBuilder, max_difference, noise, noises};

/// Runs a pass after the scalar passes, which most patterns count on, and compares before and after.
#[track_caller]
fn check(pass: Pass, mut graph: Graph, expected: &[&str]) {
    let inputs = noises(&graph);
    let before = reference::run(&graph, &inputs).expect("the graph runs");
    for pass in [scalar_arithmetic, merge_unary, pass, merge_unary] {
        pass(&mut graph);
        graph.remove_dead_nodes();
        graph.check().expect("a pass keeps the graph valid");
    }
    let names: Vec<&'static str> = graph.nodes.iter().map(|node| node.op.name()).collect();
    assert_eq!(names, expected);
    let after = reference::run(&graph, &inputs).expect("the graph still runs");
    for (before, after) in before.iter().zip(&after) {
        let difference = max_difference(before, after);
        assert!(difference < 2e-6, "results differ by {difference}");
    }
    let n_steps = names.iter().filter(|&&name| name != "reshape").count();
    assert_eq!(Plan::new(graph).steps.len(), n_steps, "relabelling is not a step");
}

fn matmul() -> Op {
    Op::MatMul { trans_a: false, trans_b: false, epilogue: Epilogue::default() }
}

fn conv(kernel: usize) -> Op {
    let window = Window {
        kernel: [kernel; 2],
        strides: [1; 2],
        dilations: [1; 2],
        pads_begin: [0; 2],
        pads_end: [0; 2],
    };
    Op::Conv { window, groups: 1, epilogue: Epilogue::default() }
}

#[test]
fn arithmetic_with_a_number_becomes_one_function() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2, 3]);
    let (three, zero, six) = (b.scalar(3.0), b.scalar(0.0), b.scalar(6.0));
    let x = b.op(Op::Binary(Binary::Add), &[three, x], &[2, 3]);
    let x = b.op(Op::Binary(Binary::Max), &[x, zero], &[2, 3]);
    let x = b.op(Op::Binary(Binary::Min), &[x, six], &[2, 3]);
    let x = b.op(Op::Binary(Binary::Div), &[x, six], &[2, 3]);
    check(merge_unary, b.finish(x), &["unary"]);
}

#[test]
fn arithmetic_that_cancels_out_disappears_from_the_plan() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[4]);
    let (half, two) = (b.scalar(0.5), b.scalar(2.0));
    let y = b.op(Op::Binary(Binary::Mul), &[x, half], &[4]);
    let y = b.op(Op::Binary(Binary::Mul), &[y, two], &[4]);
    let y = b.op(Op::Unary(vec![Unary::Exp]), &[y], &[4]);
    check(merge_unary, b.finish(y), &["reshape", "unary"]);
}

#[test]
fn a_number_that_adds_a_dimension_is_left_alone() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[3]);
    let one = b.constant(Tensor::new(vec![1, 1], Data::F32(vec![1.0])).expect("a tensor"));
    let y = b.op(Op::Binary(Binary::Add), &[x, one], &[1, 3]);
    check(scalar_arithmetic, b.finish(y), &["binary"]);
}

/// `x · (1 + erf(x / √2)) · ½` with the ½ where exporters put it.
fn gelu(half_first: bool) -> Graph {
    let mut b = GraphBuilder::default();
    let dims = [2, 5];
    let x = b.input(&dims);
    let (root, one, half) = (b.scalar(std::f32::consts::SQRT_2), b.scalar(1.0), b.scalar(0.5));
    let e = b.op(Op::Binary(Binary::Div), &[x, root], &dims);
    let e = b.op(Op::Unary(vec![Unary::Erf]), &[e], &dims);
    let e = b.op(Op::Binary(Binary::Add), &[e, one], &dims);
    let y = if half_first {
        let h = b.op(Op::Binary(Binary::Mul), &[half, x], &dims);
        b.op(Op::Binary(Binary::Mul), &[h, e], &dims)
    } else {
        let y = b.op(Op::Binary(Binary::Mul), &[x, e], &dims);
        b.op(Op::Binary(Binary::Mul), &[y, half], &dims)
    };
    b.finish(y)
}

#[test]
fn gelu_is_found_with_its_half_anywhere() {
    check(fuse_gelu, gelu(true), &["unary"]);
    check(fuse_gelu, gelu(false), &["unary"]);
}

#[test]
fn gelu_with_tanh_is_found_with_powers_and_products() {
    for is_power in [true, false] {
        let mut b = GraphBuilder::default();
        let dims = [7];
        let x = b.input(&dims);
        let (cubic, root) = (b.scalar(0.044_715), b.scalar(0.797_884_6));
        let (one, half, three) = (b.scalar(1.0), b.scalar(0.5), b.scalar(3.0));
        let cube = if is_power {
            let cube = b.op(Op::Binary(Binary::Pow), &[x, three], &dims);
            b.op(Op::Binary(Binary::Mul), &[cube, cubic], &dims)
        } else {
            let scaled = b.op(Op::Binary(Binary::Mul), &[cubic, x], &dims);
            let square = b.op(Op::Binary(Binary::Mul), &[x, scaled], &dims);
            b.op(Op::Binary(Binary::Mul), &[x, square], &dims)
        };
        let sum = b.op(Op::Binary(Binary::Add), &[x, cube], &dims);
        let scaled = b.op(Op::Binary(Binary::Mul), &[sum, root], &dims);
        let tanh = b.op(Op::Unary(vec![Unary::Tanh]), &[scaled], &dims);
        let gate = b.op(Op::Binary(Binary::Add), &[tanh, one], &dims);
        let halved = b.op(Op::Binary(Binary::Mul), &[x, half], &dims);
        let y = b.op(Op::Binary(Binary::Mul), &[halved, gate], &dims);
        check(fuse_gelu, b.finish(y), &["unary"]);
    }
}

#[test]
fn gates_of_the_operand_itself_become_one_function() {
    let gate = |functions: Vec<Unary>, is_own: bool| {
        let mut b = GraphBuilder::default();
        let (x, z) = (b.input(&[6]), b.input(&[6]));
        let g = b.op(Op::Unary(functions), &[if is_own { x } else { z }], &[6]);
        let y = b.op(Op::Binary(Binary::Mul), &[x, g], &[6]);
        b.finish(y)
    };
    let clipped = vec![Unary::Affine { scale: 1.0, shift: 3.0 }, Unary::Clip { low: 0.0, high: 6.0 }];
    check(fuse_swish, gate(vec![Unary::Sigmoid], true), &["unary"]);
    check(fuse_swish, gate(clipped, true), &["unary"]);
    check(fuse_swish, gate(vec![Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }], true), &["unary"]);
    check(fuse_swish, gate(vec![Unary::Sigmoid], false), &["unary", "binary"]);
}

/// Layer normalisation written out; with `is_rms` the form without mean.
fn norm(is_rms: bool) -> Graph {
    let mut b = GraphBuilder::default();
    let (dims, per_row) = ([2, 3, 8], [2, 3, 1]);
    let x = b.input(&dims);
    let (scale, bias) = (b.constant(noise(&[8], 5)), b.constant(noise(&[8], 6)));
    let (two, epsilon, one) = (b.scalar(2.0), b.scalar(1e-5), b.scalar(1.0));
    let mean = Op::Reduce { kind: Reduction::Mean, axes: vec![2] };
    let centred = if is_rms {
        x
    } else {
        let m = b.op(mean.clone(), &[x], &per_row);
        b.op(Op::Binary(Binary::Sub), &[x, m], &dims)
    };
    let square = b.op(Op::Binary(Binary::Pow), &[centred, two], &dims);
    let variance = b.op(mean, &[square], &per_row);
    let shifted = b.op(Op::Binary(Binary::Add), &[variance, epsilon], &per_row);
    let root = b.op(Op::Unary(vec![Unary::Sqrt]), &[shifted], &per_row);
    if is_rms {
        let inverse = b.op(Op::Binary(Binary::Div), &[one, root], &per_row);
        let y = b.op(Op::Binary(Binary::Mul), &[x, inverse], &dims);
        let y = b.op(Op::Binary(Binary::Mul), &[scale, y], &dims);
        return b.finish(y);
    }
    let y = b.op(Op::Binary(Binary::Div), &[centred, root], &dims);
    let y = b.op(Op::Binary(Binary::Mul), &[y, scale], &dims);
    let y = b.op(Op::Binary(Binary::Add), &[y, bias], &dims);
    b.finish(y)
}

#[test]
fn norms_are_found() {
    check(fuse_layer_norm, norm(false), &["layer-norm"]);
    check(fuse_rms_norm, norm(true), &["rms-norm"]);
}

/// Attention on [1, 3, heads × width] projections; keys reach the product in one of three layouts.
fn attention(heads_inside: bool, has_mask: bool, scale_by: Binary) -> Graph {
    let mut b = GraphBuilder::default();
    let (n, h, w) = (3, 2, 4);
    let swap = Op::Transpose(vec![0, 2, 1, 3]);
    let outside = [1, h, n, w];
    let inside = [1, n, h, w];
    let mut operands = [0; 3];
    for operand in &mut operands {
        *operand = b.input(if heads_inside { &inside } else { &outside });
    }
    let [mut q, mut k, mut v] = operands;
    if heads_inside {
        q = b.op(swap.clone(), &[q], &outside);
        v = b.op(swap.clone(), &[v], &outside);
        k = b.op(Op::Transpose(vec![0, 2, 3, 1]), &[k], &[1, h, w, n]);
    } else {
        k = b.op(Op::Transpose(vec![0, 1, 3, 2]), &[k], &[1, h, w, n]);
    }
    let scores = [1, h, n, n];
    let two = b.scalar(2.0);
    let mut s = b.op(matmul(), &[q, k], &scores);
    s = b.op(Op::Binary(scale_by), &[s, two], &scores);
    if has_mask {
        let mask = b.input(&[1, 1, 1, n]);
        s = b.op(Op::Binary(Binary::Add), &[s, mask], &scores);
    }
    let p = b.op(Op::Softmax { axis: 3, is_log: false }, &[s], &scores);
    let y = b.op(matmul(), &[p, v], &outside);
    let y = b.op(swap, &[y], &inside);
    b.finish(y)
}

#[test]
fn attention_is_found_in_every_layout() {
    check(fuse_attention, attention(true, true, Binary::Div), &["attention"]);
    check(fuse_attention, attention(true, false, Binary::Mul), &["attention"]);
    check(fuse_attention, attention(false, true, Binary::Mul), &["attention", "transpose"]);
}

#[test]
fn attention_with_a_guard_is_found_behind_merged_transposes() {
    let mut b = GraphBuilder::default();
    let (inside, outside) = ([2, 3, 2, 4], [2, 2, 3, 4]);
    let [q, k, v] = [(); 3].map(|()| b.input(&inside));
    let swap = Op::Transpose(vec![0, 2, 1, 3]);
    let [q, k, v] = [q, k, v].map(|x| b.op(swap.clone(), &[x], &outside));
    let k = b.op(Op::Reshape, &[k], &[4, 3, 4]);
    let k = b.op(Op::Transpose(vec![0, 2, 1]), &[k], &[4, 4, 3]);
    let k = b.op(Op::Reshape, &[k], &[2, 2, 4, 3]);
    let (half, zero) = (b.scalar(0.5), b.scalar(0.0));
    let scores = [2, 2, 3, 3];
    let q = b.op(Op::Binary(Binary::Mul), &[q, half], &outside);
    let k = b.op(Op::Binary(Binary::Mul), &[k, half], &[2, 2, 4, 3]);
    let s = b.op(matmul(), &[q, k], &scores);
    let p = b.op(Op::Softmax { axis: 3, is_log: false }, &[s], &scores);
    let is_nan = b.typed(Op::Unary(vec![Unary::IsNan]), &[p], DType::Bool, &scores);
    let p = b.op(Op::Where, &[is_nan, zero, p], &scores);
    let y = b.op(matmul(), &[p, v], &outside);
    let y = b.op(swap, &[y], &inside);
    let both: Pass = |graph| join_transposes(graph) + join_transposes(graph) + fuse_attention(graph);
    check(both, b.finish(y), &["attention"]);
}

#[test]
fn quantized_products_are_found() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2, 6]);
    let weights: Vec<i8> = (0..18).map(|i| (i * 7 % 31) as i8 - 15).collect();
    let weights = b.constant(Tensor::new(vec![6, 3], Data::I8(weights)).expect("a tensor"));
    let weight_scale = b.constant(Tensor::scalar(0.02));
    let quantized = b.typed(Op::DynamicQuantize, &[x], DType::U8, &[2, 6]);
    let x_scale = b.graph.add_value("scale", crate::op::Fact::new(DType::F32, Vec::new()));
    let x_point = b.graph.add_value("point", crate::op::Fact::new(DType::U8, Vec::new()));
    let quantize = b.graph.nodes.last_mut().expect("the node just added");
    quantize.outputs.extend([x_scale, x_point]);
    let sum = b.typed(Op::MatMulInteger, &[quantized, weights, x_point], DType::I32, &[2, 3]);
    let cast = b.op(Op::Cast, &[sum], &[2, 3]);
    let scale = b.op(Op::Binary(Binary::Mul), &[x_scale, weight_scale], &[]);
    let y = b.op(Op::Binary(Binary::Mul), &[cast, scale], &[2, 3]);
    let mut graph = b.finish(y);
    assert_eq!(fuse_quantized_matmul(&mut graph), 1);
    check(fuse_quantized_matmul, graph, &["quantized-matmul"]);
}

#[test]
fn products_absorb_what_follows() {
    let mut b = GraphBuilder::default();
    let (x, r) = (b.input(&[2, 3]), b.input(&[2, 4]));
    let (w, bias) = (b.constant(noise(&[3, 4], 1)), b.constant(noise(&[4], 2)));
    let y = b.op(matmul(), &[x, w], &[2, 4]);
    let y = b.op(Op::Binary(Binary::Add), &[bias, y], &[2, 4]);
    let y = b.op(Op::Binary(Binary::Add), &[y, r], &[2, 4]);
    let y = b.op(Op::Unary(vec![Unary::Tanh]), &[y], &[2, 4]);
    let all: Pass = |graph| fuse_bias(graph) + fuse_residual(graph) + fuse_activation(graph);
    check(all, b.finish(y), &["matmul"]);
}

#[test]
fn a_convolution_takes_a_bias_per_channel_only() {
    let build = |bias_dims: &[usize]| {
        let mut b = GraphBuilder::default();
        let x = b.input(&[1, 2, 3, 3]);
        let (w, bias) = (b.constant(noise(&[3, 2, 1, 1], 1)), b.constant(noise(bias_dims, 2)));
        let y = b.op(conv(1), &[x, w], &[1, 3, 3, 3]);
        let y = b.op(Op::Binary(Binary::Add), &[y, bias], &[1, 3, 3, 3]);
        b.finish(y)
    };
    check(fuse_bias, build(&[1, 3, 1, 1]), &["conv"]);
    check(fuse_bias, build(&[3, 1, 1]), &["conv"]);
    check(fuse_bias, build(&[3]), &["conv", "binary"]);
}

#[test]
fn a_product_with_two_readers_is_not_absorbed() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2, 2]);
    let w = b.constant(noise(&[2, 2], 1));
    let y = b.op(matmul(), &[x, w], &[2, 2]);
    let z = b.op(Op::Unary(vec![Unary::Exp]), &[y], &[2, 2]);
    let sum = b.op(Op::Binary(Binary::Mul), &[y, z], &[2, 2]);
    check(fuse_activation, b.finish(sum), &["matmul", "unary", "binary"]);
}

#[test]
fn relabelled_scalars_are_not_taken_for_transposes() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[1]);
    let cube = b.op(Op::Reshape, &[x], &[1, 1, 1]);
    let turned = b.op(Op::Transpose(vec![0, 2, 1]), &[cube], &[1, 1, 1]);
    let scalar = b.op(Op::Reshape, &[turned], &[]);
    check(join_transposes, b.finish(scalar), &["reshape", "transpose", "reshape"]);
}

#[test]
fn movement_is_left_to_the_reader() {
    let mut b = GraphBuilder::default();
    let (x, y) = (b.input(&[3, 1]), b.input(&[3, 4]));
    let wide = b.op(Op::Expand, &[x], &[3, 4]);
    let sum = b.op(Op::Binary(Binary::Add), &[y, wide], &[3, 4]);
    check(drop_expand, b.finish(sum), &["binary"]);

    let mut b = GraphBuilder::default();
    let (x, y) = (b.input(&[2, 3]), b.input(&[4, 3]));
    let turned = b.op(Op::Transpose(vec![1, 0]), &[y], &[3, 4]);
    let product = b.op(matmul(), &[x, turned], &[2, 4]);
    check(fold_transpose, b.finish(product), &["matmul"]);

    let mut b = GraphBuilder::default();
    let x = b.input(&[1, 1, 2, 2]);
    let w = b.constant(noise(&[1, 1, 2, 2], 1));
    let pad = Op::Pad { before: vec![0, 0, 1, 0], after: vec![0, 0, 0, 2], mode: PadMode::Constant };
    let padded = b.op(pad, &[x], &[1, 1, 3, 4]);
    let y = b.op(conv(2), &[padded, w], &[1, 1, 2, 3]);
    check(fold_pad, b.finish(y), &["conv"]);
}
