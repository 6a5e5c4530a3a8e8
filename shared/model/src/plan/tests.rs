//! Where results live.

use super::*;
use crate::op::{Binary, Unary};
use crate::testing::{GraphBuilder, noise};

fn exp() -> Op {
    Op::Unary(vec![Unary::Exp])
}

/// Buffer of every step's first result.
fn homes(plan: &Plan) -> Vec<usize> {
    let home = |step: &Step| match plan.values[step.outputs[0]].home {
        Home::Buffer(buffer) => buffer,
        Home::Input(_) | Home::Constant(_) => panic!("a result has a buffer"),
    };
    plan.steps.iter().map(home).collect()
}

#[test]
fn a_chain_runs_in_place() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[8]);
    let y = b.op(exp(), &[x], &[8]);
    let y = b.op(exp(), &[y], &[8]);
    let y = b.op(exp(), &[y], &[8]);
    let plan = Plan::new(b.finish(y));
    assert_eq!(homes(&plan), [0, 0, 0]);
    assert_eq!((plan.buffer_bytes(), plan.result_bytes()), (32, 96));
}

#[test]
fn a_value_with_a_later_reader_keeps_its_buffer() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[8]);
    let first = b.op(exp(), &[x], &[8]);
    let second = b.op(exp(), &[first], &[8]);
    let sum = b.op(Op::Binary(Binary::Add), &[second, first], &[8]);
    let plan = Plan::new(b.finish(sum));
    assert_eq!(homes(&plan), [0, 1, 1]);
}

#[test]
fn relabelled_values_share_memory_and_live_as_long() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2, 3]);
    let y = b.op(exp(), &[x], &[2, 3]);
    let flat = b.op(Op::Reshape, &[y], &[6]);
    let z = b.op(exp(), &[x], &[2, 3]);
    let z = b.op(Op::Reshape, &[z], &[6]);
    let sum = b.op(Op::Binary(Binary::Add), &[flat, z], &[6]);
    let plan = Plan::new(b.finish(sum));
    assert_eq!(plan.steps.len(), 3, "relabelling is not a step");
    assert_eq!(homes(&plan), [0, 1, 0]);
}

#[test]
fn a_transpose_never_runs_in_place_and_types_do_not_mix() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2, 2]);
    let y = b.op(exp(), &[x], &[2, 2]);
    let y = b.op(Op::Transpose(vec![1, 0]), &[y], &[2, 2]);
    let y = b.typed(Op::Cast, &[y], DType::I32, &[2, 2]);
    let y = b.op(Op::Cast, &[y], &[2, 2]);
    let plan = Plan::new(b.finish(y));
    assert_eq!(homes(&plan)[..3], [0, 1, 2]);
    assert_eq!(plan.buffers[2].dtype, DType::I32);
}

#[test]
fn kernels_are_called_by_what_they_absorbed() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[4, 8]);
    let w = b.constant(noise(&[8, 16], 1));
    let bias = b.constant(noise(&[16], 2));
    let op = Op::MatMul { trans_a: false, trans_b: false, epilogue: Default::default() };
    let y = b.op(op, &[x, w], &[4, 16]);
    let y = b.op(Op::Binary(Binary::Add), &[y, bias], &[4, 16]);
    let y = b.op(Op::Unary(vec![Unary::Gelu]), &[y], &[4, 16]);
    let mut graph = b.finish(y);
    let fused = fuse::fuse(&mut graph);
    let plan = Plan { fused, ..Plan::new(graph) };
    assert_eq!(plan.steps.iter().map(Step::kernel).collect::<Vec<_>>(), ["matmul + bias + gelu"]);
    assert_eq!(plan.fused, [("bias", 1), ("activation", 1)]);
    assert_eq!(plan.cost(), Cost { n_flops: 2 * 4 * 8 * 16, n_bytes: 4 * (4 * 8 + 8 * 16 + 16 + 4 * 16) });
}
