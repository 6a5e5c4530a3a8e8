//! What is reported, when, and what must not be: scripted series and seeded simulation.

use super::*;
use crate::random::Random;

/// Series around 100 with relative Gaussian noise; the level is multiplied where a change says so.
fn series(seed: u64, n: usize, noise: f64, changes: &[(usize, f64)]) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut level = 100.0;
    let mut draw = |index: usize| {
        for &(_, factor) in changes.iter().filter(|change| change.0 == index) {
            level *= factor;
        }
        level * (1.0 + noise * random.normal())
    };
    (0..n).map(&mut draw).collect()
}

fn reports(values: &[f64]) -> Vec<Change> {
    detect(values, DetectorConfig::default()).expect("usable values")
}

/// The reported changes are the expected ones, each within two values.
#[track_caller]
fn check(values: &[f64], expected: &[usize]) {
    let indices: Vec<usize> = reports(values).iter().map(|change| change.index).collect();
    let is_near = |(actual, expected): (&usize, &usize)| actual.abs_diff(*expected) <= 2;
    let agree = indices.len() == expected.len() && indices.iter().zip(expected).all(is_near);
    assert!(agree, "{indices:?} instead of {expected:?}");
}

#[test]
fn steps_are_found_where_they_are() {
    check(&series(1, 120, 0.02, &[(60, 1.1)]), &[60]);
    check(&series(2, 120, 0.02, &[(60, 0.9)]), &[60]);
    check(&series(3, 240, 0.03, &[(80, 1.2), (140, 1.0 / 1.2)]), &[80, 140]);
    check(&series(4, 40, 0.02, &[(20, 1.5), (26, 1.0 / 1.5)]), &[20, 26]);
    check(&series(5, 60, 0.01, &[(30, 1.02)]), &[30]);
}

#[test]
fn a_tripled_latency_within_a_day_is_found() {
    let values = series(6, 24, 0.05, &[(16, 3.0)]);
    check(&values, &[16]);
    let change = reports(&values)[0];
    assert!(change.ratio.low > 2.5 && change.ratio.high < 3.5, "{change:?}");
    assert!(change.p_value < 1e-6);
}

#[test]
fn a_clear_step_is_reported_at_its_third_value() {
    for seed in 10..30 {
        let first = reports(&series(seed, 63, 0.02, &[(60, 1.25)]))[0];
        assert_eq!((first.index, first.confirmed_at), (60, 62));
    }
}

#[test]
fn outliers_drifts_waves_and_constants_are_no_steps() {
    let mut spikes = series(40, 200, 0.02, &[]);
    for index in [30, 31, 90, 150, 199] {
        spikes[index] *= 3.0;
    }
    check(&spikes, &[]);
    let noise = series(41, 240, 0.01, &[]);
    let drift: Vec<f64> =
        noise.iter().enumerate().map(|(index, x)| x * (1.0 + index as f64 / 1600.0)).collect();
    check(&drift, &[]);
    let wave: Vec<f64> =
        noise.iter().enumerate().map(|(i, x)| x * (1.0 + 0.04 * libm::sin(i as f64 / 4.0))).collect();
    check(&wave, &[]);
    check(&[5.0; 100], &[]);
    check(&series(42, 200, 0.01, &[(100, 1.005)]), &[]);
}

#[test]
fn a_constant_series_can_jump() {
    let mut values = vec![5.0; 40];
    values[25..].fill(6.0);
    check(&values, &[25]);
}

#[test]
fn reports_never_vanish_and_never_move() {
    for seed in 50..70 {
        let values = series(seed, 200, 0.04, &[(50, 1.06), (110, 1.1), (160, 0.9)]);
        let mut detector = Detector::new(DetectorConfig::default());
        let mut live = Vec::new();
        for (index, &value) in values.iter().enumerate() {
            live.extend(detector.append(value).expect("usable value"));
            let identity = |change: &Change| (change.index, change.confirmed_at);
            let replayed = reports(&values[..=index]);
            assert!(live.iter().map(identity).eq(replayed.iter().map(identity)));
            assert_eq!(replayed, detector.changes());
        }
    }
}

#[test]
fn a_weak_step_waits_for_confirmation() {
    let values = series(71, 200, 0.04, &[(100, 1.06)]);
    let change = reports(&values)[0];
    let threshold = DetectorConfig::default().threshold;
    let first_evidence = (100..200).find(|&last| {
        let mut regime = Regime::default();
        values[..=last].iter().for_each(|&value| regime.push(libm::log(value)));
        let evidence = Evidence::of(&regime, regime.best_split(MIN_BEFORE).expect("room"));
        evidence.step.deviations() >= threshold
    });
    assert!(change.confirmed_at >= first_evidence.expect("evidence") + CONFIRMATIONS as usize - 1);
}

#[test]
fn false_alarms_on_white_noise_are_rare() {
    let n_alarms: usize = (100..300).map(|seed| reports(&series(seed, 240, 0.05, &[])).len()).sum();
    assert!(n_alarms <= 2, "{n_alarms} in 200 series");
}

#[test]
fn location_and_ratio_intervals_cover_the_truth() {
    let (mut n_located, mut n_measured, mut n_found) = (0, 0, 0);
    for seed in 400..500 {
        let changes = reports(&series(seed, 160, 0.04, &[(80, 1.08)]));
        let Some(change) = changes.first() else { continue };
        n_found += 1;
        n_located += usize::from((change.earliest..=change.latest).contains(&80));
        n_measured += usize::from((change.ratio.low..change.ratio.high).contains(&1.08));
    }
    assert!(n_found >= 95, "{n_found} found");
    assert!(n_located * 100 >= n_found * 88, "{n_located} of {n_found} located");
    assert!(n_measured * 100 >= n_found * 88, "{n_measured} of {n_found} measured");
}

#[test]
fn a_long_regime_forgets_its_oldest_values_and_still_sees_changes() {
    let values = series(600, 5_000, 0.02, &[(4_500, 1.1)]);
    check(&values, &[4_500]);
}

#[test]
fn values_that_are_no_measurements_are_refused_and_not_taken() {
    let mut detector = Detector::new(DetectorConfig::default());
    assert_eq!(detector.append(1.0), Ok(None));
    assert_eq!(detector.append(0.0), Err(StatsError::NotPositive { index: 1 }));
    assert_eq!(detector.append(f64::NAN), Err(StatsError::NotFinite { index: 1 }));
    assert_eq!((detector.n_seen(), detector.changes().len()), (1, 0));
}
