//! Which lengths a list of names gives.

use super::*;

/// `x` is [n, seq_in, 3, ?], `mask` is [n].
fn model() -> Model {
    let dim = |name: &str| {
        [b"\x0a", [name.len() as u8 + 2, 0x12, name.len() as u8].as_slice(), name.as_bytes()].concat()
    };
    let message = |tag: u8, body: &[u8]| [&[tag, body.len() as u8], body].concat();
    let input = |name: &str, dims: &[Vec<u8>]| {
        let tensor = [vec![0x08, 1], message(0x12, &dims.concat())].concat();
        let value = [message(0x0a, name.as_bytes()), message(0x12, &message(0x0a, &tensor))].concat();
        message(0x5a, &value)
    };
    let fixed = b"\x0a\x02\x08\x03".to_vec();
    let unknown = b"\x0a\x00".to_vec();
    let graph = [
        input("x", &[dim("n"), dim("seq_in"), fixed, unknown]),
        input("mask", &[dim("n")]),
        message(0x62, b"\x0a\x01x"),
    ]
    .concat();
    let file = [b"\x08\x08\x42\x02\x10\x11".to_vec(), message(0x3a, &graph)].concat();
    Model::load(&file).unwrap()
}

#[track_caller]
fn check(given: &[(&str, usize)], expected: Result<&[&[usize]], &str>) {
    let given: Vec<(String, usize)> = given.iter().map(|&(name, length)| (name.to_owned(), length)).collect();
    let facts =
        facts(&model(), &given).map(|(facts, _)| facts.into_iter().map(|fact| fact.dims).collect::<Vec<_>>());
    match expected {
        Ok(expected) => assert_eq!(facts.unwrap(), expected),
        Err(expected) => assert_eq!(facts.unwrap_err().to_string(), expected),
    }
}

#[test]
fn every_open_dimension_needs_a_length() {
    check(&[("n", 2), ("seq_in", 5), ("x.3", 7)], Ok(&[&[2, 5, 3, 7], &[2]]));
    check(&[("n", 2), ("seq", 5), ("x", 7)], Ok(&[&[2, 5, 3, 7], &[2]]));
    check(&[("n", 2), ("x.3", 7)], Err("the length of \"seq_in\" is not given"));
    check(&[("batch", 2)], Err("no dimension is \"batch\""));
}

#[test]
fn dimensions_are_names_with_lengths() {
    assert_eq!(parse_dimension("batch=8"), Ok(("batch".to_owned(), 8)));
    assert_eq!(parse_dimension("batch"), Err("it is not NAME=LENGTH".to_owned()));
    assert_eq!(parse_dimension("batch=-1"), Err("\"-1\" is not a length".to_owned()));
}
