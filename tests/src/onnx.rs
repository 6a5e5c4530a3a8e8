//! Small ONNX files, written by hand.

use anyhow::{Context as _, Result};
use rten_onnx::onnx as proto;

/// A node without attributes.
pub fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> proto::NodeProto {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    proto::NodeProto {
        op_type: Some(operator.to_owned()),
        input: names(inputs),
        output: names(outputs),
        ..Default::default()
    }
}

/// An input or output of the graph.
pub fn declaration(
    name: &str,
    element_type: proto::DataType,
    dim: Vec<proto::Dimension>,
) -> proto::ValueInfoProto {
    let tensor_type = proto::TypeProtoTensor {
        elem_type: Some(element_type),
        shape: Some(proto::TensorShapeProto { dim }),
    };
    proto::ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(proto::TypeProto { tensor_type: Some(tensor_type), sequence: None }),
    }
}

/// A dimension of known length.
pub fn length(n: usize) -> proto::Dimension {
    proto::Dimension { dim_value: Some(n as i64), dim_param: None }
}

/// A constant vector of whole numbers, such as a shape.
pub fn integers(name: &str, values: &[i64]) -> proto::TensorProto {
    proto::TensorProto {
        name: Some(name.to_owned()),
        dims: vec![values.len() as i64],
        data_type: Some(proto::DataType::INT64),
        int64_data: values.to_vec(),
        ..Default::default()
    }
}

/// The file of a graph, opset 17.
///
/// # Errors
/// The graph cannot be written.
pub fn file(graph: proto::GraphProto) -> Result<Vec<u8>> {
    let model = proto::ModelProto {
        ir_version: Some(8),
        opset_import: vec![proto::OperatorSetIdProto { domain: None, version: Some(17) }],
        graph: Some(graph),
        ..Default::default()
    };
    model.write_buf().context("the model cannot be written")
}
