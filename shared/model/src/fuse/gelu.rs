//! The Gaussian error linear unit, exact and approximate, from its parts.

use crate::fuse::{Links, both_orders, is_close, unary_of};
use crate::graph::{Graph, ValueId};
use crate::op::{Binary, Op, Unary};

/// `g · x · (h · erf(x / √2) + h)` and the form with tanh become one function.
///
/// The factors `g` and `h` may sit anywhere; what they miss to ½ follows as a factor.
pub fn fuse_gelu(graph: &mut Graph) -> usize {
    let links = Links::new(graph);
    let mut n_applied = 0;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        if node.op != Op::Binary(Binary::Mul) {
            continue;
        }
        let Some(orders) = both_orders(node) else { continue };
        if let Some((x, functions)) = orders.into_iter().find_map(|order| matched(graph, &links, order)) {
            let node = &mut graph.nodes[index];
            node.op = Op::Unary(functions);
            node.inputs = vec![Some(x)];
            n_applied += 1;
        }
    }
    n_applied
}

fn matched(graph: &Graph, links: &Links, [plain, gate]: [ValueId; 2]) -> Option<(ValueId, Vec<Unary>)> {
    let (chain, u) = links.sole_unary(graph, gate)?;
    let &[Unary::Affine { scale, shift: 0.0 }, curve, Unary::Affine { scale: h, shift }] = chain else {
        return None;
    };
    let (x, function) = match curve {
        Unary::Erf if is_close(scale, std::f32::consts::FRAC_1_SQRT_2) => (u, Unary::Gelu),
        Unary::Tanh if is_close(scale, 0.797_884_6) => (cubic_of(graph, links, u)?, Unary::GeluTanh),
        _ => return None,
    };
    let g = if plain == x { 1.0 } else { factor_of(graph, links, plain, x)? };
    if h != shift || graph.fact(x).dims != graph.fact(gate).dims {
        return None;
    }
    let rest = Unary::Affine { scale: 2.0 * g * h, shift: 0.0 };
    Some((x, vec![function, rest]))
}

/// `g` when a value is `g · x`.
fn factor_of(graph: &Graph, links: &Links, value: ValueId, x: ValueId) -> Option<f32> {
    match links.sole_unary(graph, value)? {
        (&[Unary::Affine { scale, shift: 0.0 }], operand) if operand == x => Some(scale),
        _ => None,
    }
}

/// `x` when a value is `x + 0.044715 · x³`.
fn cubic_of(graph: &Graph, links: &Links, value: ValueId) -> Option<ValueId> {
    let node = links.sole(graph, value)?;
    if node.op != Op::Binary(Binary::Add) {
        return None;
    }
    both_orders(node)?.into_iter().find_map(|[x, cube]| is_cube(graph, links, cube, x).then_some(x))
}

fn is_cube(graph: &Graph, links: &Links, value: ValueId, x: ValueId) -> bool {
    let Some(node) = links.sole(graph, value) else { return false };
    if let Some((&[Unary::Power(p), Unary::Affine { scale, shift: 0.0 }], operand)) = unary_of(node) {
        return p == 3.0 && is_close(scale, 0.044_715) && operand == x;
    }
    // x · (x · (0.044715 · x)), in any order.
    let product_with_x = |value: ValueId| {
        let node = links.sole(graph, value).filter(|node| node.op == Op::Binary(Binary::Mul))?;
        both_orders(node)?.into_iter().find(|[a, _]| *a == x).map(|[_, other]| other)
    };
    product_with_x(value)
        .and_then(product_with_x)
        .and_then(|scaled| factor_of(graph, links, scaled, x))
        .is_some_and(|factor| is_close(factor, 0.044_715))
}
