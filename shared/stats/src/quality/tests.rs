//! Which samples are doubted, by simulation. Agreement of the dip with another program is tested in `tests/scipy.rs`.

use super::*;
use crate::random::Random;

/// Share of 400 samples of 100 values that raise the wanted kind of warning.
fn warned(is_wanted: fn(&Warning) -> bool, mut next: impl FnMut(&mut Random, f64) -> f64) -> f64 {
    let mut random = Random::new(17);
    let n_warned = (0..400)
        .filter(|_| {
            let mut previous = 0.0;
            let mut draw = || {
                previous = next(&mut random, previous);
                previous
            };
            let values: Vec<f64> = (0..100).map(|_| draw()).collect();
            warnings(&Sample::new(&values).expect("usable values")).iter().any(is_wanted)
        })
        .count();
    n_warned as f64 / 400.0
}

fn is_autocorrelated(warning: &Warning) -> bool {
    matches!(warning, Warning::Autocorrelated { .. })
}

fn is_multimodal(warning: &Warning) -> bool {
    matches!(warning, Warning::Multimodal { .. })
}

#[test]
fn independent_normal_values_raise_no_doubt() {
    assert!(warned(is_autocorrelated, |random, _| random.normal()) <= 0.02);
    assert!(warned(is_multimodal, |random, _| random.normal()) <= 0.01);
    // Uniform values are the hardest case with one cluster: 1 % of warnings, and three standard errors.
    assert!(warned(is_multimodal, |random, _| random.uniform()) <= 0.025);
}

#[test]
fn persistence_and_two_clusters_do() {
    assert!(warned(is_autocorrelated, |random, previous| 0.6 * previous + random.normal()) >= 0.99);
    let two_clusters =
        |random: &mut Random, _| if random.uniform() < 0.5 { 0.0 } else { 6.0 } + random.normal();
    assert!(warned(is_multimodal, two_clusters) >= 0.99);
    assert!(warned(is_autocorrelated, two_clusters) <= 0.02);
}

#[test]
fn persistence_shrinks_the_effective_sample() {
    let mut random = Random::new(23);
    let mut previous = 0.0;
    let mut draw = || {
        previous = 0.6 * previous + random.normal();
        previous
    };
    let values: Vec<f64> = (0..4_000).map(|_| draw()).collect();
    let measured = autocorrelation(&Sample::new(&values).expect("usable values")).expect("enough data");
    // The theory says (1 − φ) / (1 + φ) = 1/4 of the values.
    assert!((800.0..1200.0).contains(&measured.n_effective), "{measured:?}");
    assert!((measured.lag_one - 0.6).abs() < 0.05);
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let sample = |values: &[f64]| Sample::new(values).expect("usable values");
    let error = |have, need| StatsError::NotEnoughData { have, need };
    assert_eq!(autocorrelation(&sample(&[1.0, 2.0])), Err(error(2, 10)));
    assert_eq!(autocorrelation(&sample(&[1.0; 10])), Err(StatsError::NoSpread));
    assert_eq!(dip(&sample(&[1.0, 2.0])), Err(error(2, 20)));
    assert_eq!(dip(&sample(&[1.0; 20])), Err(StatsError::NoSpread));
    assert_eq!(warnings(&sample(&[1.0, 2.0])), []);
}
