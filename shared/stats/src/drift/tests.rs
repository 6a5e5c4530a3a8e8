//! Drifts that must be found, noise that must not be, and refusals. Agreement with SciPy is tested in `tests/scipy.rs`.

use super::*;
use crate::random::Random;

/// Share of 300 series of 60 values with 1 % noise in which a drift is found at 1 %.
fn share_found(total_drift: f64, persistence: f64) -> f64 {
    let mut random = Random::new(37);
    let n_found = (0..300)
        .filter(|_| {
            let mut noise = random.normal();
            let innovation = (1.0 - persistence * persistence).sqrt();
            let mut draw = |index: usize| {
                noise = persistence * noise + innovation * random.normal();
                100.0 * (1.0 + total_drift * index as f64 / 59.0 + 0.01 * noise)
            };
            let values: Vec<f64> = (0..60).map(&mut draw).collect();
            drift(&Sample::new(&values).expect("usable values"), 0.95).expect("enough data").p_value < 0.01
        })
        .count();
    n_found as f64 / 300.0
}

#[test]
fn a_drift_of_two_percent_in_one_percent_noise_is_found_by_sixty_values() {
    let found = share_found(0.02, 0.0);
    assert!(found >= 0.8, "{found}");
}

#[test]
fn noise_is_no_drift_even_if_it_persists() {
    let (white, persistent) = (share_found(0.0, 0.0), share_found(0.0, 0.6));
    assert!(white <= 0.01, "{white}");
    assert!(persistent <= 0.015, "{persistent}");
}

#[test]
fn a_perfect_line_is_measured_exactly() {
    let values: Vec<f64> = (0..21).map(|index| libm::exp(f64::from(index) * 0.01)).collect();
    let found = drift(&Sample::new(&values).expect("usable values"), 0.95).expect("enough data");
    assert!((found.ratio.estimate - libm::exp(0.2)).abs() < 1e-9);
    assert!(found.p_value < 1e-3);
}

#[test]
fn only_the_latest_values_count() {
    let values: Vec<f64> =
        (0..2_000).map(|index| if index < 1_000 { 5.0 } else { 9.0 + f64::from(index % 3) }).collect();
    let found = drift(&Sample::new(&values).expect("usable values"), 0.95).expect("enough data");
    assert_eq!(found.n, MAX_N);
    assert!(found.p_value > 0.5);
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let sample = |values: &[f64]| Sample::new(values).expect("usable values");
    assert_eq!(drift(&sample(&[1.0; 9]), 0.95), Err(StatsError::NotEnoughData { have: 9, need: 10 }));
    assert_eq!(drift(&sample(&[1.0; 10]), 0.95), Err(StatsError::NoSpread));
    assert_eq!(mann_kendall(&sample(&[1.0, 2.0])), Err(StatsError::NotEnoughData { have: 2, need: 3 }));
    let rising = sample(&[1.0, 2.0, 3.0]);
    assert_eq!(theil_sen(&rising, 0.0), Err(StatsError::OutOfRange { parameter: "level", value: 0.0 }));
}
