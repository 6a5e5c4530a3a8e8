//! What several test modules need: small ONNX models, written by an independent encoder, and futures run to their end.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use rten_onnx::onnx as proto;
use wire::DType;

use crate::backend::File;
use crate::pipeline::Parts;
use crate::tensor::{Tensor, TensorData};
use crate::value::ValueInfo;

/// The result of a future that never waits.
#[track_caller]
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits for something"),
    }
}

/// A declared value; `-1` in `dims` is the dimension named `n`.
pub(crate) fn value(name: &str, dtype: DType, dims: &[i64]) -> ValueInfo {
    let dim = |&dim: &i64| match u32::try_from(dim) {
        Ok(size) => model::Dim::Fixed(size),
        Err(_) => model::Dim::Symbolic("n".to_owned()),
    };
    ValueInfo { name: name.to_owned(), dtype, dims: Some(dims.iter().map(dim).collect()) }
}

/// A `float32` tensor.
pub(crate) fn floats(name: &str, dims: &[usize], data: &[f32]) -> Tensor {
    Tensor::new(name, dims, TensorData::Float32(data.to_vec()))
}

/// The files of a pipeline, by role.
pub(crate) fn parts<const N: usize>(parts: [(&str, Vec<u8>); N]) -> Parts {
    Parts::new(parts.map(|(role, bytes)| (role.to_owned(), Box::new(bytes) as File)).into())
}

/// An ONNX file with one node named `the-node`, which reads `inputs` and writes `outputs`.
pub(crate) fn one_node(operator: &str, inputs: &[ValueInfo], outputs: &[ValueInfo]) -> Vec<u8> {
    let names = |values: &[ValueInfo]| values.iter().map(|value| value.name.clone()).collect();
    let node = proto::NodeProto {
        name: Some("the-node".to_owned()),
        op_type: Some(operator.to_owned()),
        input: names(inputs),
        output: names(outputs),
        ..Default::default()
    };
    file(proto::GraphProto {
        node: vec![node],
        input: inputs.iter().map(declaration).collect(),
        output: outputs.iter().map(declaration).collect(),
        ..Default::default()
    })
}

/// An ONNX file around a graph.
pub(crate) fn file(graph: proto::GraphProto) -> Vec<u8> {
    let model = proto::ModelProto {
        ir_version: Some(8),
        opset_import: vec![proto::OperatorSetIdProto { domain: None, version: Some(17) }],
        metadata_props: vec![proto::StringStringEntryProto {
            key: Some("colour".to_owned()),
            value: Some("blue".to_owned()),
        }],
        graph: Some(graph),
        ..Default::default()
    };
    model.write_buf().expect("an in-memory model is written")
}

/// The declaration of a graph input or output.
pub(crate) fn declaration(value: &ValueInfo) -> proto::ValueInfoProto {
    let elem_type = match value.dtype {
        DType::Float32 => proto::DataType::FLOAT,
        DType::Float16 => proto::DataType::FLOAT16,
        DType::Int64 => proto::DataType::INT64,
        DType::Int32 => proto::DataType::INT32,
        DType::Int8 => proto::DataType::INT8,
        DType::Uint8 => proto::DataType::UINT8,
        DType::Bool => proto::DataType::BOOL,
    };
    let dim = |dim: &model::Dim| match dim {
        model::Dim::Fixed(size) => proto::Dimension { dim_value: Some(i64::from(*size)), dim_param: None },
        model::Dim::Symbolic(name) => proto::Dimension { dim_value: None, dim_param: Some(name.clone()) },
        model::Dim::Unknown => proto::Dimension::default(),
    };
    proto::ValueInfoProto {
        name: Some(value.name.clone()),
        r#type: Some(proto::TypeProto {
            tensor_type: Some(proto::TypeProtoTensor {
                elem_type: Some(elem_type),
                shape: value
                    .dims
                    .as_ref()
                    .map(|dims| proto::TensorShapeProto { dim: dims.iter().map(dim).collect() }),
            }),
            ..Default::default()
        }),
    }
}
