//! ONNX's node cases against the wasm backend and its fallback, compiled natively.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tabpool_tests::node_case::NodeCase;
use tabpool_tests::operator_table::{Expectations, Row};
use tabpool_tests::verdict::{Outcome, Verdict, judge};
use tabpool_tests::{cache, native};
use wire::Backend;

fn verdict(case: &NodeCase) -> Verdict {
    let run = || -> Outcome {
        let session = native::load(case.model.clone())?;
        let data_sets = case.data_sets.iter().flatten();
        data_sets.map(|data_set| native::run(session.as_ref(), &data_set.inputs)).collect()
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => judge(case, outcome),
        Err(_) => Verdict::Fail("the engine panicked".to_owned()),
    }
}

#[test]
fn every_case_ends_as_the_table_says() {
    let expectations = Expectations::read().expect("the expectations are well-formed");
    let package = cache::bytes("onnx-node-cases").expect("test data is in the cache");
    let cases = expectations.cases(package).expect("the package is whole");
    let rows: Vec<Row> = cases.iter().map(|case| Row::new(case, verdict(case))).collect();
    let differences = expectations.differences(Backend::Wasm, &rows).expect("the table can be read");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn every_operator_of_the_zoo_is_tried() {
    let expectations = Expectations::read().expect("the expectations are well-formed");
    let tried: BTreeSet<String> = expectations.operators.into_iter().collect();
    for file in cache::Zoo::read().expect("the zoo is well-formed").model {
        let bytes = file.bytes().expect("models are in the cache");
        let used: BTreeSet<String> =
            model::inspect(&bytes).expect("the model is whole").operators.into_keys().collect();
        let missing: Vec<&String> = used.difference(&tried).collect();
        assert!(missing.is_empty(), "{}: {missing:?} are not in node_cases.toml", file.id);
    }
}
