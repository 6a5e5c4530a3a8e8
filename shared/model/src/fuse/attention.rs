//! Scaled dot-product attention from its parts.

use crate::fuse::{Links, both_orders, is_f32, scalar_of};
use crate::graph::{Graph, Node, ValueId};
use crate::op::{Binary, Epilogue, Fact, Op, Unary};
use crate::tensor::broadcast;

/// [batch, length, heads, width] from or to [batch, heads, length, width].
const SWAP_HEADS: [usize; 4] = [0, 2, 1, 3];
/// [batch, heads, width, length] from [batch, heads, length, width].
const TRANSPOSE_KEYS: [usize; 4] = [0, 1, 3, 2];
/// [batch, heads, width, length] from [batch, length, heads, width].
const SWAP_HEADS_AND_TRANSPOSE: [usize; 4] = [0, 2, 3, 1];

/// `softmax(scale · q · kᵀ + mask) · v` becomes one operator; when all four tensors are transposed only to bring
/// heads outside, it reads and writes them where they are.
pub fn fuse_attention(graph: &mut Graph) -> usize {
    let mut n_applied = 0;
    let mut index = 0;
    while index < graph.nodes.len() {
        let links = Links::new(graph);
        if let Some(found) = matched(graph, &links, index) {
            rewrite(graph, &links, index, found);
            n_applied += 1;
        }
        index += 1;
    }
    n_applied
}

struct Found {
    q: ValueId,
    /// The keys as they are, and the permutation that made them the right operand.
    keys: (ValueId, [usize; 4]),
    v: ValueId,
    mask: Option<ValueId>,
    scale: f32,
    zeroes_undefined: bool,
}

fn plain_matmul(node: &Node) -> Option<(bool, [ValueId; 2])> {
    match (&node.op, &node.inputs[..]) {
        (Op::MatMul { trans_a: false, trans_b, epilogue }, &[Some(a), Some(b)])
            if *epilogue == Epilogue::default() =>
        {
            Some((*trans_b, [a, b]))
        }
        _ => None,
    }
}

/// A value that is `factor · x`, as factor and x.
fn unscaled(graph: &Graph, links: &Links, value: ValueId) -> (f32, ValueId) {
    match links.sole_unary(graph, value) {
        Some((&[Unary::Affine { scale, shift: 0.0 }], x)) => (scale, x),
        _ => (1.0, value),
    }
}

fn transposed_from(graph: &Graph, links: &Links, value: ValueId) -> Option<(ValueId, [usize; 4])> {
    let node = links.node(graph, value)?;
    match &node.op {
        Op::Transpose(perm) => Some((node.inputs[0]?, perm[..].try_into().ok()?)),
        _ => None,
    }
}

fn matched(graph: &Graph, links: &Links, index: usize) -> Option<Found> {
    let (false, [weights, v]) = plain_matmul(&graph.nodes[index])? else { return None };
    let (weights, zeroes_undefined) = match guarded(graph, links, weights) {
        Some(weights) => (weights, true),
        None => (weights, false),
    };
    // A guard reads the weights twice.
    let softmax = links.node(graph, weights)?;
    if links.use_counts[weights] != if zeroes_undefined { 2 } else { 1 } {
        return None;
    }
    if softmax.op != (Op::Softmax { axis: 3, is_log: false }) {
        return None;
    }
    let score_value = softmax.inputs[0]?;
    let score_dims = &graph.fact(score_value).dims;
    let candidates = masked_scores(graph, links, score_value);
    candidates.into_iter().find_map(|(scores, mask)| {
        let (outer_scale, scores) = unscaled(graph, links, scores);
        let (trans_b, [q, keys]) = plain_matmul(links.sole(graph, scores)?)?;
        let mask_fits = mask.is_none_or(|mask| {
            is_f32(graph, mask) && broadcast(&graph.fact(mask).dims, score_dims).as_ref() == Some(score_dims)
        });
        let (q_scale, q) = unscaled(graph, links, q);
        let (k_scale, keys) = unscaled(graph, links, keys);
        let keys = if trans_b { (keys, [0, 1, 2, 3]) } else { transposed_from(graph, links, keys)? };
        let is_known = trans_b || [TRANSPOSE_KEYS, SWAP_HEADS_AND_TRANSPOSE].contains(&keys.1);
        let (q_dims, v_dims) = (&graph.fact(q).dims, &graph.fact(v).dims);
        let fits = q_dims.len() == 4
            && v_dims.len() == 4
            && q_dims[..2] == score_dims[..2]
            && v_dims[..2] == score_dims[..2]
            && graph.fact(scores).dims == *score_dims
            && mask_fits
            && is_known;
        let scale = outer_scale * q_scale * k_scale;
        fits.then_some(Found { q, keys, v, mask, scale, zeroes_undefined })
    })
}

/// `x` when a value is `is-nan(x) ? 0 : x`.
fn guarded(graph: &Graph, links: &Links, value: ValueId) -> Option<ValueId> {
    let choice = links.sole(graph, value).filter(|node| node.op == Op::Where)?;
    let &[Some(condition), Some(zero), Some(x)] = &choice.inputs[..] else { return None };
    let is_guard = links.sole_unary(graph, condition) == Some((&[Unary::IsNan], x));
    (is_guard && scalar_of(graph, zero) == Some(0.0)).then_some(x)
}

/// The scores with what is added to them, in every way a sum can be read.
fn masked_scores(graph: &Graph, links: &Links, value: ValueId) -> Vec<(ValueId, Option<ValueId>)> {
    let mut candidates = vec![(value, None)];
    if let Some(node) = links.sole(graph, value)
        && node.op == Op::Binary(Binary::Add)
        && let Some(orders) = both_orders(node)
    {
        candidates.extend(orders.map(|[scores, mask]| (scores, Some(mask))));
    }
    candidates
}

fn rewrite(graph: &mut Graph, links: &Links, index: usize, found: Found) {
    let Found { q, keys, v, mask, scale, zeroes_undefined } = found;
    let swapped = |value: ValueId| {
        transposed_from(graph, links, value).filter(|&(_, perm)| perm == SWAP_HEADS).map(|(x, _)| x)
    };
    let result = graph.nodes[index].outputs[0];
    let reader = graph.nodes.iter().position(|node| {
        node.inputs.first() == Some(&Some(result)) && node.op == Op::Transpose(SWAP_HEADS.to_vec())
    });
    let inside = swapped(q).zip(swapped(v)).filter(|_| keys.1 == SWAP_HEADS_AND_TRANSPOSE);
    let mut inputs;
    match (inside, reader.filter(|_| links.use_counts[result] == 1)) {
        (Some((q, v)), Some(reader)) => {
            inputs = vec![Some(q), Some(keys.0), Some(v)];
            inputs.extend(mask.map(Some));
            let node = &mut graph.nodes[reader];
            node.op = Op::Attention { scale, zeroes_undefined, heads_inside: true };
            node.inputs = inputs;
        }
        _ => {
            let mut at = index;
            let mut k = keys.0;
            if keys.1 == SWAP_HEADS_AND_TRANSPOSE {
                let fact = graph.fact(k);
                let dims = SWAP_HEADS.iter().map(|&axis| fact.dims[axis]).collect();
                let (fact, name) = (Fact::new(fact.dtype, dims), graph.nodes[index].name.clone());
                let moved = graph.add_value(name.clone(), fact);
                let op = Op::Transpose(SWAP_HEADS.to_vec());
                graph.nodes.insert(index, Node { name, op, inputs: vec![Some(k)], outputs: vec![moved] });
                k = moved;
                at += 1;
            }
            inputs = vec![Some(q), Some(k), Some(v)];
            inputs.extend(mask.map(Some));
            let node = &mut graph.nodes[at];
            node.op = Op::Attention { scale, zeroes_undefined, heads_inside: false };
            node.inputs = inputs;
        }
    }
}
