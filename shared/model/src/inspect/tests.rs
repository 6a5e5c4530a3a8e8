//! Models written by an independent encoder, and bytes that are no models.

use rten_onnx::onnx as proto;

use super::*;

/// `y = MatMul(x, w)` with `x: [batch, 3]`, `w: [3, 2]`.
fn matmul_model() -> proto::ModelProto {
    let value = |name: &str, dims: &[Option<i64>]| proto::ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(proto::TypeProto {
            tensor_type: Some(proto::TypeProtoTensor {
                elem_type: Some(proto::DataType::FLOAT),
                shape: Some(proto::TensorShapeProto {
                    dim: dims
                        .iter()
                        .map(|&dim_value| proto::Dimension {
                            dim_value,
                            dim_param: dim_value.is_none().then(|| "batch".to_owned()),
                        })
                        .collect(),
                }),
            }),
            ..Default::default()
        }),
    };
    let weight = proto::TensorProto {
        name: Some("w".to_owned()),
        dims: vec![3, 2],
        data_type: Some(proto::DataType::FLOAT),
        float_data: vec![1.0; 6],
        ..Default::default()
    };
    let node = proto::NodeProto {
        op_type: Some("MatMul".to_owned()),
        input: vec!["x".to_owned(), "w".to_owned()],
        output: vec!["y".to_owned()],
        ..Default::default()
    };
    proto::ModelProto {
        ir_version: Some(8),
        producer_name: Some("tests".to_owned()),
        opset_import: vec![proto::OperatorSetIdProto { domain: None, version: Some(17) }],
        metadata_props: vec![proto::StringStringEntryProto {
            key: Some("character".to_owned()),
            value: Some("a\nb".to_owned()),
        }],
        graph: Some(proto::GraphProto {
            node: vec![node],
            initializer: vec![weight],
            input: vec![value("x", &[None, Some(3)]), value("w", &[Some(3), Some(2)])],
            output: vec![value("y", &[None, Some(2)])],
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn bytes_of(model: &proto::ModelProto) -> Vec<u8> {
    model.write_buf().expect("an in-memory model is written")
}

#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let message = inspect(bytes).expect_err("these bytes are no model").to_string();
    assert!(message.contains(expected), "{message:?} does not contain {expected:?}");
}

#[test]
fn a_model_tells_its_contract() {
    let inspection = inspect(&bytes_of(&matmul_model())).expect("a model");
    assert_eq!((inspection.ir_version, inspection.opset), (8, 17));
    assert_eq!(inspection.producer, "tests");
    assert_eq!(inspection.metadata, [("character".to_owned(), "a\nb".to_owned())]);
    assert_eq!(inspection.inputs.len(), 1, "an initializer is not an input");
    assert_eq!(inspection.inputs[0].dims, Some(vec![Dim::Symbolic("batch".to_owned()), Dim::Fixed(3)]));
    assert_eq!(inspection.outputs[0].dtype, Some(ElementType::Float32));
    assert_eq!(inspection.operators, BTreeMap::from([("MatMul".to_owned(), 1)]));
    assert_eq!((inspection.n_parameters, inspection.parameter_bytes), (6, 24));
    assert_eq!(inspection.initializers[0].dims, [3, 2]);
}

#[test]
fn other_bytes_are_refused() {
    check(b"", "not an onnx file: the file is empty");
    check(b"hello world, this is text", "not an onnx file");
    check(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not an onnx file");
    check(b"\x1f\x8b\x08\0\0\0\0\0", "not an onnx file");
    check(&[0x08, 0x08], "not an onnx file: it has no graph");
    check(&[0xff; 64], "not an onnx file");
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let bytes = bytes_of(&matmul_model());
    for length in 0..bytes.len() {
        // A cut between two top-level fields leaves a shorter valid message; every other cut is an error.
        if let Err(error) = inspect(&bytes[..length]) {
            let message = error.to_string();
            assert!(message.contains("truncated") || message.contains("not an onnx file"), "{message}");
        }
    }
    check(&bytes[..bytes.len() / 2], "truncated");
}

#[test]
fn a_flipped_byte_never_panics() {
    let bytes = bytes_of(&matmul_model());
    for index in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut wrong = bytes.clone();
            wrong[index] ^= flip;
            drop(inspect(&wrong));
        }
    }
}

#[test]
fn contradictory_weights_are_refused() {
    let with_dims = |dims: Vec<i64>| {
        let mut model = matmul_model();
        model.graph.as_mut().expect("a graph").initializer[0].dims = dims;
        bytes_of(&model)
    };
    check(&with_dims(vec![1 << 40, 1 << 40]), "initializer `w`: its dimensions are negative or overflow");
    check(&with_dims(vec![-3, 2]), "initializer `w`: its dimensions are negative or overflow");
    check(&with_dims(vec![1 << 40]), "initializer `w`: its data is not as long as its dimensions say");
}

#[test]
fn a_declared_length_allocates_nothing() {
    // ir_version = 8, then a graph that claims 2^62 bytes.
    let mut bytes = vec![0x08, 0x08, 0x3a];
    bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
    check(&bytes, "truncated: a field needs 4611686018427387904 bytes where 0 are left");
}

#[test]
fn endless_nesting_is_refused() {
    // A graph in an attribute of a node in a graph, over and over: each level wraps the last.
    let wrap = |tag: u8, inner: &[u8]| {
        let mut bytes = vec![tag];
        let mut length = inner.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(inner);
        bytes
    };
    let mut graph = Vec::new();
    for _ in 0..2000 {
        graph = wrap(0x0a, &wrap(0x2a, &wrap(0x32, &graph)));
    }
    let mut bytes = vec![0x08, 0x08];
    bytes.extend(wrap(0x3a, &graph));
    check(&bytes, "nests subgraphs deeper than 16 levels");
}

#[test]
fn a_flood_of_empty_nodes_is_refused() {
    let mut graph = Vec::new();
    for _ in 0..300_000 {
        graph.extend([0x0a, 0x00]);
    }
    let mut bytes = vec![0x08, 0x08, 0x3a, 0xc0, 0xcf, 0x24];
    bytes.extend(graph);
    check(&bytes, "more than 262144 nodes");
}
