//! Where plans with steps that contexts lack go.

use super::*;
use crate::op::{Epilogue, Fact, Op, Unary};
use crate::tensor::DType;
use crate::testing::{GraphBuilder, noise};

/// Two products of n × n matrices with a step between them that no context has.
fn sorted_between_products(n: usize) -> Plan {
    let mut b = GraphBuilder::default();
    let x = b.input(&[n, n]);
    let product = || Op::MatMul { trans_a: false, trans_b: false, epilogue: Epilogue::default() };
    let y = b.op(product(), &[x, x], &[n, n]);
    let sorted = sort(&mut b, y, &[n, n]);
    let z = b.op(Op::Unary(vec![Unary::Neg]), &[sorted], &[n, n]);
    let z = b.op(product(), &[z, y], &[n, n]);
    Plan::new(b.finish(z))
}

/// Rows in descending order.
fn sort(b: &mut GraphBuilder, x: ValueId, dims: &[usize]) -> ValueId {
    let k = b.constant(noise(&[1], 1));
    let sorted = b.op(Op::TopK { axis: 1, is_max: true }, &[x, k], dims);
    let places = b.graph.add_value("places", Fact::new(DType::I64, dims.to_vec()));
    b.graph.nodes.last_mut().expect("it was added").outputs.push(places);
    sorted
}

#[track_caller]
fn check(plan: &Plan, expected: &str) {
    let text = match place(plan, &Limits::UNKNOWN) {
        Ok(placement) => placement.to_string(),
        Err(unplaced) => format!("refused: {unplaced}"),
    };
    assert_eq!(text, expected);
}

#[test]
fn parts_are_taken_when_they_pay() {
    check(
        &sorted_between_products(1024),
        "3 parts, which take about 59108 µs (16917 µs between parts), all on wasm 74729 µs; \
         on wasm: top-k (node \"top-k\": top-k has no lowering to WebNN)",
    );
    check(
        &sorted_between_products(16),
        "refused: top-k has no lowering to WebNN; in parts it would take about 146 µs (144 µs between parts), all on wasm 2 µs",
    );
}

#[test]
fn a_plan_without_gaps_is_one_graph() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[4]);
    let y = b.op(Op::Unary(vec![Unary::Exp]), &[x], &[4]);
    check(&Plan::new(b.finish(y)), "one graph: no operator is missing");
}

#[test]
fn a_plan_without_steps_needs_no_graph() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[4]);
    let y = b.op(Op::Reshape, &[x], &[2, 2]);
    check(&Plan::new(b.finish(y)), "no graph: nothing is computed");
}

#[test]
fn a_plan_of_gaps_is_refused() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2, 4]);
    let y = sort(&mut b, x, &[2, 4]);
    check(&Plan::new(b.finish(y)), "refused: top-k has no lowering to WebNN");
}

#[test]
fn parts_are_as_long_as_they_can_be() {
    let placement = place(&sorted_between_products(1024), &Limits::UNKNOWN).expect("it pays");
    let places: Vec<_> =
        placement.parts.iter().map(|part| (part.steps.clone(), part.program.is_some())).collect();
    assert_eq!(places, [(0..1, true), (1..2, false), (2..4, true)]);
}
