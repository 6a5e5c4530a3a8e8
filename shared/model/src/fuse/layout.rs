//! Movement that the next operator can do while it reads.

use crate::fuse::{Links, scalar_of};
use crate::graph::{Graph, ValueId};
use crate::op::{Op, PadMode};
use crate::tensor::broadcast;

/// An operand of an element-wise operator is not repeated beforehand.
pub fn drop_expand(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        if !matches!(node.op, Op::Binary(_) | Op::Where) {
            continue;
        }
        for position in 0..node.inputs.len() {
            let node = &graph.nodes[index];
            let Some(repeated) = node.inputs[position] else { continue };
            let Some(expand) = links.node(graph, repeated).filter(|node| node.op == Op::Expand) else {
                continue;
            };
            let Some(small) = expand.inputs[0] else { continue };
            let others = node.inputs.iter().enumerate().filter(|&(other, _)| other != position);
            let joined = others
                .filter_map(|(_, input)| input.map(|input| &graph.fact(input).dims))
                .try_fold(graph.fact(small).dims.clone(), |dims, other| broadcast(&dims, other));
            if joined.as_deref() == Some(&graph.fact(node.outputs[0]).dims) {
                graph.nodes[index].inputs[position] = Some(small);
                n_applied += 1;
            }
        }
    }
    n_applied
}

/// Zeros around an image become the padding of the convolution that reads it.
pub fn fold_pad(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        let (Op::Conv { .. }, &[Some(padded), ..]) = (&node.op, &node.inputs[..]) else { continue };
        let Some(pad) = links.sole(graph, padded) else { continue };
        let Op::Pad { before, after, mode: PadMode::Constant } = &pad.op else { continue };
        let is_zero = match pad.inputs.get(1).copied().flatten() {
            None => true,
            Some(fill) => scalar_of(graph, fill) == Some(0.0),
        };
        let (Some((begin, end)), true, [0, 0], [0, 0]) =
            (spatial(before).zip(spatial(after)), is_zero, &before[..2], &after[..2])
        else {
            continue;
        };
        let x = pad.inputs[0];
        let node = &mut graph.nodes[index];
        node.inputs[0] = x;
        if let Op::Conv { window, .. } = &mut node.op {
            for axis in 0..2 {
                window.pads_begin[axis] += begin[axis];
                window.pads_end[axis] += end[axis];
            }
        }
        n_applied += 1;
    }
    n_applied
}

/// Height and width of a list with one number per dimension of an image.
fn spatial(per_dim: &[usize]) -> Option<[usize; 2]> {
    match *per_dim {
        [_, _, width] => Some([0, width]),
        [_, _, height, width] => Some([height, width]),
        _ => None,
    }
}

/// A transposed operand of a matrix product is read transposed.
pub fn fold_transpose(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        for position in 0..2 {
            let node = &graph.nodes[index];
            if !matches!(node.op, Op::MatMul { .. }) {
                continue;
            }
            let Some(operand) = node.inputs[position] else { continue };
            let Some(transpose) = links.sole(graph, operand) else { continue };
            let Op::Transpose(perm) = &transpose.op else { continue };
            if !swaps_last_two(perm) {
                continue;
            }
            let x = transpose.inputs[0];
            let node = &mut graph.nodes[index];
            node.inputs[position] = x;
            if let Op::MatMul { trans_a, trans_b, .. } = &mut node.op {
                let flag = if position == 0 { trans_a } else { trans_b };
                *flag = !*flag;
            }
            n_applied += 1;
        }
    }
    n_applied
}

/// A transpose of a transpose becomes one, also when the first dimensions are merged in between: exporters swap the
/// last two dimensions of a batch that way.
pub fn join_transposes(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let matched = unmerged_swap(graph, &links, index).or_else(|| composed(graph, &links, index));
        if let Some((x, perm)) = matched {
            let node = &mut graph.nodes[index];
            node.op = Op::Transpose(perm);
            node.inputs = vec![Some(x)];
            n_applied += 1;
        }
    }
    n_applied
}

/// Operand and permutation of two transposes in a row.
fn composed(graph: &Graph, links: &Links, index: usize) -> Option<(ValueId, Vec<usize>)> {
    let node = &graph.nodes[index];
    let Op::Transpose(outer) = &node.op else { return None };
    let before = links.node(graph, node.inputs[0]?)?;
    let Op::Transpose(inner) = &before.op else { return None };
    Some((before.inputs[0]?, outer.iter().map(|&axis| inner[axis]).collect()))
}

/// Operand and permutation of a reshape to three dimensions, a swap of the last two, and the reshape back.
fn unmerged_swap(graph: &Graph, links: &Links, index: usize) -> Option<(ValueId, Vec<usize>)> {
    let node = &graph.nodes[index];
    let swap = links.sole(graph, node.inputs.first().copied().flatten()?)?;
    let is_swap = node.op == Op::Reshape && swap.op == Op::Transpose(vec![0, 2, 1]);
    let merge =
        links.sole(graph, swap.inputs.first().copied().flatten()?).filter(|node| node.op == Op::Reshape)?;
    let x = merge.inputs[0]?;
    let (from, to) = (&graph.fact(x).dims, &graph.fact(node.outputs[0]).dims);
    let n_batch = from.len().checked_sub(2).filter(|&n_batch| n_batch > 0)?;
    let fits = is_swap
        && to.len() == from.len()
        && from[..n_batch] == to[..n_batch]
        && [from[n_batch + 1], from[n_batch]] == to[n_batch..]
        && graph.fact(merge.outputs[0]).dims[1..] == from[n_batch..];
    let perm = (0..n_batch).chain([n_batch + 1, n_batch]).collect();
    fits.then_some((x, perm))
}

/// True for a permutation that only swaps the last two dimensions.
pub(super) fn swaps_last_two(perm: &[usize]) -> bool {
    let Some(n_batch) = perm.len().checked_sub(2) else { return false };
    perm[..n_batch].iter().enumerate().all(|(axis, &from)| axis == from)
        && perm[n_batch..] == [n_batch + 1, n_batch]
}
