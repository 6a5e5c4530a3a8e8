//! Gates of the form x · f(x).

use crate::fuse::{Links, both_orders, is_close};
use crate::graph::Graph;
use crate::op::{Binary, Op, Unary};

/// `x · sigmoid(x)` and the two spellings of `x · hard-sigmoid(x)` become one function.
pub fn fuse_swish(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        if node.op != Op::Binary(Binary::Mul) {
            continue;
        }
        let Some(orders) = both_orders(node) else { continue };
        let matched = orders.into_iter().find_map(|[x, gate]| {
            let (chain, operand) = links.sole_unary(graph, gate)?;
            if operand == x { gated(chain).map(|functions| (x, functions)) } else { None }
        });
        if let Some((x, functions)) = matched {
            let node = &mut graph.nodes[index];
            node.op = Op::Unary(functions);
            node.inputs = vec![Some(x)];
            n_applied += 1;
        }
    }
    n_applied
}

/// The chain that multiplies its operand by a gate.
fn gated(chain: &[Unary]) -> Option<Vec<Unary>> {
    match *chain {
        [Unary::Sigmoid] => Some(vec![Unary::Silu]),
        [Unary::HardSigmoid { alpha, beta }] if is_close(alpha, 1.0 / 6.0) && beta == 0.5 => {
            Some(vec![Unary::HardSwish])
        }
        [Unary::Affine { scale: 1.0, shift: 3.0 }, Unary::Clip { low: 0.0, high: 6.0 }, ref rest @ ..] => {
            let sixfold = match *rest {
                [] => 6.0,
                [Unary::Affine { scale, shift: 0.0 }] => 6.0 * scale,
                _ => return None,
            };
            Some(vec![Unary::HardSwish, Unary::Affine { scale: sixfold, shift: 0.0 }])
        }
        _ => None,
    }
}
