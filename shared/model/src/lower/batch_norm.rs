//! Batch normalisation after a convolution with constant weights becomes part of those weights.
//!
//! This is done once per model rather than per shape class, so all shape classes share the changed weights.

use std::sync::Arc;

use crate::load::{Model, ModelNode};
use crate::tensor::{Data, Tensor};

pub(crate) fn fold_batch_norm(model: &mut Model) {
    let mut use_counts = vec![0; model.value_names.len()];
    count_uses(&model.nodes, &mut use_counts);
    for (_, output) in &model.outputs {
        use_counts[*output] += 1;
    }
    let mut index = 0;
    while index < model.nodes.len() {
        if fold_one(model, index, &use_counts).is_some() {
            model.nodes.remove(index);
        } else {
            index += 1;
        }
    }
}

fn count_uses(nodes: &[ModelNode], use_counts: &mut [usize]) {
    for node in nodes {
        for &input in node.inputs.iter().flatten() {
            use_counts[input] += 1;
        }
        for branch in &node.branches {
            count_uses(&branch.nodes, use_counts);
            for &output in &branch.outputs {
                use_counts[output] += 1;
            }
        }
    }
}

/// Folds the batch normalisation at an index into the convolution before it; `None` when it does not apply.
fn fold_one(model: &mut Model, index: usize, use_counts: &[usize]) -> Option<()> {
    let norm = &model.nodes[index];
    let is_plain = norm.op_type == "BatchNormalization"
        && norm.outputs.iter().flatten().count() == 1
        && !norm.attributes.flag("training_mode", false)
        && norm.attributes.int("spatial", 1) != 0;
    if !is_plain {
        return None;
    }
    let floats = |value: Option<usize>| {
        let tensor = model.constants[value?].as_ref()?;
        tensor.data().as_f32().map(<[f32]>::to_vec)
    };
    let x = norm.inputs.first().copied().flatten()?;
    let operand = |position: usize| floats(norm.inputs.get(position).copied().flatten());
    let (scale, bias, mean, variance) = (operand(1)?, operand(2)?, operand(3)?, operand(4)?);
    let epsilon = norm.attributes.float("epsilon", 1e-5);
    let result = norm.outputs.first().copied().flatten()?;
    let conv_index = model.nodes[..index].iter().rposition(|node| node.outputs.contains(&Some(x)))?;
    let conv = &model.nodes[conv_index];
    if conv.op_type != "Conv" || use_counts[x] != 1 {
        return None;
    }
    let weights_value = conv.inputs.get(1).copied().flatten()?;
    let weights = model.constants[weights_value].clone()?;
    let n_channels = *weights.dims().first()?;
    let old_bias = match conv.inputs.get(2).copied().flatten() {
        Some(value) => floats(Some(value))?,
        None => vec![0.0; n_channels],
    };
    let lengths = [scale.len(), bias.len(), mean.len(), variance.len(), old_bias.len()];
    if n_channels == 0 || lengths.iter().any(|&length| length != n_channels) {
        return None;
    }
    let factor: Vec<f32> = (0..n_channels).map(|c| scale[c] / (variance[c] + epsilon).sqrt()).collect();
    let new_bias: Vec<f32> =
        (0..n_channels).map(|c| (old_bias[c] - mean[c]).mul_add(factor[c], bias[c])).collect();
    let old = weights.data().as_f32()?;
    let per_channel = old.len() / n_channels;
    let new_weights: Vec<f32> = old.iter().enumerate().map(|(i, w)| w * factor[i / per_channel]).collect();
    let new_weights = Tensor::new(weights.dims().to_vec(), Data::F32(new_weights))?;
    let new_bias = Tensor::new(vec![n_channels], Data::F32(new_bias))?;
    let new_weights = add_constant(model, weights_value, new_weights);
    let new_bias = add_constant(model, weights_value, new_bias);
    let conv = &mut model.nodes[conv_index];
    conv.inputs.resize(3, None);
    conv.inputs[1] = Some(new_weights);
    conv.inputs[2] = Some(new_bias);
    conv.outputs = vec![Some(result)];
    Some(())
}

fn add_constant(model: &mut Model, like: usize, tensor: Tensor) -> usize {
    model.value_names.push(model.value_names[like].clone());
    model.constants.push(Some(Arc::new(tensor)));
    model.value_names.len() - 1
}
