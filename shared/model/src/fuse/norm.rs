//! Layer and root-mean-square normalisation from their parts.

use crate::fuse::{Links, both_orders, is_constant_row};
use crate::graph::{Graph, Node, ValueId};
use crate::op::{Binary, Op, Reduction, Unary};

/// `(x − mean) / √(variance + ε) · scale + bias` over the last dimension becomes one operator.
pub fn fuse_layer_norm(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    rewrite(graph, |graph, node| {
        let [scaled, bias] = constant_operand(graph, node, Binary::Add)?;
        let [quotient, scale] = constant_operand(graph, links.sole(graph, scaled)?, Binary::Mul)?;
        let division = links.sole(graph, quotient)?;
        let &[Some(centred), Some(deviation)] = &division.inputs[..] else { return None };
        if division.op != Op::Binary(Binary::Div) {
            return None;
        }
        let (&[Unary::Affine { scale: 1.0, shift: epsilon }, Unary::Sqrt], variance) =
            links.sole_unary(graph, deviation)?
        else {
            return None;
        };
        let squared = mean_over_last(graph, links.sole(graph, variance)?)?;
        let (&[Unary::Power(2.0)], operand) = links.sole_unary(graph, squared)? else { return None };
        let difference = links.node(graph, centred).filter(|_| links.use_counts[centred] == 2)?;
        let &[Some(x), Some(mean)] = &difference.inputs[..] else { return None };
        let is_centred = difference.op == Op::Binary(Binary::Sub)
            && operand == centred
            && mean_over_last(graph, links.sole(graph, mean)?)? == x;
        let axis = graph.fact(x).dims.len().checked_sub(1)?;
        let op = Op::LayerNorm { axis, epsilon, is_rms: false };
        is_centred.then(|| (op, vec![Some(x), Some(scale), Some(bias)]))
    })
}

/// `x · (1 / √(mean(x²) + ε)) · scale` over the last dimension becomes one operator.
pub fn fuse_rms_norm(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    rewrite(graph, |graph, node| {
        let [scaled, scale] = constant_operand(graph, node, Binary::Mul)?;
        let product = links.sole(graph, scaled)?;
        let is_product = product.op == Op::Binary(Binary::Mul);
        both_orders(product).filter(|_| is_product)?.into_iter().find_map(|[x, factor]| {
            let (&[Unary::Affine { scale: 1.0, shift: epsilon }, Unary::Sqrt, Unary::Reciprocal], mean) =
                links.sole_unary(graph, factor)?
            else {
                return None;
            };
            let squared = mean_over_last(graph, links.sole(graph, mean)?)?;
            let (&[Unary::Power(2.0)], operand) = links.sole_unary(graph, squared)? else { return None };
            let axis = graph.fact(x).dims.len().checked_sub(1)?;
            let op = Op::LayerNorm { axis, epsilon, is_rms: true };
            (operand == x).then(|| (op, vec![Some(x), Some(scale)]))
        })
    })
}

/// Rewrites every node for which `replacement` gives an operator and its operands.
fn rewrite(
    graph: &mut Graph,
    replacement: impl Fn(&Graph, &Node) -> Option<(Op, Vec<Option<ValueId>>)>,
) -> usize {
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        if let Some((op, inputs)) = replacement(graph, &graph.nodes[index]) {
            let node = &mut graph.nodes[index];
            node.op = op;
            node.inputs = inputs;
            n_applied += 1;
        }
    }
    n_applied
}

/// The operand that varies and the one that is a constant along the last dimension.
fn constant_operand(graph: &Graph, node: &Node, function: Binary) -> Option<[ValueId; 2]> {
    if node.op != Op::Binary(function) {
        return None;
    }
    let n = *graph.fact(node.outputs[0]).dims.last()?;
    let fits = |[x, row]: &[ValueId; 2]| {
        is_constant_row(graph, *row, n) && graph.fact(*x).dims == graph.fact(node.outputs[0]).dims
    };
    both_orders(node)?.into_iter().find(fits)
}

/// The operand of a mean over the last dimension that keeps it.
fn mean_over_last(graph: &Graph, node: &Node) -> Option<ValueId> {
    let x = node.inputs[0]?;
    let dims = &graph.fact(x).dims;
    let is_mean =
        matches!(&node.op, Op::Reduce { kind: Reduction::Mean, axes } if axes[..] == [dims.len() - 1]);
    let keeps = graph.fact(node.outputs[0]).dims.len() == dims.len();
    (is_mean && keeps).then_some(x)
}
