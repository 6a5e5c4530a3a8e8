//! Recognises nodes that turn 8-bit weights into floats, and leaves the weights in 8 bits.

use std::sync::Arc;

use crate::load::{Model, ModelNode};
use crate::tensor::scaled::ScaledBytes;
use crate::tensor::{DType, Tensor};

/// Fewest elements that are worth it.
const MIN_ELEMENTS: usize = 4096;

/// `TensorProto.DataType.FLOAT`.
const TO_FLOATS: i64 = 1;

/// The result of a node whose operands are all constant, still in 8 bits; `None` for nodes that do something else.
///
/// `Cast` and `Mul`, or `DequantizeLinear`: what exporters write for weights that are quantized and products that are not.
pub(super) fn fold(model: &Model, node: &ModelNode) -> Option<Tensor> {
    let operand = |index: usize| model.constants[node.inputs.get(index).copied().flatten()?].as_ref();
    let scaled = match node.op_type.as_str() {
        "Cast" => {
            let to_floats = node.attributes.int("to", 0) == TO_FLOATS;
            ScaledBytes::new(Arc::clone(operand(0).filter(|_| to_floats)?), 0, vec![1.0], vec![0])?
        }
        "Mul" => {
            let (left, right) = (operand(0)?, operand(1)?);
            let (bytes, scale) = left.as_scaled().zip(Some(right)).or(right.as_scaled().zip(Some(left)))?;
            bytes.with_scales(axis_of(scale, bytes.bytes().dims())?, scale.data().as_f32()?.to_vec())?
        }
        "DequantizeLinear" if node.attributes.int("block_size", 0) == 0 => {
            let (bytes, scale) = (operand(0)?, operand(1)?);
            let points = match operand(2) {
                Some(points) => points.data().to_i64()?.into_iter().map(|point| point as i32).collect(),
                None => vec![0],
            };
            let axis = node.attributes.int("axis", 1);
            let from_front = if axis < 0 { axis + bytes.dims().len() as i64 } else { axis };
            let axis = usize::try_from(from_front).ok()?;
            ScaledBytes::new(Arc::clone(bytes), axis, scale.data().as_f32()?.to_vec(), points)?
        }
        _ => return None,
    };
    let tensor = Tensor::scaled(scaled);
    (tensor.n_elements() >= MIN_ELEMENTS).then_some(tensor)
}

/// The dimension along which a factor differs when it is broadcast to `dims`: the only one that is not 1.
fn axis_of(factor: &Tensor, dims: &[usize]) -> Option<usize> {
    if factor.dtype() != DType::F32 {
        return None;
    }
    let added = dims.len().checked_sub(factor.dims().len())?;
    let mut long = factor.dims().iter().enumerate().filter(|&(_, &length)| length != 1);
    match (long.next(), long.next()) {
        (None, _) => Some(0),
        (Some((axis, _)), None) => Some(axis + added),
        (Some(_), Some(_)) => None,
    }
}
