//! Shapes from a contract and from the caller.

use super::*;
use crate::exit::{Exit, verdict};
use crate::zoo::manifest::ModelFacts;

type Contract<'a> = &'a [(&'a str, DType, &'a [Dim])];

fn symbol(name: &str) -> Dim {
    Dim::Symbolic(name.to_owned())
}

fn golden_of(contract: Contract<'_>, lengths: &[(&str, u32)]) -> anyhow::Result<Golden> {
    let value = |&(name, _, dims): &(&str, DType, &[Dim])| ValueContract {
        name: name.to_owned(),
        dtype: None,
        dims: Some(dims.to_vec()),
    };
    let header = |&(name, dtype, _): &(&str, DType, &[Dim])| TensorHeader {
        name: name.to_owned(),
        dtype,
        dims: Vec::new(),
    };
    let entry = Entry {
        id: "mine".to_owned(),
        kind: EntryKind::Model(ModelFacts {
            family: "unknown".to_owned(),
            precision: wire::Precision::Unknown,
            inputs: contract.iter().map(header).collect(),
            outputs: Vec::new(),
        }),
        licence: "unknown".to_owned(),
        sha256: String::new(),
        size_bytes: 0,
        source: Source::Added("mine.onnx".to_owned()),
    };
    let lengths = lengths.iter().map(|&(name, length)| (name.to_owned(), length)).collect();
    golden(&entry, &contract.iter().map(value).collect::<Vec<_>>(), &lengths)
}

#[track_caller]
fn check(contract: Contract<'_>, lengths: &[(&str, u32)], expected: &str) {
    let golden = golden_of(contract, lengths).unwrap();
    assert_eq!(golden.cases.len(), 1);
    assert_eq!((golden.cases[0].id.as_str(), golden.cases[0].outputs.len()), (expected, 0));
}

#[track_caller]
fn check_refused(contract: Contract<'_>, lengths: &[(&str, u32)], expected: &str) {
    let error = golden_of(contract, lengths).unwrap_err();
    assert_eq!(verdict(&error).0, Exit::Usage);
    assert!(format!("{error:#}").contains(expected), "{error:#} lacks {expected:?}");
}

#[test]
fn lengths_come_from_the_file_the_caller_and_the_batch() {
    use DType::{Float32, Int64};
    check(&[("x", Float32, &[Dim::Fixed(2), Dim::Fixed(3)])], &[], "2x3");
    check(&[("x", Float32, &[symbol("batch"), Dim::Fixed(3)])], &[], "1x3");
    check(&[("x", Float32, &[symbol("batch"), Dim::Fixed(3)])], &[("batch", 4)], "4x3");
    check(&[("x", Float32, &[Dim::Unknown, Dim::Unknown])], &[("x[1]", 5)], "1x5");
    check(&[("x", Float32, &[symbol("?"), symbol("?")])], &[("x[1]", 5)], "1x5");
    check(&[("x", Float32, &[])], &[], "scalar");
    let text: Contract<'_> =
        &[("ids", Int64, &[symbol("n"), symbol("s")]), ("mask", Int64, &[symbol("n"), symbol("s")])];
    check(text, &[("s", 16)], "1x16");
    let square: Contract<'_> =
        &[("x", Float32, &[symbol("n"), Dim::Fixed(2)]), ("y", Float32, &[Dim::Fixed(2), symbol("n")])];
    check(square, &[], "1x2+2x1");
}

#[test]
fn what_nobody_says_is_named() {
    use DType::{Float16, Float32};
    let image: Contract<'_> = &[("x", Float32, &[symbol("n"), Dim::Unknown, symbol("w"), symbol("h")])];
    check_refused(image, &[("w", 8)], "mine does not say how long h, x[1] is");
    assert_eq!(verdict(&golden_of(image, &[]).unwrap_err()).1, Some("say it, e.g. --dim h=16"));
    check_refused(&[("x", Float16, &[Dim::Fixed(1)])], &[], "float16 inputs are not supported");
    check_refused(&[("x", Float32, &[symbol("n"), symbol("w")])], &[("w", u32::MAX)], "input x is too large");
}
