//! Comparisons of simulated campaigns: alarms without a change, and findings with one.

use super::*;
use crate::random::Random;

/// Campaign of an AR(1) process with the given persistence, around a location, with 3 % noise.
fn campaign(random: &mut Random, location: f64, persistence: f64, n: usize) -> Sample {
    let mut noise = random.normal();
    let innovation = (1.0 - persistence * persistence).sqrt();
    let mut draw = || {
        noise = persistence * noise + innovation * random.normal();
        location * (1.0 + 0.03 * noise)
    };
    let values: Vec<f64> = (0..n).map(|_| draw()).collect();
    Sample::new(&values).expect("usable values")
}

/// Share of 300 comparisons with a p-value below 5 %.
fn share_significant(candidate_location: f64, persistence: f64) -> f64 {
    let mut random = Random::new(29);
    let config =
        ComparisonConfig { bootstrap: Bootstrap { resamples: 100, seed: 1 }, ..ComparisonConfig::default() };
    let n_significant = (0..300)
        .filter(|_| {
            let baseline = campaign(&mut random, 100.0, persistence, 60);
            let candidate = campaign(&mut random, candidate_location, persistence, 60);
            Comparison::new(&baseline, &candidate, config).expect("enough data").rank_test.p_value < 0.05
        })
        .count();
    n_significant as f64 / 300.0
}

#[test]
fn alarms_stay_near_the_nominal_rate_even_with_persistent_noise() {
    assert!(share_significant(100.0, 0.0) <= 0.08);
    // Without the inflated variance this would be 0.3.
    assert!(share_significant(100.0, 0.6) <= 0.12);
}

#[test]
fn a_real_difference_is_found() {
    assert!(share_significant(103.0, 0.0) >= 0.99);
}

#[test]
fn too_few_values_are_refused() {
    let few = Sample::new(&[1.0, 2.0, 3.0]).expect("usable values");
    let refusal = Comparison::new(&few, &few, ComparisonConfig::default());
    assert_eq!(refusal, Err(StatsError::NotEnoughData { have: 3, need: 5 }));
}
