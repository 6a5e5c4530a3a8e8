//! Invariants, and what removing and replacing leaves.

use super::*;
use crate::op::Unary;
use crate::tensor::DType;
use crate::testing::GraphBuilder;

fn exp() -> Op {
    Op::Unary(vec![Unary::Exp])
}

#[track_caller]
fn check(graph: &Graph, expected: &str) {
    assert_eq!(graph.check().expect_err("the graph is broken").to_string(), expected);
}

#[test]
fn broken_graphs_are_told_apart() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2]);
    let y = b.op(exp(), &[x], &[2]);
    let z = b.op(exp(), &[y], &[2]);
    let good = b.finish(z);

    let mut graph = good.clone();
    graph.nodes.swap(0, 1);
    check(&graph, "node `unary` reads `unary` before it is computed");

    let mut graph = good.clone();
    graph.nodes[1].outputs = vec![y];
    check(&graph, "value `unary` is computed twice");

    let mut graph = good.clone();
    graph.nodes.pop();
    check(&graph, "output `output` is never computed");

    let mut graph = good;
    let constant = graph.add_constant("c", Arc::new(Tensor::scalar(1.0)));
    graph.values[constant].fact.dtype = DType::I64;
    check(&graph, "constant `c` does not have the type and shape it is declared with");
}

#[test]
fn nodes_without_readers_go_and_replaced_values_move() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[2]);
    let y = b.op(exp(), &[x], &[2]);
    let z = b.op(exp(), &[y], &[2]);
    let mut graph = b.finish(z);
    graph.replace_uses(z, y);
    graph.remove_dead_nodes();
    assert_eq!(graph.nodes.len(), 1);
    assert_eq!(graph.outputs, [("output".to_owned(), y)]);
    assert_eq!(graph.use_counts()[y], 1);
}
