//! The tables of advice from a made-up history.

use super::*;
use crate::testing::{add_synthetic_campaign, synthetic_micros};

#[test]
fn tables() {
    let store = Store::in_memory().unwrap();
    let (fast, few) = (synthetic_micros(1, 20, 1e4, 0.02), synthetic_micros(2, 3, 2e4, 0.02));
    add_synthetic_campaign(&store, "test", 0, &[("magika", &fast), ("mine", &few)]);
    let folder = tempfile::tempdir().unwrap();
    let zoo = Zoo::open(&Cache::at(folder.path().to_owned())).unwrap();
    let mut document = document(&store, &zoo, &Filter::default()).unwrap();
    let mut slower = document.advice[0].choices[0].clone();
    slower = Choice {
        browser: "firefox".to_owned(),
        probability_best: Some(0.0),
        n_failed: 2,
        failure_ratio: 0.1,
        ..slower
    };
    document.advice[0].choices.push(slower);
    document.advice[0].confidence = Confidence::Sure;
    let profiles = profiles(&document.advice);
    let printer = Printer::plain();
    let now = 30 * 86_400_000_000;
    insta::assert_snapshot!(format!(
        "{}\n\n{}",
        choices(&document.advice, now, &printer),
        by_family(&profiles, &printer)
    ));
}
