//! What a model file says about itself, without preparing it to run.

use std::collections::{BTreeMap, BTreeSet};

use crate::dtype::ElementType;
use crate::onnx::{self, DecodeError, DimProto, GraphProto, TensorProto, ValueInfoProto};

/// The contract, the operators and the weights of a model file.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Version of the ONNX file format.
    pub ir_version: i64,
    /// Version of the standard operator set; 0 when the file imports none.
    pub opset: i64,
    /// Other operator sets: domain and version.
    pub other_opsets: Vec<(String, i64)>,
    /// Program that wrote the file, with its version; empty when unknown.
    pub producer: String,
    /// Metadata entries, in file order.
    pub metadata: Vec<(String, String)>,
    /// Inputs that a caller gives, in file order.
    pub inputs: Vec<ValueContract>,
    /// Outputs, in file order.
    pub outputs: Vec<ValueContract>,
    /// How often each operator is used, subgraphs included.
    pub operators: BTreeMap<String, usize>,
    /// Elements of all initializers.
    pub n_parameters: u64,
    /// Bytes of all initializers.
    pub parameter_bytes: u64,
    /// Initializers of the main graph, in file order.
    pub initializers: Vec<InitializerInfo>,
}

/// Name, type and shape of a graph input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueContract {
    /// Name of the value.
    pub name: String,
    /// Element type; `None` when the value is not a tensor or the file does not say.
    pub dtype: Option<ElementType>,
    /// Dimensions, outermost first; `None` when the file does not give even the rank.
    pub dims: Option<Vec<Dim>>,
}

/// One dimension of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// Always this long.
    Fixed(u32),
    /// Chosen by the caller; equal names mean equal lengths.
    Symbolic(String),
    /// Chosen by the caller.
    Unknown,
}

/// One weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitializerInfo {
    /// Name of the initializer.
    pub name: String,
    /// Element type.
    pub dtype: ElementType,
    /// Dimensions, outermost first.
    pub dims: Vec<u64>,
    /// Bytes of the data.
    pub size_bytes: u64,
    /// True when the data is in another file.
    pub is_external: bool,
}

/// Reads a model file's contract, operators and weight sizes.
///
/// Memory stays in proportion to the file: weights are looked at where they are.
///
/// # Errors
/// The bytes are not a model, are cut short, or contradict themselves.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, DecodeError> {
    let model = onnx::decode(bytes)?;
    let graph = &model.graph;
    let initializers: Vec<InitializerInfo> =
        graph.initializers.iter().map(initializer_info).collect::<Result<_, _>>()?;
    let initializer_names: BTreeSet<&str> = graph.initializers.iter().map(|tensor| tensor.name).collect();
    let mut operators = BTreeMap::new();
    count_operators(graph, &mut operators);
    let is_standard = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    let producer = format!("{} {}", model.producer_name, model.producer_version);
    Ok(Inspection {
        ir_version: model.ir_version,
        opset: model.opsets.iter().find(|(domain, _)| is_standard(domain)).map_or(0, |&(_, version)| version),
        other_opsets: model
            .opsets
            .iter()
            .filter(|(domain, _)| !is_standard(domain))
            .map(|&(domain, version)| (domain.to_owned(), version))
            .collect(),
        producer: producer.trim().to_owned(),
        metadata: model.metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
        inputs: graph
            .inputs
            .iter()
            .filter(|input| !initializer_names.contains(input.name))
            .map(value_contract)
            .collect::<Result<_, _>>()?,
        outputs: graph.outputs.iter().map(value_contract).collect::<Result<_, _>>()?,
        operators,
        n_parameters: initializers.iter().map(|info| info.dims.iter().product::<u64>()).sum(),
        parameter_bytes: initializers.iter().map(|info| info.size_bytes).sum(),
        initializers,
    })
}

fn count_operators(graph: &GraphProto<'_>, operators: &mut BTreeMap<String, usize>) {
    for node in &graph.nodes {
        *operators.entry(node.op_type.to_owned()).or_default() += 1;
        for attribute in &node.attributes {
            if let Some(subgraph) = &attribute.graph {
                count_operators(subgraph, operators);
            }
        }
    }
}

/// The contract of a graph input or output. A negative length, which some exporters write, means unknown.
pub(crate) fn value_contract(info: &ValueInfoProto<'_>) -> Result<ValueContract, DecodeError> {
    let dim = |dim: &DimProto<'_>| match *dim {
        DimProto::Value(value) if value < 0 => Ok(Dim::Unknown),
        DimProto::Value(value) => u32::try_from(value)
            .map(Dim::Fixed)
            .map_err(|_out_of_range| DecodeError::Dimension { name: info.name.to_owned(), dim: value }),
        // Paddle's exporter calls every unknown dimension `?`; they are not equal to each other.
        DimProto::Param("" | "?") => Ok(Dim::Unknown),
        DimProto::Param(name) => Ok(Dim::Symbolic(name.to_owned())),
        DimProto::Unknown => Ok(Dim::Unknown),
    };
    Ok(ValueContract {
        name: info.name.to_owned(),
        dtype: ElementType::from_onnx(info.data_type),
        dims: info.dims.as_ref().map(|dims| dims.iter().map(dim).collect()).transpose()?,
    })
}

fn initializer_info(tensor: &TensorProto<'_>) -> Result<InitializerInfo, DecodeError> {
    let dtype = tensor.element_type()?;
    let size_bytes = tensor.checked_size_bytes(dtype)?;
    Ok(InitializerInfo {
        name: tensor.name.to_owned(),
        dtype,
        dims: tensor.dims.iter().map(|&dim| dim.unsigned_abs()).collect(),
        size_bytes,
        is_external: tensor.is_external,
    })
}

#[cfg(test)]
mod tests;
