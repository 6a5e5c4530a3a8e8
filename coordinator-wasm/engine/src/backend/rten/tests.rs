//! Types through `rten` and back, and files that it cannot load.

use rten_onnx::onnx as proto;

use super::*;
use crate::backend::run_all;
use crate::testing::{declaration, file, floats, now, one_node, value};

fn load(bytes: Vec<u8>) -> Result<Box<dyn Session>, Fault> {
    now(RtenBackend.load(Box::new(bytes)))
}

/// Runs `Identity` on one tensor: what comes out must be what went in, type included.
#[track_caller]
fn check_identity(data: TensorData) {
    let shape = [-1];
    let session =
        load(one_node("Identity", &[value("x", data.dtype(), &shape)], &[value("y", data.dtype(), &shape)]))
            .unwrap();
    let outputs =
        now(run_all(session.as_ref(), vec![Tensor::new("x", &[data.len()], data.clone())])).unwrap();
    assert_eq!(outputs, [Tensor::new("y", &[data.len()], data)]);
}

#[test]
fn outputs_keep_their_declared_type() {
    check_identity(TensorData::Float32(vec![1.5, -0.0, f32::INFINITY]));
    check_identity(TensorData::Int64(vec![i64::from(i32::MIN), -1, i64::from(i32::MAX)]));
    check_identity(TensorData::Int32(vec![i32::MIN, 7]));
    check_identity(TensorData::Int8(vec![-128, 127]));
    check_identity(TensorData::Uint8(vec![0, 255]));
    check_identity(TensorData::Bool(vec![0, 1]));
    check_identity(TensorData::Float32(Vec::new()));
}

#[test]
fn integers_of_more_than_32_bits_are_refused() {
    let [x, y] = ["x", "y"].map(|name| value(name, DType::Int64, &[-1]));
    let session = load(one_node("Identity", &[x], &[y])).unwrap();
    let wide = Tensor::new("x", &[2], TensorData::Int64(vec![0, 1 << 31]));
    let fault = now(run_all(session.as_ref(), vec![wide])).unwrap_err();
    let message = "input \"x\" has value 2147483648 at index 1, the backend holds int64 as 32 bits";
    assert_eq!((fault.code.as_str(), fault.message.as_str()), ("input-range", message));
}

/// `y = x · w` with `w` large enough to be detached from the file.
fn matmul() -> Vec<u8> {
    let n = 32;
    let weight: Vec<f32> = (0..n * n).map(|index| if index % (n + 1) == 0 { 2.0 } else { 0.0 }).collect();
    let initializer = proto::TensorProto {
        name: Some("w".to_owned()),
        dims: vec![n, n],
        data_type: Some(proto::DataType::FLOAT),
        raw_data: Some(weight.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()),
        ..Default::default()
    };
    let node = proto::NodeProto {
        op_type: Some("MatMul".to_owned()),
        input: vec!["x".to_owned(), "w".to_owned()],
        output: vec!["y".to_owned()],
        ..Default::default()
    };
    file(proto::GraphProto {
        node: vec![node],
        initializer: vec![initializer],
        input: vec![declaration(&value("x", DType::Float32, &[-1, n]))],
        output: vec![declaration(&value("y", DType::Float32, &[-1, n]))],
        ..Default::default()
    })
}

#[test]
fn weights_are_read_where_they_are() {
    let session = load(matmul()).unwrap();
    assert_eq!(session.metadata("colour"), Some("blue"));
    let x: Vec<f32> = (0..64_u8).map(f32::from).collect();
    let outputs = now(run_all(session.as_ref(), vec![floats("x", &[2, 32], &x)])).unwrap();
    let doubled: Vec<f32> = x.iter().map(|value| 2.0 * value).collect();
    assert_eq!(outputs, [floats("y", &[2, 32], &doubled)]);
}

#[track_caller]
fn check_refused(bytes: &[u8], code: &str, words: &str) {
    let fault = load(bytes.to_vec()).err().expect("the file must be refused");
    assert_eq!(fault.code, code, "{fault:?}");
    assert!(fault.message.contains(words), "{words:?} is not in {:?}", fault.message);
    assert!(fault.hint.is_some());
}

#[test]
fn files_that_cannot_be_loaded() {
    let whole = matmul();
    check_refused(b"", "not-onnx", "");
    check_refused(b"<!doctype html><title>404</title>", "not-onnx", "");
    check_refused(&whole[..whole.len() / 2], "truncated-model", "");
    // The file ends with its operator set (4 bytes) and its metadata (16): here both are missing.
    check_refused(&whole[..whole.len() - 20], "truncated-model", "no operator set");
    let float = |name: &str| value(name, DType::Float32, &[1]);
    let unknown = one_node("Sparkle", &[float("x")], &[float("y")]);
    check_refused(&unknown, "unsupported-operator", "operator Sparkle (node \"the-node\")");
    let half = value("x", DType::Float16, &[1]);
    check_refused(&one_node("Identity", &[half], &[float("y")]), "unsupported-type", "float16");
}

#[test]
fn a_failing_operator_is_a_fault() {
    let float = |name: &str, dims: &[i64]| value(name, DType::Float32, dims);
    let add = one_node(
        "Add",
        &[float("a", &[-1]), ValueInfo { dims: None, ..float("b", &[]) }],
        &[float("c", &[-1])],
    );
    let session = load(add).unwrap();
    let inputs = vec![floats("a", &[2], &[0.0; 2]), floats("b", &[3], &[0.0; 3])];
    let fault = now(run_all(session.as_ref(), inputs)).unwrap_err();
    assert_eq!(
        (fault.category, fault.code.as_str()),
        (FaultCategory::UnsupportedOperator, "operator-failed")
    );
}

/// A model of one node with these attributes; input `x` and output `y` are `float32` [1, 1, n].
fn node_model(
    operator: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: Vec<proto::AttributeProto>,
) -> Vec<u8> {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let node = proto::NodeProto {
        op_type: Some(operator.to_owned()),
        input: names(inputs),
        output: names(outputs),
        attribute: attributes,
        ..Default::default()
    };
    let float = |name: &&str| declaration(&value(name, DType::Float32, &[1, 1, -1]));
    file(proto::GraphProto {
        node: vec![node],
        input: inputs.iter().filter(|name| !name.is_empty()).map(float).collect(),
        output: outputs.iter().take(1).map(float).collect(),
        ..Default::default()
    })
}

fn text(name: &str, text: &str) -> proto::AttributeProto {
    proto::AttributeProto {
        name: Some(name.to_owned()),
        s: Some(text.to_owned()),
        r#type: Some(proto::AttributeType(3)),
        ..Default::default()
    }
}

#[test]
fn forms_that_would_be_wrong_are_refused_before_they_run() {
    let cubic = node_model("Resize", &["x", "", "s"], &["y"], vec![text("mode", "cubic")]);
    check_refused(
        &cubic,
        "unsupported-operator",
        "operator Resize (node \"Resize #0\"): cubic interpolation",
    );
    let aligned = vec![text("mode", "linear"), text("coordinate_transformation_mode", "align_corners")];
    check_refused(&node_model("Resize", &["x", "", "s"], &["y"], aligned), "unsupported-operator", "scales");
    check_refused(
        &node_model("GRU", &["x", "w", "r"], &["y"], Vec::new()),
        "unsupported-operator",
        "linear_before",
    );
    check_refused(
        &node_model("Pad", &["x", "p", "", "a"], &["y"], Vec::new()),
        "unsupported-operator",
        "axes",
    );
}

#[test]
fn defaults_are_written_out_and_unused_outputs_left_out() {
    let kernel = proto::AttributeProto {
        name: Some("kernel_shape".to_owned()),
        ints: vec![2],
        r#type: Some(proto::AttributeType::INTS),
        ..Default::default()
    };
    let session = load(node_model("MaxPool", &["x"], &["y", "indices"], vec![kernel])).unwrap();
    let outputs =
        now(run_all(session.as_ref(), vec![floats("x", &[1, 1, 4], &[1.0, 3.0, 2.0, 0.0])])).unwrap();
    assert_eq!(outputs, [floats("y", &[1, 1, 3], &[3.0, 3.0, 2.0])]);
}

#[test]
fn any_float_but_zero_is_true() {
    let to = proto::AttributeProto {
        name: Some("to".to_owned()),
        i: Some(i64::from(proto::DataType::BOOL.0)),
        r#type: Some(proto::AttributeType::INT),
        ..Default::default()
    };
    let node = proto::NodeProto {
        op_type: Some("Cast".to_owned()),
        input: vec!["x".to_owned()],
        output: vec!["y".to_owned()],
        attribute: vec![to],
        ..Default::default()
    };
    let session = load(file(proto::GraphProto {
        node: vec![node],
        input: vec![declaration(&value("x", DType::Float32, &[-1]))],
        output: vec![declaration(&value("y", DType::Bool, &[-1]))],
        ..Default::default()
    }))
    .unwrap();
    let x = [0.0, -0.0, 0.5, -0.5, 2.0, f32::NAN, f32::INFINITY];
    let outputs = now(run_all(session.as_ref(), vec![floats("x", &[7], &x)])).unwrap();
    assert_eq!(outputs, [Tensor::new("y", &[7], TensorData::Bool(vec![0, 0, 1, 1, 1, 1, 1]))]);
}
