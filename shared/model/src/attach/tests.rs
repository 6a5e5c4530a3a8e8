//! What is attached, and what is refused.

use rten_onnx::onnx as proto;

use super::*;
use crate::load::Model;
use crate::testing::FileBuilder;

/// `y = x + w` with `w` in another file, as these entries say.
fn file(entries: &[(&str, &str)]) -> Vec<u8> {
    let entry = |&(key, value): &(&str, &str)| proto::StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    FileBuilder::new(17)
        .input("x", proto::DataType::FLOAT, &[2])
        .initializer(proto::TensorProto {
            name: Some("w".to_owned()),
            dims: vec![2],
            data_type: Some(proto::DataType::FLOAT),
            external_data: entries.iter().map(entry).collect(),
            data_location: Some(proto::DataLocation::EXTERNAL),
            ..Default::default()
        })
        .node("Add", "x w", "y")
        .bytes("y")
}

fn sides() -> BTreeMap<String, Vec<u8>> {
    let bytes = [9.0_f32, 1.0, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    BTreeMap::from([("data/w.bin".to_owned(), bytes)])
}

#[track_caller]
fn refused(entries: &[(&str, &str)], expected: &str) {
    let error = attach_weights(&file(entries), &sides()).expect_err("it is refused");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn weights_are_attached_where_the_model_says() {
    for (entries, expected) in [
        (&[("location", "data/w.bin"), ("offset", "4"), ("length", "8")][..], [1.0, 2.0]),
        (&[("location", "data/w.bin")][..], [9.0, 1.0]),
    ] {
        let split = file(entries);
        assert_eq!(side_files(&split), Ok(BTreeSet::from(["data/w.bin".to_owned()])));
        Model::load(&split).expect_err("a weight is elsewhere");
        let whole = attach_weights(&split, &sides()).expect("the weight is there");
        assert_eq!(side_files(&whole), Ok(BTreeSet::new()));
        let model = Model::load(&whole).expect("everything is inside");
        let weight = model.constants.iter().flatten().next().expect("there is a weight");
        assert_eq!(weight.data().as_f32(), Some(&expected[..]));
    }
}

#[test]
fn files_that_are_missing_or_short_are_refused() {
    let too_long = &[("location", "data/w.bin"), ("offset", "8"), ("length", "8")];
    refused(too_long, "weight `w` is not in `data/w.bin`: it has 12 bytes, not 8 + 8");
    refused(&[("location", "b")], "weight `w` is not in `b`: it has 0 bytes, not 0 + 8");
    let huge = &[("location", "data/w.bin"), ("offset", "18446744073709551615"), ("length", "x")];
    refused(
        huge,
        "weight `w` is not in `data/w.bin`: it has 12 bytes, not 18446744073709551615 + 18446744073709551615",
    );
    // A length that is not the shape's is found when the file is read.
    let short = attach_weights(&file(&[("location", "data/w.bin"), ("length", "4")]), &sides());
    let error = Model::load(&short.expect("the bytes are there")).expect_err("one element is missing");
    assert!(error.to_string().contains("not as long as its dimensions say"), "{error}");
}

#[test]
fn paths_out_of_the_folder_are_refused() {
    for location in
        ["", "/etc/passwd", "../w.bin", "a/../../w.bin", "a//b", "C:w.bin", "..\\w.bin", "a\0b", "./w.bin"]
    {
        let error = side_files(&file(&[("location", location)])).expect_err("it is refused");
        assert!(matches!(error, AttachError::Location { .. }), "{location:?}: {error}");
    }
}
