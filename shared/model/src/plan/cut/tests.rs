//! Plans cut anywhere compute what they do in one piece.

use std::collections::BTreeMap;

use super::*;
use crate::op::{Binary, Unary};
use crate::reference;
use crate::tensor::Tensor;
use crate::testing::{GraphBuilder, max_difference, noise, noises};

/// Runs a plan in the given pieces.
fn in_pieces(plan: &Plan, pieces: &[Range<usize>], inputs: &[Tensor]) -> Vec<Tensor> {
    let roots = Roots::of(plan);
    let mut known: BTreeMap<ValueId, Tensor> =
        plan.inputs.iter().copied().zip(inputs.iter().cloned()).collect();
    for piece in pieces {
        let (graph, reads, writes) = plan.cut_graph(piece.clone(), &roots);
        graph.check().expect("a piece is a valid graph");
        let operands: Vec<Tensor> = reads.iter().map(|value| known[value].clone()).collect();
        let results = reference::run(&graph, &operands).expect("the piece runs");
        known.extend(writes.into_iter().zip(results));
    }
    let dims = |value: ValueId| plan.values[value].fact.dims.clone();
    let output = |(_, value): &(String, ValueId)| {
        Tensor::new(dims(*value), known[&roots.root(*value)].data().to_data()).expect("the shape fits")
    };
    plan.outputs.iter().map(output).collect()
}

#[track_caller]
fn check(graph: Graph) {
    let inputs = noises(&graph);
    let expected = reference::run(&graph, &inputs).expect("the graph runs");
    let plan = Plan::new(graph);
    let n = plan.steps.len();
    let ways: Vec<Vec<Range<usize>>> =
        vec![vec![0..n], vec![0..1, 1..n], (0..n).map(|index| index..index + 1).collect()];
    for pieces in ways {
        let results = in_pieces(&plan, &pieces, &inputs);
        let differences = expected.iter().zip(&results).map(|(left, right)| max_difference(left, right));
        assert_eq!(differences.fold(0.0, f64::max), 0.0, "{pieces:?}");
    }
}

#[test]
fn values_keep_their_meaning_across_pieces() {
    let mut b = GraphBuilder::default();
    let (x, w) = (b.input(&[2, 3]), b.constant(noise(&[6], 9)));
    let exp = |b: &mut GraphBuilder, x, dims: &[usize]| b.op(Op::Unary(vec![Unary::Exp]), &[x], dims);
    let add = Op::Binary(Binary::Add);
    // In place, then relabelled, read by several, and one buffer for several values in turn.
    let y = exp(&mut b, x, &[2, 3]);
    let y = exp(&mut b, y, &[2, 3]);
    let flat = b.op(Op::Reshape, &[y], &[6]);
    let given = b.op(Op::Reshape, &[x], &[6]);
    let sum = b.op(add.clone(), &[flat, w], &[6]);
    let sum = b.op(add.clone(), &[sum, given], &[6]);
    let sum = b.op(add, &[sum, flat], &[6]);
    let again = b.op(Op::Reshape, &[sum], &[3, 2]);
    b.graph.outputs.push(("early".to_owned(), flat));
    check(b.finish(again));
}
