//! Advice from made-up runs.

use super::*;
use crate::testing::{series, synthetic_micros};

/// `n` made-up runs around a level in one browser, and so many that failed.
fn measured(browser: &str, n: usize, level: f64, n_failed: usize) -> Measured {
    let micros = synthetic_micros(level as u64, n, level, 0.02);
    let point = |(micros, index): (f64, i64)| Point { started_unix_micros: index, campaign: Some(1), micros };
    Measured {
        series: Series { browser: browser.to_owned(), ..series("tiny") },
        points: micros.into_iter().zip(0..).map(point).collect(),
        n_failed,
        ..Measured::default()
    }
}

#[track_caller]
fn check(measured: Vec<Measured>, confidence: Confidence, order: &[&str]) -> Advice {
    let mut advice = advise(measured, |_| "family".to_owned(), 100).unwrap();
    assert_eq!(advice.len(), 1);
    let advice = advice.remove(0);
    let found: Vec<&str> = advice.choices.iter().map(|choice| choice.browser.as_str()).collect();
    assert_eq!((advice.confidence, found.as_slice()), (confidence, order), "{advice:#?}");
    advice
}

#[test]
fn the_fastest_is_best_when_that_is_sure() {
    let advice = check(
        vec![measured("a", 20, 1.5e4, 0), measured("b", 20, 1e4, 0), measured("c", 20, 2e4, 0)],
        Confidence::Sure,
        &["b", "a", "c"],
    );
    assert!(advice.choices[0].probability_best.unwrap() > 0.99);
    check(vec![measured("a", 20, 1.01e4, 0), measured("b", 20, 1e4, 0)], Confidence::Undecided, &["b", "a"]);
    check(vec![measured("a", 20, 1e4, 0)], Confidence::OnlyChoice, &["a"]);
}

#[test]
fn failures_count_against() {
    check(vec![measured("a", 20, 1.5e4, 0), measured("b", 20, 1e4, 15)], Confidence::Sure, &["a", "b"]);
    let unreliable = vec![measured("a", 20, 1.5e4, 0), measured("b", 20, 1e3, 20)];
    let advice = check(unreliable, Confidence::Sure, &["a", "b"]);
    assert!(advice.choices[1].is_unreliable && advice.choices[1].probability_best.is_none());
    check(vec![measured("a", 0, 1e4, 3)], Confidence::NotEnoughData, &["a"]);
    let lost = Measured {
        series: Series { backend: "wasm".to_owned(), ..measured("a", 0, 1e4, 0).series },
        ..measured("a", 0, 1e4, 5)
    };
    let advice = check(vec![lost, measured("a", 15, 1e4, 0)], Confidence::OnlyChoice, &["a"]);
    assert_eq!((advice.choices[0].n_failed, advice.choices[0].failure_ratio), (5, 0.25));
}

#[test]
fn too_few_runs_are_said() {
    let advice = check(
        vec![measured("a", 3, 2e4, 0), measured("b", 20, 1e4, 0)],
        Confidence::NotEnoughData,
        &["b", "a"],
    );
    assert_eq!(advice.n_missing, 2);
}

#[test]
fn campaigns_that_differ_widely_leave_it_open() {
    let restless = |browser: &str, level: f64, seed: u64| {
        let mut one = measured(browser, 0, level, 0);
        for (campaign, level) in synthetic_micros(seed, 8, level, 0.2).into_iter().enumerate() {
            let time = 1000 * campaign as i64;
            let campaign = Some(campaign as i64);
            one.points.extend((0..20).map(|run| Point {
                started_unix_micros: time + run,
                campaign,
                micros: level + run as f64,
            }));
        }
        one
    };
    check(vec![restless("a", 1e4, 1), restless("b", 1.05e4, 1)], Confidence::Undecided, &["a", "b"]);
}

#[test]
fn doubts_are_about_the_latest_day_of_visitors() {
    const DAY: i64 = 86_400_000_000;
    let visits = |day: i64, level: f64| {
        let micros = synthetic_micros(day as u64, 40, level, 0.01);
        micros.into_iter().zip(day * DAY..).map(|(micros, started_unix_micros)| Point {
            started_unix_micros,
            campaign: None,
            micros,
        })
    };
    let points = visits(0, 2e4).chain(visits(1, 1e4)).collect();
    let one = Measured { points, ..measured("a", 0, 1e4, 0) };
    let choice = check(vec![one], Confidence::OnlyChoice, &["a"]).choices.remove(0);
    assert_eq!((choice.n, choice.n_campaigns, choice.warnings.as_slice()), (80, 2, [].as_slice()));
}

#[test]
fn rolled_up_campaigns_count() {
    let rolled_up = |browser: &str, level: f64| {
        let medians = synthetic_micros(level as u64, 8, level, 0.01);
        let point =
            |(micros, index): (f64, i64)| Point { started_unix_micros: index, campaign: Some(index), micros };
        Measured {
            rolled_up: medians.into_iter().zip(0..).map(point).collect(),
            n_rolled_up: 160,
            ..measured(browser, 0, level, 0)
        }
    };
    let advice = check(vec![rolled_up("a", 1.2e4), rolled_up("b", 1e4)], Confidence::Sure, &["b", "a"]);
    assert_eq!((advice.choices[0].n, advice.choices[0].n_campaigns), (160, 8));
}

#[test]
fn precisions_of_one_model_are_compared_with_their_price() {
    let one = |model: &str, precision: &str, level: f64| {
        let series = Series {
            model: model.to_owned(),
            precision: precision.to_owned(),
            case: "1x16".to_owned(),
            ..series(model)
        };
        Measured { series, ..measured("a", 20, level, 0) }
    };
    let all =
        vec![one("minilm-l6", "f32", 2e4), one("minilm-l6-int8", "int8", 1e4), one("other", "f32", 1e4)];
    let advice = advise(all, |_| String::new(), 100).unwrap();
    let found = precisions(&advice, &crate::golden::built_in().unwrap());
    assert_eq!((found.len(), found[0].model.as_str(), found[0].is_sure), (1, "minilm-l6", true));
    let [fast, full] = found[0].choices.as_slice() else { panic!("{found:#?}") };
    assert_eq!((fast.precision.as_str(), full.precision.as_str()), ("int8", "f32"));
    assert!((full.times_best - 2.0).abs() < 0.1 && full.cosine_to_f32.is_none(), "{found:#?}");
    assert!((0.99..1.0).contains(&fast.cosine_to_f32.unwrap()), "{found:#?}");
}

#[test]
fn adapters_have_profiles_of_their_own() {
    let on = |adapter: &str, level: f64| {
        let one = measured("a", 20, level, 0);
        Measured { series: Series { adapter: adapter.to_owned(), ..one.series }, ..one }
    };
    let advice = advise(vec![on("slow", 2e4), on("fast", 1e4)], |_| String::new(), 100).unwrap();
    let found = profiles(&advice);
    let ranks: Vec<_> = found.iter().map(|one| (one.rank, one.adapter.as_str(), one.n_best)).collect();
    assert_eq!(ranks, [(1, "fast", 1), (2, "slow", 0)]);
}

#[test]
fn profiles_compare_with_the_best() {
    let mut all = vec![measured("a", 20, 1e4, 0), measured("b", 20, 4e4, 5)];
    all.extend(
        [measured("a", 20, 1e4, 0), measured("b", 20, 1e4, 0)]
            .map(|one| Measured { series: Series { model: "big".to_owned(), ..one.series }, ..one }),
    );
    let advice = advise(all, |_| "family".to_owned(), STALE_MICROS + 100).unwrap();
    assert!(advice[0].choices[0].is_stale);
    let found = profiles(&advice);
    assert_eq!((found.len(), found[0].browser.as_str(), found[1].n_failed), (2, "a", 5));
    assert!((found[0].times_best - 1.0).abs() < 0.02, "{found:#?}");
    assert!((found[1].times_best - 5.0_f64.sqrt()).abs() < 0.1, "{found:#?}");
    assert_eq!(found[0].traits, ["strong"]);
    assert_eq!(found[1].traits, ["weak", "unreliable"]);
}
