//! Passes that replace several operators by one that does the same with less memory traffic.
//!
//! Each pass looks for one pattern, rewrites every occurrence, and leaves the graph valid. A pattern's inner values
//! must have no other reader, so nothing is computed twice. The new node takes the place of the pattern's last one.

use crate::graph::{Graph, Node, ValueId};
use crate::op::{Op, Unary};
use crate::tensor::{DType, n_elements};

mod attention;
mod epilogue;
mod gelu;
mod layout;
mod norm;
mod quantized;
mod scalar;
mod swish;

pub use attention::fuse_attention;
pub use epilogue::{fuse_activation, fuse_bias, fuse_residual};
pub use gelu::fuse_gelu;
pub use layout::{drop_expand, fold_pad, fold_transpose, join_transposes};
pub use norm::{fuse_layer_norm, fuse_rms_norm};
pub use quantized::fuse_quantized_matmul;
pub use scalar::{merge_unary, scalar_arithmetic};
pub use swish::fuse_swish;

/// A pass: rewrites what it finds and tells how many times it did.
pub type Pass = fn(&mut Graph) -> usize;

/// The passes that recognise whole patterns, by name, in the order they run.
pub const PATTERNS: [(&str, Pass); 12] = [
    ("quantized-matmul", fuse_quantized_matmul),
    ("drop-expand", drop_expand),
    ("join-transposes", join_transposes),
    ("scalar-arithmetic", scalar_arithmetic),
    ("merge-unary", merge_unary),
    ("gelu", fuse_gelu),
    ("swish", fuse_swish),
    ("layer-norm", fuse_layer_norm),
    ("rms-norm", fuse_rms_norm),
    ("attention", fuse_attention),
    ("fold-pad", fold_pad),
    ("fold-transpose", fold_transpose),
];

/// The passes that make matmul and convolution absorb what follows them; they run after all patterns are found.
pub const EPILOGUES: [(&str, Pass); 3] =
    [("bias", fuse_bias), ("residual", fuse_residual), ("activation", fuse_activation)];

/// Rounds after which fusing stops even if passes still find something.
const MAX_ROUNDS: usize = 16;

/// Runs all passes until none finds anything; returns how often each applied.
pub fn fuse(graph: &mut Graph) -> Vec<(&'static str, usize)> {
    let mut applied = Vec::new();
    for passes in [PATTERNS.as_slice(), EPILOGUES.as_slice()] {
        let mut counts = vec![0; passes.len()];
        for _ in 0..MAX_ROUNDS {
            let before: usize = counts.iter().sum();
            for ((_, pass), count) in passes.iter().zip(&mut counts) {
                let n = pass(graph);
                if n > 0 {
                    graph.remove_dead_nodes();
                }
                *count += n;
            }
            if counts.iter().sum::<usize>() == before {
                break;
            }
        }
        applied.extend(passes.iter().map(|(name, _)| *name).zip(counts).filter(|&(_, count)| count > 0));
    }
    applied
}

/// Who computes and who reads each value, as it was when a pass started.
///
/// Rewriting only removes readers, so a stale count can hide an occurrence until the next round but never allow a
/// wrong one.
struct Links {
    producers: Vec<Option<usize>>,
    use_counts: Vec<usize>,
}

impl Links {
    fn new(graph: &Graph) -> Self {
        Self { producers: graph.producers(), use_counts: graph.use_counts() }
    }

    /// The node that computes a value.
    fn node<'g>(&self, graph: &'g Graph, value: ValueId) -> Option<&'g Node> {
        self.producers[value].map(|index| &graph.nodes[index])
    }

    /// The node that computes a value which only one node reads.
    fn sole<'g>(&self, graph: &'g Graph, value: ValueId) -> Option<&'g Node> {
        if self.use_counts[value] == 1 { self.node(graph, value) } else { None }
    }

    /// Functions and operand of the unary node that computes a value which only one node reads.
    fn sole_unary<'g>(&self, graph: &'g Graph, value: ValueId) -> Option<(&'g [Unary], ValueId)> {
        unary_of(self.sole(graph, value)?)
    }
}

/// Functions and operand of a unary node.
fn unary_of(node: &Node) -> Option<(&[Unary], ValueId)> {
    match &node.op {
        Op::Unary(functions) => Some((functions, node.inputs[0]?)),
        _ => None,
    }
}

/// Two operands in both orders.
fn both_orders(node: &Node) -> Option<[[ValueId; 2]; 2]> {
    match node.inputs[..] {
        [Some(a), Some(b)] => Some([[a, b], [b, a]]),
        _ => None,
    }
}

/// The float that a constant of one element holds.
fn scalar_of(graph: &Graph, value: ValueId) -> Option<f32> {
    match graph.constant(value).filter(|tensor| tensor.n_elements() == 1)?.data().as_f32()? {
        &[scalar] => Some(scalar),
        _ => None,
    }
}

fn is_f32(graph: &Graph, value: ValueId) -> bool {
    graph.fact(value).dtype == DType::F32
}

/// True for a constant of floats with `n` elements that lie along the last dimension.
fn is_constant_row(graph: &Graph, value: ValueId, n: usize) -> bool {
    let dims = &graph.fact(value).dims;
    graph.constant(value).is_some_and(|tensor| tensor.dtype() == DType::F32)
        && dims.last() == Some(&n)
        && n_elements(dims) == n
}

/// Equal up to the rounding of a constant that exporters write with few digits.
fn is_close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-3 * b.abs()
}

#[cfg(test)]
mod tests;
