//! Arithmetic with one constant number, and chains of element-wise functions.

use crate::fuse::{Links, is_f32, scalar_of, unary_of};
use crate::graph::Graph;
use crate::op::{Binary, Op, Unary};

/// `x + 1`, `2 · x`, `max(x, 0)` and the like become functions of one operand.
pub fn scalar_arithmetic(graph: &mut Graph) -> usize {
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        let (Op::Binary(function), &[Some(left), Some(right)]) = (&node.op, &node.inputs[..]) else {
            continue;
        };
        let out = graph.fact(node.outputs[0]);
        let keeps = |x| is_f32(graph, x) && graph.fact(x).dims == out.dims;
        let rewritten = match (scalar_of(graph, left), scalar_of(graph, right)) {
            (_, Some(scalar)) if keeps(left) => {
                with_right(*function, scalar).map(|functions| (left, functions))
            }
            (Some(scalar), _) if keeps(right) => {
                with_left(*function, scalar).map(|functions| (right, functions))
            }
            _ => None,
        };
        if let Some((x, functions)) = rewritten {
            let node = &mut graph.nodes[index];
            node.op = Op::Unary(functions);
            node.inputs = vec![Some(x)];
            n_applied += 1;
        }
    }
    n_applied
}

fn with_right(function: Binary, scalar: f32) -> Option<Vec<Unary>> {
    Some(vec![match function {
        Binary::Add => Unary::Affine { scale: 1.0, shift: scalar },
        Binary::Sub => Unary::Affine { scale: 1.0, shift: -scalar },
        Binary::Mul => Unary::Affine { scale: scalar, shift: 0.0 },
        Binary::Div => Unary::Affine { scale: 1.0 / scalar, shift: 0.0 },
        Binary::Min => Unary::Clip { low: f32::NEG_INFINITY, high: scalar },
        Binary::Max => Unary::Clip { low: scalar, high: f32::INFINITY },
        Binary::Pow => Unary::Power(scalar),
        Binary::PRelu => Unary::LeakyRelu(scalar),
        _ => return None,
    }])
}

fn with_left(function: Binary, scalar: f32) -> Option<Vec<Unary>> {
    match function {
        Binary::Add | Binary::Mul | Binary::Min | Binary::Max => with_right(function, scalar),
        Binary::Sub => Some(vec![Unary::Affine { scale: -1.0, shift: scalar }]),
        Binary::Div => Some(vec![Unary::Reciprocal, Unary::Affine { scale: scalar, shift: 0.0 }]),
        _ => None,
    }
}

/// A function of a function becomes one chain, shortened where two neighbours are one.
pub fn merge_unary(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let Some((outer, middle)) = unary_of(&graph.nodes[index]) else { continue };
        let inner = if is_f32(graph, middle) { links.sole_unary(graph, middle) } else { None };
        let (mut chain, x) = match inner {
            Some((inner, x)) if is_f32(graph, x) => ([inner, outer].concat(), x),
            _ => (outer.to_vec(), middle),
        };
        let n_before = chain.len();
        shorten(&mut chain);
        if x == middle && chain.len() == n_before {
            continue;
        }
        let node = &mut graph.nodes[index];
        node.inputs = vec![Some(x)];
        // A chain that cancels out keeps its node as a relabelling.
        node.op = if chain.is_empty() { Op::Reshape } else { Op::Unary(chain) };
        n_applied += 1;
    }
    n_applied
}

fn shorten(chain: &mut Vec<Unary>) {
    let mut index = 0;
    while index < chain.len() {
        let next = chain.get(index + 1).copied();
        let joined = match (chain[index], next) {
            (Unary::Affine { scale, shift }, _) if scale == 1.0 && shift == 0.0 => {
                chain.remove(index);
                index = index.saturating_sub(1);
                continue;
            }
            (Unary::Affine { scale, shift }, Some(Unary::Affine { scale: s, shift: t })) => {
                Unary::Affine { scale: scale * s, shift: shift * s + t }
            }
            (Unary::Clip { low, high }, Some(Unary::Clip { low: l, high: h })) => {
                Unary::Clip { low: low.max(l).min(h), high: high.max(l).min(h) }
            }
            (Unary::Clip { low, high }, _) if low == 0.0 && high == f32::INFINITY => {
                chain[index] = Unary::Relu;
                continue;
            }
            (Unary::Relu, Some(Unary::Clip { low, high })) => Unary::Clip { low: low.max(0.0), high },
            _ => {
                index += 1;
                continue;
            }
        };
        chain.splice(index..=index + 1, [joined]);
        index = index.saturating_sub(1);
    }
}
