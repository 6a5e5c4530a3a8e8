//! Agreement with SciPy to a relative 1e-9 on the cases of `testdata/scipy.txt`, which `goldens.py` made.

use stats::drift::{mann_kendall, theil_sen};
use stats::interval::{mean_difference, mean_interval, median_difference, median_interval, median_ratio};
use stats::{Design, Interval, Method, Sample, Summary, benjamini_hochberg, mann_whitney, student, welch};

const GOLDENS: &str = include_str!("../testdata/scipy.txt");

fn numbers(field: &str) -> Vec<f64> {
    field.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

fn bounds(interval: Interval) -> Vec<f64> {
    vec![interval.low, interval.high]
}

fn all(interval: Interval) -> Vec<f64> {
    vec![interval.estimate, interval.low, interval.high]
}

fn answer(question: &str, first: &[f64], second: &[f64]) -> Vec<f64> {
    let a = Sample::new(first).expect("usable values");
    let b = || Sample::new(second).expect("usable values");
    let level = second.first().copied().unwrap_or(0.95);
    match question {
        "summary" => {
            let s = Summary::of(&a);
            vec![
                s.min,
                s.lower_quartile,
                s.median,
                s.upper_quartile,
                s.max,
                s.mad,
                s.mean,
                s.sd.expect("spread"),
            ]
        }
        "welch" => {
            let test = welch(&a, &b()).expect("spread");
            vec![test.t, test.freedom, test.p_value]
        }
        "student" => {
            let test = student(&a).expect("spread");
            vec![test.t, test.p_value]
        }
        "mann_whitney" => {
            let test = mann_whitney(&a, &b()).expect("spread");
            vec![test.u, test.p_value]
        }
        "mean" => bounds(mean_interval(&a, level).expect("enough data")),
        "mean_difference" => bounds(mean_difference(&a, &b(), 0.95).expect("enough data")),
        "median" => bounds(median_interval(&a, level, Method::StudentT).expect("enough data")),
        "median_difference" => all(median_difference(&a, &b(), 0.95, Method::StudentT).expect("enough data")),
        "median_ratio" => all(median_ratio(&a, &b(), 0.95, Method::StudentT).expect("enough data")),
        "mann_kendall" => vec![mann_kendall(&a).expect("spread").p_value],
        "theil_sen" => all(theil_sen(&a, level).expect("spread")),
        "dip" => vec![stats::quality::dip(&a).expect("enough data")],
        "benjamini_hochberg" => benjamini_hochberg(first),
        "detectable" => {
            let design = Design { significance: first[2], power: first[3] };
            let n = first[1] as usize;
            vec![stats::minimum_detectable_effect(first[0], (n, n), design).expect("enough data")]
        }
        _ => panic!("unknown question {question}"),
    }
}

#[track_caller]
fn check(line: &str) {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let expected = numbers(fields[3]);
    let actual = answer(fields[0], &numbers(fields[1]), &numbers(fields[2]));
    assert_eq!(actual.len(), expected.len(), "{line}");
    for (actual, expected) in actual.iter().zip(&expected) {
        let error = (actual - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
        assert!(error <= 1e-9, "{actual} is not {expected} ({error:e}): {line}");
    }
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn every_answer_agrees_with_scipy() {
    let cases: Vec<&str> = GOLDENS.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(cases.len() > 50, "only {} cases", cases.len());
    for line in cases {
        check(line);
    }
}
