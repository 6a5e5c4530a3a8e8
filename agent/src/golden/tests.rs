//! What a golden file may and may not say.

use super::*;
use crate::testing::GOLDEN;

#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    assert!(GOLDEN.contains(from));
    let error = format!("{:#}", Golden::parse(&GOLDEN.replace(from, to)).unwrap_err());
    assert!(error.contains(expected), "{error:?} lacks {expected:?}");
}

#[test]
fn a_golden_is_read() {
    let golden = Golden::parse(GOLDEN).unwrap();
    assert_eq!(golden.cases[0].inputs[0].header.dims, [1, 2]);
    assert_eq!(golden.cases[0].outputs[0].values, [0.5, 1.5, 2.5]);
}

#[test]
fn mistakes_are_named() {
    check("[1, 2]}", "[1]}", "case 1x2: input x: 1 values for 2 elements");
    check("1.5, 2.5", "1.5", "output y: 2 values, expected 3");
    check("\"stride\": 2", "\"stride\": 0", "stride is 0");
    check("{\"values\"", "{\"valu\"", "unknown variant `valu`");
    check("\"made_by\": \"test\",", "", "missing field `made_by`");
}

#[test]
fn every_built_in_golden_is_right_and_of_a_known_model() {
    let zoo = crate::zoo::manifest::Manifest::built_in().unwrap();
    for golden in built_in().unwrap() {
        let entry = zoo.entries.iter().find(|entry| entry.id == golden.model);
        let sha256 = entry.map(|entry| entry.sha256.as_str());
        assert_eq!(sha256, Some(golden.sha256.as_str()), "{}", golden.model);
    }
}

#[test]
fn half_precision() {
    for (bits, expected) in
        [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 2_f64.powi(-24)), (0x7bff, 65504.0), (0x7c00, f64::INFINITY)]
    {
        assert_eq!(half(bits), expected, "{bits:#06x}");
    }
    assert!(half(0x7e00).is_nan());
}
