//! Estimated cost of an operation.

use crate::graph::{Graph, Node};
use crate::op::{Cell, Op};
use crate::plan::Cost;

pub(super) fn estimate(graph: &Graph, node: &Node) -> Cost {
    let size_bytes = |value: usize| graph.fact(value).size_bytes() as u64;
    let n_written = node.outputs.iter().map(|&output| size_bytes(output)).sum::<u64>();
    let operands = node.inputs.iter().enumerate().filter_map(|(position, &input)| Some((position, input?)));
    let n_read = operands.map(|(position, value)| match node.op {
        // Of a table only what is taken is read.
        Op::Gather { .. } | Op::GatherElements { .. } | Op::GatherNd { .. } | Op::Slice { .. }
            if position == 0 =>
        {
            n_written
        }
        _ => size_bytes(value),
    });
    Cost { n_flops: n_flops(graph, node), n_bytes: n_read.sum::<u64>() + n_written }
}

fn n_flops(graph: &Graph, node: &Node) -> u64 {
    let dims = |position: usize| {
        node.inputs.get(position).copied().flatten().map_or(&[][..], |value| &graph.fact(value).dims)
    };
    let n_out = node.outputs.first().map_or(0, |&output| graph.fact(output).n_elements()) as u64;
    let n_of = |position: usize| dims(position).iter().product::<usize>() as u64;
    match &node.op {
        Op::MatMul { trans_a, .. } => {
            let a = dims(0);
            let k = if *trans_a { a.iter().rev().nth(1) } else { a.last() };
            2 * n_out * k.copied().unwrap_or(1) as u64
        }
        Op::MatMulInteger | Op::QuantizedMatMul { .. } => {
            2 * n_out * dims(0).last().copied().unwrap_or(1) as u64
        }
        Op::Attention { heads_inside, .. } => {
            let n_keys = dims(1).get(if *heads_inside { 1 } else { 2 }).copied().unwrap_or(1) as u64;
            2 * n_keys * (n_of(0) + n_out)
        }
        Op::Conv { .. } | Op::ConvInteger { .. } => {
            2 * n_out * dims(1).iter().skip(1).product::<usize>() as u64
        }
        Op::ConvTranspose { .. } => 2 * n_of(0) * dims(1).iter().skip(1).product::<usize>() as u64,
        Op::Pool { window, .. } | Op::PoolIndices { window, .. } => {
            n_out * window.kernel.iter().product::<usize>() as u64
        }
        Op::Recurrent { cell, .. } => {
            let n_rows: u64 = if *cell == Cell::Lstm { 4 } else { 3 };
            let width = dims(0).last().copied().unwrap_or(1) as u64;
            let hidden = dims(2).last().copied().unwrap_or(1) as u64;
            2 * n_out * n_rows * (width + hidden)
        }
        Op::Einsum { lengths, .. } => 2 * lengths.iter().product::<usize>() as u64,
        Op::Unary(functions) => n_out * functions.len() as u64,
        Op::Reduce { .. } => n_of(0),
        Op::Softmax { .. } | Op::LayerNorm { .. } | Op::GroupNorm { .. } => 5 * n_out,
        Op::Binary(_) | Op::ChannelAffine => n_out,
        _ => 0,
    }
}
