//! Sentences and evidence about made-up regressions.

use super::*;
use crate::commands::trends;
use crate::store::Store;
use crate::testing::{synthetic_history, synthetic_micros};

fn described(levels: &[f64], print: impl Fn(&Described<'_>) -> String) -> String {
    let campaigns: Vec<Vec<f64>> =
        levels.iter().zip(1..).map(|(level, seed)| synthetic_micros(seed, 20, *level, 0.01)).collect();
    let store: Store = synthetic_history(&campaigns);
    let trends = gather(&store, &trends::tests::arguments()).unwrap();
    let mut found = describe(&store, &trends).unwrap();
    for one in &mut found {
        for circumstances in [&mut one.before_circumstances, &mut one.after_circumstances] {
            circumstances.as_mut().unwrap().time = "[time]".to_owned();
        }
    }
    found.iter().map(print).collect::<Vec<_>>().join("\n")
}

#[test]
fn sentences() {
    let slower = [1e4, 1e4, 1.2e4, 1.2e4];
    let taken_back = [1e4, 1e4, 1.3e4, 1.3e4, 1e4, 1e4];
    let drifting: Vec<f64> = (0..60).map(|index| 1e4 * (1.0 + 0.001 * f64::from(index))).collect();
    let texts = [slower.as_slice(), &taken_back, &drifting, &[1e4; 4]]
        .map(|levels| described(levels, |one| sentence(one, false)));
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn evidence_of_a_step() {
    insta::assert_snapshot!(described(&[1e4, 1e4, 1.2e4, 1.2e4], evidence));
}

#[test]
fn what_changed_with_it_is_said() {
    let text = described(&[1e4, 1e4, 1.2e4, 1.2e4], |one| {
        let after = one.after_circumstances.clone().map(|after| Circumstances {
            browser_version: "2.0".to_owned(),
            engine_version: String::new(),
            ..after
        });
        let series = one.series;
        let before = one.before_circumstances.clone();
        changes(&Described { before_circumstances: before, after_circumstances: after, series, ..*one })
            .join(" and ")
    });
    assert_eq!(text, "the browser changed from 1.2.3 to 2.0");
}
