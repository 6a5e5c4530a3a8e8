//! Matmul and convolution absorb the bias, residual and activation that follow them.

use crate::fuse::{Links, both_orders, is_f32, unary_of};
use crate::graph::{Graph, Node, ValueId};
use crate::op::{Binary, Epilogue, Op};
use crate::tensor::{DType, n_elements};

/// Replaces a node by the one before it with more in its epilogue.
fn absorb(graph: &mut Graph, index: usize, before: Node, change: impl FnOnce(&mut Epilogue)) {
    let node = &mut graph.nodes[index];
    node.op = before.op;
    node.inputs = before.inputs;
    if let Some(epilogue) = node.op.epilogue_mut() {
        change(epilogue);
    }
}

/// A constant per output column or channel, added to a product, becomes its bias.
pub fn fuse_bias(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        if node.op != Op::Binary(Binary::Add) {
            continue;
        }
        let out = &graph.fact(node.outputs[0]).dims;
        let matched = both_orders(node).into_iter().flatten().find_map(|[product, bias]| {
            let mut before = links.sole(graph, product)?.clone();
            let is_free = *before.op.epilogue_mut()? == Epilogue::default();
            let bias_dims = &graph.fact(bias).dims;
            let fits = is_free
                && graph.fact(product).dims == *out
                && graph.constant(bias).is_some_and(|tensor| tensor.dtype() == DType::F32)
                && lies_along(bias_dims, out, bias_axis(&before.op, out.len())?);
            fits.then_some((before, bias))
        });
        let Some((mut before, bias)) = matched else { continue };
        before.inputs.push(Some(bias));
        absorb(graph, index, before, |epilogue| epilogue.has_bias = true);
        n_applied += 1;
    }
    n_applied
}

/// The output dimension along which an operator's bias lies.
fn bias_axis(op: &Op, rank: usize) -> Option<usize> {
    match op {
        Op::MatMul { .. } | Op::QuantizedMatMul { .. } => rank.checked_sub(1),
        _ => Some(1),
    }
}

/// True when a shape that broadcasts to `out` has all of `out`'s length along one axis and 1 elsewhere.
fn lies_along(dims: &[usize], out: &[usize], axis: usize) -> bool {
    let Some(own_axis) = (axis + dims.len()).checked_sub(out.len()) else { return false };
    dims.get(own_axis) == Some(&out[axis]) && n_elements(dims) == out[axis]
}

/// A tensor of the product's own shape, added to it, becomes its residual.
pub fn fuse_residual(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        if node.op != Op::Binary(Binary::Add) {
            continue;
        }
        let out = &graph.fact(node.outputs[0]).dims;
        let has_shape = |value: ValueId| graph.fact(value).dims == *out && is_f32(graph, value);
        let matched = both_orders(node).into_iter().flatten().find_map(|[product, residual]| {
            let mut before = links.sole(graph, product)?.clone();
            let epilogue = before.op.epilogue_mut()?;
            let is_free = !epilogue.has_residual && epilogue.activations.is_empty();
            let fits = is_free && has_shape(product) && has_shape(residual) && product != residual;
            fits.then_some((before, residual))
        });
        let Some((mut before, residual)) = matched else { continue };
        before.inputs.push(Some(residual));
        absorb(graph, index, before, |epilogue| epilogue.has_residual = true);
        n_applied += 1;
    }
    n_applied
}

/// Element-wise functions of a product become its activations.
pub fn fuse_activation(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        let Some((functions, product)) = unary_of(node) else { continue };
        let Some(mut before) = links.sole(graph, product).cloned() else { continue };
        if before.op.epilogue_mut().is_none() || !is_f32(graph, node.outputs[0]) {
            continue;
        }
        let functions = functions.to_vec();
        absorb(graph, index, before, |epilogue| epilogue.activations.extend(functions));
        n_applied += 1;
    }
    n_applied
}
