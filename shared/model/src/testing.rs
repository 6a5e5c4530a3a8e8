//! What several test modules need: graphs and model files built by hand, and pseudo-random tensors.

use std::sync::Arc;

use rten_onnx::onnx as proto;

use crate::graph::{Graph, Node, ValueId};
use crate::op::{Fact, Op};
use crate::tensor::{DType, Data, DataRef, Tensor, n_elements};

/// Floats between −1 and 1 that differ by seed.
pub(crate) fn noise(dims: &[usize], seed: u32) -> Tensor {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let data = (0..n_elements(dims))
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            f64::from(state) as f32 / 2_147_483_648.0 - 1.0
        })
        .collect();
    Tensor::new(dims.to_vec(), Data::F32(data)).expect("as many elements as the shape says")
}

/// Noise for every input of a graph.
pub(crate) fn noises(graph: &Graph) -> Vec<Tensor> {
    let inputs = graph.inputs.iter().enumerate();
    inputs.map(|(seed, &input)| noise(&graph.fact(input).dims, seed as u32)).collect()
}

/// Largest difference of two tensors of floats, or of integers, which must be of one shape.
#[track_caller]
pub(crate) fn max_difference(left: &Tensor, right: &Tensor) -> f64 {
    assert_eq!((left.dims(), left.dtype()), (right.dims(), right.dtype()));
    let wide = |tensor: &Tensor| -> Vec<f64> {
        match tensor.data() {
            DataRef::F32(data) => data.iter().map(|&x| f64::from(x)).collect(),
            other => other.to_i64().unwrap_or_default().into_iter().map(|x| x as f64).collect(),
        }
    };
    wide(left).iter().zip(wide(right)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// A graph being written down.
#[derive(Default)]
pub(crate) struct GraphBuilder {
    pub(crate) graph: Graph,
}

impl GraphBuilder {
    pub(crate) fn input(&mut self, dims: &[usize]) -> ValueId {
        let name = format!("input {}", self.graph.inputs.len());
        let value = self.graph.add_value(name, Fact::new(DType::F32, dims.to_vec()));
        self.graph.inputs.push(value);
        value
    }

    pub(crate) fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.add_constant("constant", Arc::new(tensor))
    }

    pub(crate) fn scalar(&mut self, value: f32) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    pub(crate) fn op(&mut self, op: Op, inputs: &[ValueId], dims: &[usize]) -> ValueId {
        self.typed(op, inputs, DType::F32, dims)
    }

    pub(crate) fn typed(&mut self, op: Op, inputs: &[ValueId], dtype: DType, dims: &[usize]) -> ValueId {
        let output = self.graph.add_value(op.name(), Fact::new(dtype, dims.to_vec()));
        let inputs = inputs.iter().copied().map(Some).collect();
        self.graph.nodes.push(Node { name: op.name().to_owned(), op, inputs, outputs: vec![output] });
        output
    }

    pub(crate) fn finish(mut self, output: ValueId) -> Graph {
        self.graph.outputs.push(("output".to_owned(), output));
        self.graph.check().expect("the graph is valid");
        self.graph
    }
}

/// A model file being written down, through an encoder that is not ours.
pub(crate) struct FileBuilder {
    graph: proto::GraphProto,
    opset: i64,
}

impl FileBuilder {
    pub(crate) fn new(opset: i64) -> Self {
        Self { graph: proto::GraphProto::default(), opset }
    }

    /// `-1` is the dimension named `n`.
    pub(crate) fn input(mut self, name: &str, dtype: proto::DataType, dims: &[i64]) -> Self {
        let dim = |&dim: &i64| proto::Dimension {
            dim_value: (dim >= 0).then_some(dim),
            dim_param: (dim < 0).then(|| "n".to_owned()),
        };
        self.graph.input.push(proto::ValueInfoProto {
            name: Some(name.to_owned()),
            r#type: Some(proto::TypeProto {
                tensor_type: Some(proto::TypeProtoTensor {
                    elem_type: Some(dtype),
                    shape: Some(proto::TensorShapeProto { dim: dims.iter().map(dim).collect() }),
                }),
                ..Default::default()
            }),
        });
        self
    }

    pub(crate) fn floats(mut self, name: &str, dims: &[i64], data: &[f32]) -> Self {
        self.graph.initializer.push(proto::TensorProto {
            name: Some(name.to_owned()),
            dims: dims.to_vec(),
            data_type: Some(proto::DataType::FLOAT),
            float_data: data.to_vec(),
            ..Default::default()
        });
        self
    }

    /// Like [`Self::floats`], in the form that can be detached.
    pub(crate) fn raw_floats(mut self, name: &str, dims: &[i64], data: &[f32]) -> Self {
        let bytes: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.graph.initializer.push(proto::TensorProto {
            name: Some(name.to_owned()),
            dims: dims.to_vec(),
            data_type: Some(proto::DataType::FLOAT),
            raw_data: Some(bytes.into()),
            ..Default::default()
        });
        self
    }

    pub(crate) fn ints(mut self, name: &str, dims: &[i64], data: &[i64]) -> Self {
        self.graph.initializer.push(proto::TensorProto {
            name: Some(name.to_owned()),
            dims: dims.to_vec(),
            data_type: Some(proto::DataType::INT64),
            int64_data: data.to_vec(),
            ..Default::default()
        });
        self
    }

    pub(crate) fn initializer(mut self, initializer: proto::TensorProto) -> Self {
        self.graph.initializer.push(initializer);
        self
    }

    /// Names are separated by spaces; `_` is an absent operand. The node is named after its first output.
    pub(crate) fn node(self, op_type: &str, inputs: &str, outputs: &str) -> Self {
        self.node_with(op_type, inputs, outputs, Vec::new())
    }

    pub(crate) fn node_with(
        mut self,
        op_type: &str,
        inputs: &str,
        outputs: &str,
        attribute: Vec<proto::AttributeProto>,
    ) -> Self {
        let names = |names: &str| -> Vec<String> {
            names
                .split_whitespace()
                .map(|name| if name == "_" { String::new() } else { name.to_owned() })
                .collect()
        };
        self.graph.node.push(proto::NodeProto {
            op_type: Some(op_type.to_owned()),
            input: names(inputs),
            output: names(outputs),
            attribute,
            ..Default::default()
        });
        self
    }

    pub(crate) fn graph(mut self, outputs: &str) -> proto::GraphProto {
        for name in outputs.split_whitespace() {
            self.graph.output.push(proto::ValueInfoProto { name: Some(name.to_owned()), r#type: None });
        }
        self.graph
    }

    pub(crate) fn bytes(self, outputs: &str) -> Vec<u8> {
        let opset = self.opset;
        let model = proto::ModelProto {
            ir_version: Some(8),
            opset_import: vec![proto::OperatorSetIdProto { domain: None, version: Some(opset) }],
            graph: Some(self.graph(outputs)),
            ..Default::default()
        };
        model.write_buf().expect("an in-memory model is written")
    }
}

/// An attribute of whole numbers.
pub(crate) fn ints(name: &str, ints: &[i64]) -> proto::AttributeProto {
    proto::AttributeProto { name: Some(name.to_owned()), ints: ints.to_vec(), ..Default::default() }
}

/// An attribute with one whole number.
pub(crate) fn int(name: &str, int: i64) -> proto::AttributeProto {
    proto::AttributeProto { name: Some(name.to_owned()), i: Some(int), ..Default::default() }
}

/// An attribute with a subgraph.
pub(crate) fn subgraph(name: &str, graph: proto::GraphProto) -> proto::AttributeProto {
    proto::AttributeProto { name: Some(name.to_owned()), g: Some(graph), ..Default::default() }
}
