//! Products of dynamically quantized floats with 8-bit weights.

use crate::fuse::{Links, both_orders};
use crate::graph::{Graph, ValueId};
use crate::op::{Binary, Epilogue, Op};
use crate::tensor::DType;

/// `cast(matmul-integer(quantize(x), w)) · (scale of x · scale of w)` becomes one operator on x.
pub fn fuse_quantized_matmul(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        if node.op != Op::Binary(Binary::Mul) {
            continue;
        }
        let Some(orders) = both_orders(node) else { continue };
        if let Some(inputs) = orders.into_iter().find_map(|order| matched(graph, &links, order)) {
            let node = &mut graph.nodes[index];
            node.op = Op::QuantizedMatMul { epilogue: Epilogue::default() };
            node.inputs = inputs;
            n_applied += 1;
        }
    }
    n_applied
}

fn matched(graph: &Graph, links: &Links, [sum, scales]: [ValueId; 2]) -> Option<Vec<Option<ValueId>>> {
    let cast = links.sole(graph, sum).filter(|node| node.op == Op::Cast)?;
    let product = links.sole(graph, cast.inputs[0]?).filter(|node| node.op == Op::MatMulInteger)?;
    let &[Some(quantized), Some(weights), Some(zero_point), ref rest @ ..] = &product.inputs[..] else {
        return None;
    };
    let weight_point = rest.first().copied().flatten();
    let quantize = links.node(graph, quantized).filter(|node| node.op == Op::DynamicQuantize)?;
    if quantize.outputs[0] != quantized || quantize.outputs[2] != zero_point {
        return None;
    }
    // The scales' product has a constant side; the other is x's scale, maybe relabelled by a cast that is gone.
    let scaling = links.node(graph, scales)?;
    let weight_scale = match &scaling.op {
        Op::Binary(Binary::Mul) => both_orders(scaling)?
            .into_iter()
            .find(|[x_scale, _]| *x_scale == quantize.outputs[1])
            .map(|[_, weight_scale]| weight_scale)?,
        _ => return None,
    };
    let n = *graph.fact(weights).dims.last()?;
    let n_scales = graph.fact(weight_scale).n_elements();
    let points_fit = weight_point.is_none_or(|point| [1, n].contains(&graph.fact(point).n_elements()));
    let fits = (n_scales == 1 || n_scales == n)
        && points_fit
        && graph.constant(weight_scale).is_some()
        && graph.constant(weights).is_some()
        && graph.fact(weights).dims.len() == 2
        && graph.fact(sum).dtype == DType::F32;
    fits.then(|| vec![quantize.inputs[0], Some(weights), Some(weight_scale), weight_point])
}
