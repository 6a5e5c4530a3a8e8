//! Fits a graph to `rten` 0.27: names every node, writes defaults out that it does not fill in, rewrites or refuses what
//! it would compute wrongly, and refuses what it would trip over only when the model runs.

use std::collections::{BTreeMap, BTreeSet};

use rten_onnx::onnx::{AttributeProto, AttributeType, DataType, GraphProto, ModelProto, NodeProto};
use wire::Fault;

use crate::fault;

/// A model file that fits.
pub(super) struct Adapted {
    pub(super) file: Vec<u8>,
    /// Name and operator of every node, subgraphs included.
    pub(super) nodes: Vec<(String, String)>,
}

/// Fits the model in `file`, which is without its large initializers.
pub(super) fn adapt(file: &[u8]) -> Result<Adapted, Fault> {
    let mut model = ModelProto::parse_buf(file).map_err(fault::invalid_model)?;
    let mut nodes = Vec::new();
    if let Some(graph) = &mut model.graph {
        let mut used = BTreeSet::new();
        collect_used(graph, &mut used);
        adapt_graph(graph, &used, &mut nodes)?;
    }
    Ok(Adapted { file: model.write_buf().map_err(fault::invalid_model)?, nodes })
}

/// Names of the values that something reads.
fn collect_used(graph: &GraphProto, used: &mut BTreeSet<String>) {
    used.extend(graph.output.iter().filter_map(|output| output.name.clone()));
    for node in &graph.node {
        used.extend(node.input.iter().cloned());
        node.attribute
            .iter()
            .filter_map(|attribute| attribute.g.as_ref())
            .for_each(|graph| collect_used(graph, used));
    }
}

fn adapt_graph(
    graph: &mut GraphProto,
    used: &BTreeSet<String>,
    nodes: &mut Vec<(String, String)>,
) -> Result<(), Fault> {
    let shapes = shapes(graph);
    let floats = floats(graph);
    let mut adapted = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        let operator = node.op_type.clone().unwrap_or_default();
        let name = node.name.take().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("{operator} #{}", nodes.len()));
        node.name = Some(name.clone());
        drop_unused_outputs(&mut node, used);
        write_defaults(&mut node, &shapes);
        if let Some(reason) = refusal(&node, &floats) {
            return Err(fault::unsupported_operator(Some((&operator, &name)), reason));
        }
        nodes.push((name, operator));
        for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
            adapt_graph(graph, used, nodes)?;
        }
        match is_not_zero(&node, &floats) {
            Some(nodes) => adapted.extend(nodes),
            None => adapted.push(node),
        }
    }
    graph.node = adapted;
    Ok(())
}

/// Shapes of initializers and inputs, as far as they are numbers.
fn shapes(graph: &GraphProto) -> BTreeMap<String, Vec<i64>> {
    let initializers =
        graph.initializer.iter().filter_map(|tensor| Some((tensor.name.clone()?, tensor.dims.clone())));
    let inputs = graph.input.iter().filter_map(|input| {
        let shape = input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
        let dims: Option<Vec<i64>> = shape.dim.iter().map(|dim| dim.dim_value).collect();
        Some((input.name.clone()?, dims?))
    });
    inputs.chain(initializers).collect()
}

/// For each value with a declared type: whether it is a float.
fn floats(graph: &GraphProto) -> BTreeMap<String, bool> {
    let is_float =
        |number: DataType| [DataType::FLOAT, DataType::FLOAT16, DataType::DOUBLE].contains(&number);
    let initializers = graph
        .initializer
        .iter()
        .filter_map(|tensor| Some((tensor.name.clone()?, is_float(tensor.data_type?))));
    let values = graph.input.iter().chain(&graph.value_info).filter_map(|value| {
        let elem_type = value.r#type.as_ref()?.tensor_type.as_ref()?.elem_type?;
        Some((value.name.clone()?, is_float(elem_type)))
    });
    values.chain(initializers).collect()
}

/// A cast of floats to booleans as `not (x = x - x)`. `rten` holds booleans as integers and rounds towards zero, which
/// makes 0.5 false.
fn is_not_zero(node: &NodeProto, floats: &BTreeMap<String, bool>) -> Option<[NodeProto; 3]> {
    let ([input], [output]) = (node.input.as_slice(), node.output.as_slice()) else { return None };
    let to = attribute(node, "to").and_then(|attribute| attribute.i);
    let is_cast = node.op_type.as_deref() == Some("Cast") && to == Some(i64::from(DataType::BOOL.0));
    if !is_cast || floats.get(input) == Some(&false) {
        return None;
    }
    let (zero, is_zero) = (format!("{output} zero"), format!("{output} is zero"));
    let step = |operator: &str, inputs: &[&String], output: &String| NodeProto {
        op_type: Some(operator.to_owned()),
        name: node.name.clone(),
        input: inputs.iter().map(|&name| name.clone()).collect(),
        output: vec![output.clone()],
        ..Default::default()
    };
    Some([
        step("Sub", &[input, input], &zero),
        step("Equal", &[input, &zero], &is_zero),
        step("Not", &[&is_zero], output),
    ])
}

/// `rten` computes the first output of these and refuses to run when another one has a name, needed or not.
fn drop_unused_outputs(node: &mut NodeProto, used: &BTreeSet<String>) {
    if matches!(node.op_type.as_deref(), Some("LayerNormalization" | "MaxPool"))
        && node.output.iter().skip(1).all(|output| !used.contains(output))
    {
        node.output.truncate(1);
    }
}

/// The attributes whose length `rten` takes for the number of spatial dimensions.
fn write_defaults(node: &mut NodeProto, shapes: &BTreeMap<String, Vec<i64>>) {
    match node.op_type.as_deref() {
        Some("MaxPool" | "AveragePool") => {
            let n_dims = attribute(node, "kernel_shape").map_or(0, |kernel| kernel.ints.len());
            if n_dims > 0 && attribute(node, "strides").is_none() {
                node.attribute.push(ints("strides", vec![1; n_dims]));
            }
        }
        Some("Conv" | "ConvTranspose") if attribute(node, "kernel_shape").is_none() => {
            let weight = node.input.get(1).and_then(|weight| shapes.get(weight));
            // Output and input channels come first.
            if let Some(kernel) = weight.and_then(|dims| dims.get(2..)) {
                node.attribute.push(ints("kernel_shape", kernel.to_vec()));
            }
        }
        _ => {}
    }
}

/// Why `rten` cannot run the node, where it does not say so itself when it loads.
fn refusal(node: &NodeProto, floats: &BTreeMap<String, bool>) -> Option<&'static str> {
    let has_input = |index: usize| node.input.get(index).is_some_and(|name| !name.is_empty());
    let text = |name: &str| attribute(node, name).and_then(|attribute| attribute.s.as_deref());
    let n_kernel_dims = attribute(node, "kernel_shape").map(|kernel| kernel.ints.len());
    match node.op_type.as_deref()? {
        // It would compute these as something else, without a word.
        _ if text("auto_pad") == Some("SAME_LOWER") => Some("auto_pad = SAME_LOWER"),
        "Resize" if text("mode") == Some("cubic") => Some("cubic interpolation"),
        "Resize" if text("coordinate_transformation_mode") == Some("align_corners") && has_input(2) => {
            Some("corners aligned by scales")
        }
        "LayerNormalization" | "MaxPool" if node.output.len() > 1 => Some("outputs after the first"),
        // It counts the boxes of all classes together, and takes corners in one order only.
        "NonMaxSuppression" => Some("boxes of several classes"),
        "Pad" if has_input(3) => Some("the input `axes`"),
        "GRU" if attribute(node, "linear_before_reset").is_none_or(|attribute| attribute.i != Some(1)) => {
            Some("linear_before_reset = 0")
        }
        "ConvTranspose" if n_kernel_dims.is_some_and(|n_dims| n_dims != 2) => Some("other than 2-D"),
        "MaxPool" | "AveragePool" if n_kernel_dims.is_some_and(|n_dims| n_dims > 2) => Some("more than 2-D"),
        "MaxPool" | "AveragePool" if node.input.first().and_then(|x| floats.get(x)) == Some(&false) => {
            Some("integers")
        }
        _ => None,
    }
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
}

fn ints(name: &str, ints: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        ints,
        r#type: Some(AttributeType::INTS),
        ..Default::default()
    }
}
