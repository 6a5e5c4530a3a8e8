//! What is detached, what stays, and that nothing is lost.

use rten_onnx::onnx as proto;

use super::*;

/// An initializer of `length` bytes, all of them `fill`.
fn initializer(name: &str, length: usize, fill: u8) -> proto::TensorProto {
    proto::TensorProto {
        name: Some(name.to_owned()),
        dims: vec![length as i64],
        data_type: Some(proto::DataType::UINT8),
        raw_data: Some(vec![fill; length].into()),
        ..Default::default()
    }
}

/// Detaches initializers of these lengths; checks that each is found again and gives the length of the weights.
#[track_caller]
fn check(lengths: &[usize], expected_weight_bytes: usize) {
    let initializers: Vec<proto::TensorProto> = lengths
        .iter()
        .enumerate()
        .map(|(index, &length)| initializer(&format!("w{index}"), length, index as u8))
        .collect();
    let model = proto::ModelProto {
        ir_version: Some(8),
        graph: Some(proto::GraphProto { initializer: initializers, ..Default::default() }),
        ..Default::default()
    };
    let file = model.write_buf().unwrap();
    let detached = detach_weights(&file, "weights.data");
    let weights = detached.compact(file.clone());
    assert_eq!(weights.len(), expected_weight_bytes);
    let skeleton = proto::ModelProto::parse_buf(&detached.skeleton).unwrap();
    assert_eq!(skeleton.ir_version, Some(8));
    let initializers = skeleton.graph.unwrap().initializer;
    assert_eq!(initializers.len(), lengths.len());
    for (index, (tensor, &length)) in initializers.iter().zip(lengths).enumerate() {
        assert_eq!((tensor.name.clone(), &tensor.dims), (Some(format!("w{index}")), &vec![length as i64]));
        let data = match &tensor.raw_data {
            Some(raw) => raw.take(),
            None => {
                let value = |key: &str| {
                    let entry = tensor.external_data.iter().find(|entry| entry.key.as_deref() == Some(key));
                    entry.and_then(|entry| entry.value.clone()).unwrap()
                };
                assert_eq!(
                    (value("location").as_str(), tensor.data_location),
                    ("weights.data", Some(proto::DataLocation::EXTERNAL))
                );
                let (offset, length): (usize, usize) =
                    (value("offset").parse().unwrap(), value("length").parse().unwrap());
                assert_eq!(offset % ALIGNMENT, 0);
                let found = detached.find(offset, length).expect("the weight is where the skeleton says");
                assert_eq!(file[found.source..found.source + length], weights[offset..offset + length]);
                weights[offset..offset + length].to_vec()
            }
        };
        assert_eq!(data, vec![index as u8; length], "w{index}");
    }
}

#[test]
fn large_initializers_are_detached_and_aligned() {
    check(&[], 0);
    check(&[16, 0], 0);
    check(&[MIN_BYTES - 1], 0);
    check(&[MIN_BYTES], MIN_BYTES);
    check(&[WINDOW_BYTES, 100, 3 * WINDOW_BYTES], 4 * WINDOW_BYTES);
    check(&[MIN_BYTES + 1, MIN_BYTES + 2, 5, MIN_BYTES + 3], 3 * MIN_BYTES + 11);
}

#[test]
fn other_bytes_stay_whole() {
    let bytes = b"<!doctype html>".to_vec();
    assert_eq!(detach_weights(&bytes, "weights.data"), Detached { skeleton: bytes, weights: Vec::new() });
}
