//! Cases for `Cast` between the types that every backend holds: those of ONNX only cast to and from rarer ones.

use anyhow::{Context as _, Result};
use rten_onnx::onnx as proto;
use wire::{DType, TensorHeader};

use crate::node_case::{DataSet, NodeCase, WireTensor};
use crate::onnx;

/// Types with their numbers in `TensorProto.DataType` and the values to cast; integers and booleans truncate them.
const TYPES: [(DType, i32); 6] = [
    (DType::Float32, 1),
    (DType::Uint8, 2),
    (DType::Int8, 3),
    (DType::Int32, 6),
    (DType::Int64, 7),
    (DType::Bool, 9),
];

/// On both sides of zero and of a half, and within every type that has a sign.
const VALUES: [f64; 9] = [-100.7, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.9, 100.7];

/// One case for each ordered pair of types.
///
/// # Errors
/// A model cannot be written.
pub fn cases() -> Result<Vec<NodeCase>> {
    let pairs = TYPES.iter().flat_map(|from| TYPES.iter().map(move |to| (from, to)));
    pairs.filter(|(from, to)| from != to).map(|(from, to)| case(from, to)).collect()
}

fn case(&(from, from_number): &(DType, i32), &(to, to_number): &(DType, i32)) -> Result<NodeCase> {
    // What an unsigned integer holds of a negative number is nobody's promise.
    let is_defined = |value: &f64| *value >= 0.0 || (from != DType::Uint8 && to != DType::Uint8);
    let values: Vec<f64> = VALUES.into_iter().filter(is_defined).map(|value| held(from, value)).collect();
    let cast: Vec<f64> = values.iter().map(|&value| held(to, value)).collect();
    let to_type = proto::AttributeProto {
        name: Some("to".to_owned()),
        i: Some(i64::from(to_number)),
        r#type: Some(proto::AttributeType::INT),
        ..Default::default()
    };
    let declared =
        |name, number| onnx::declaration(name, proto::DataType(number), vec![onnx::length(values.len())]);
    let graph = proto::GraphProto {
        node: vec![proto::NodeProto { attribute: vec![to_type], ..onnx::node("Cast", &["x"], &["y"]) }],
        input: vec![declared("x", from_number)],
        output: vec![declared("y", to_number)],
        ..Default::default()
    };
    let name = format!("cast_{}_to_{}", from.as_str(), to.as_str());
    Ok(NodeCase {
        model: onnx::file(graph).with_context(|| name.clone())?,
        name,
        operator: "Cast".to_owned(),
        data_sets: Ok(vec![DataSet {
            inputs: vec![tensor("x", from, &values)],
            outputs: vec![tensor("y", to, &cast)],
        }]),
    })
}

/// `value` as a variable of this type has it after a cast: ONNX truncates toward zero.
fn held(dtype: DType, value: f64) -> f64 {
    match dtype {
        DType::Float32 | DType::Float16 => f64::from(value as f32),
        DType::Int64 | DType::Int32 | DType::Int8 | DType::Uint8 => value.trunc(),
        DType::Bool => f64::from(u8::from(value != 0.0)),
    }
}

fn tensor(name: &str, dtype: DType, values: &[f64]) -> WireTensor {
    let bytes = |value: &f64| match dtype {
        DType::Float32 => (*value as f32).to_le_bytes().to_vec(),
        DType::Int64 => (*value as i64).to_le_bytes().to_vec(),
        DType::Int32 => (*value as i32).to_le_bytes().to_vec(),
        DType::Int8 => (*value as i8).to_le_bytes().to_vec(),
        DType::Uint8 | DType::Bool => vec![*value as u8],
        DType::Float16 => unreachable!("it is not among the types"),
    };
    let dims = vec![values.len() as u32];
    let header = TensorHeader { name: name.to_owned(), dtype, dims };
    WireTensor { header, bytes: values.iter().flat_map(bytes).collect() }
}
