//! Clusters with known noise between them: what is learnt from a history, alarms, and findings.

use super::*;
use crate::random::Random;

/// Medians around 100 with relative noise between them.
fn medians(random: &mut Random, sd: f64, n: usize) -> Vec<f64> {
    (0..n).map(|_| 100.0 * libm::exp(sd * random.normal())).collect()
}

/// Twenty values around a level, with 1 % noise.
fn cluster(random: &mut Random, level: f64) -> Sample {
    let values: Vec<f64> = (0..20).map(|_| level * libm::exp(0.01 * random.normal())).collect();
    Sample::new(&values).expect("usable values")
}

#[track_caller]
fn check_spread(medians: &[f64], level_start: usize, sd: std::ops::Range<f64>) {
    let history = History::of(medians).expect("usable medians");
    let spread = Spread::of(&history, &[]);
    assert_eq!(history.level_start, level_start, "{history:?}");
    assert!(sd.contains(&spread.sd), "{spread:?}");
}

#[test]
fn a_history_tells_its_noise() {
    let mut random = Random::new(3);
    check_spread(&[], 0, 0.03..0.030_001);
    check_spread(&[100.0], 0, 0.03..0.030_001);
    check_spread(&medians(&mut random, 0.01, 50), 0, 0.008..0.016);
    check_spread(&medians(&mut random, 0.08, 50), 0, 0.06..0.1);
    check_spread(&medians(&mut random, 0.3, 50), 0, 0.2..0.4);
}

#[test]
fn a_step_begins_a_level_and_a_single_outlier_is_noise() {
    let mut history = vec![100.0, 101.0, 99.0, 100.0, 101.0, 99.0, 130.0, 131.0, 129.0, 130.0];
    check_spread(&history, 6, 0.01..0.025);
    history[7..].fill(100.0);
    check_spread(&history, 0, 0.06..0.09);
}

#[test]
fn a_step_between_many_clusters_need_not_be_large() {
    let history = History::of(&[100.0, 101.0, 99.0, 100.0, 101.0]).expect("usable medians");
    assert_eq!(history.n_foretold(), 4);
    let spread = Spread::of(&history, &[]);
    let step = |n| spread.step((n, n), 0.01).expect("a good significance");
    assert!(step(1) > 1.9 * step(4) && step(1) > 0.05, "{}", step(1));
    // Student's t with 3 degrees of freedom at 99.5 % is 5.8409.
    let assumed = Spread::ASSUMED.step((1, 1), 0.01).expect("a good significance");
    assert!((libm::log1p(assumed) - 5.840_909 * 0.03 * 2.0_f64.sqrt()).abs() < 1e-6);
    assert_eq!(spread.step((0, 3), 0.01), Err(StatsError::NotEnoughData { have: 0, need: 1 }));
}

#[test]
fn similar_series_stand_for_a_short_history() {
    let of = |sd: f64, seed| History::of(&medians(&mut Random::new(seed), sd, 30)).expect("usable medians");
    let noisy = [of(0.1, 1), of(0.1, 2), of(0.1, 3)];
    let quiet = [of(0.001, 4), of(0.001, 5), of(0.001, 6)];
    let sd = |similar: &[History]| Spread::of(&History::default(), similar).sd;
    assert!((0.08..0.12).contains(&sd(&noisy)), "{}", sd(&noisy));
    assert!((sd(&quiet) - MIN_SIMILAR_SD).abs() < 1e-9);
    assert!((sd(&noisy[..2]) - Spread::ASSUMED.sd).abs() < 1e-9);
}

/// Share of 2,000 comparisons of one cluster with so many that are significant at 1 %, when clusters lie 3 % apart and the
/// candidate `effect` away.
fn share_found(n_baseline: usize, n_history: usize, effect: f64) -> f64 {
    let mut random = Random::new(7);
    let mut is_found = || {
        let history = History::of(&medians(&mut random, 0.03, n_history)).expect("usable medians");
        let mut draw = |effect: f64| {
            let level = 100.0 * (1.0 + effect) * libm::exp(0.03 * random.normal());
            cluster(&mut random, level)
        };
        let baseline: Vec<Sample> = (0..n_baseline).map(|_| draw(0.0)).collect();
        let contrast = Contrast::between(&baseline, &[draw(effect)], Spread::of(&history, &[]), 0.95);
        contrast.expect("enough data").p_value < 0.01
    };
    (0..2_000).filter(|_| is_found()).count() as f64 / 2_000.0
}

#[test]
fn unchanged_clusters_give_no_alarms_and_large_changes_are_found() {
    for (n_baseline, n_history) in [(1, 0), (1, 10), (10, 10), (10, 30)] {
        let alarms = share_found(n_baseline, n_history, 0.0);
        assert!(alarms <= 0.016, "{n_baseline} and {n_history}: {alarms}");
    }
    assert!(share_found(10, 30, 0.2) > 0.98);
    assert!(share_found(1, 0, 0.2) < share_found(1, 10, 0.2));
}

#[track_caller]
fn check_consistent(baseline: &[f64], candidate: &[f64], expected: bool) {
    let clusters = |levels: &[f64]| -> Vec<Sample> {
        let values = |level: &f64| Sample::new(&[*level; MIN_VALUES]).expect("usable values");
        levels.iter().map(values).collect()
    };
    let contrast = Contrast::between(&clusters(baseline), &clusters(candidate), Spread::ASSUMED, 0.95)
        .expect("clusters");
    assert_eq!(contrast.is_consistent, expected, "{baseline:?} against {candidate:?}");
}

#[test]
fn one_cluster_that_is_off_is_no_change_of_several() {
    check_consistent(&[100.0], &[130.0], true);
    check_consistent(&[100.0; 10], &[130.0, 125.0], true);
    check_consistent(&[100.0; 10], &[130.0, 101.0], false);
    check_consistent(&[100.0; 10], &[130.0, 130.0, 101.0], false);
    check_consistent(&[100.0; 10], &[130.0, 130.0, 130.0, 101.0], true);
    check_consistent(&[100.0; 10], &[190.0, 190.0, 101.0, 101.0], false);
    check_consistent(&[100.0, 130.0], &[100.0, 100.0], false);
    check_consistent(&[100.0], &[100.0], false);
}

#[test]
fn the_detectable_effect_is_detected_as_often_as_designed() {
    let cluster = Sample::new(&[99.0, 100.0, 100.0, 100.0, 101.0]).expect("usable values");
    let spread = Spread { sd: 0.03, freedom: 30.0, persistence: 0.0 };
    let contrast =
        Contrast::between(&vec![cluster.clone(); 10], &[cluster], spread, 0.95).expect("enough data");
    let design = Design { significance: 0.01, power: 0.8 };
    let effect = contrast.detectable(0, design).expect("a good design");
    let found = share_found(10, 30, effect);
    assert!((0.72..0.88).contains(&found), "{effect}: {found}");
    assert!(contrast.detectable(5, design).expect("a good design") < 0.6 * effect);
}

#[test]
fn the_lowest_level_is_probably_the_lowest() {
    let level = |median: f64| Level::of(&[median, median], Spread::ASSUMED).expect("usable medians");
    let shares = probability_lowest(&[level(100.0), level(150.0), level(50.0).times(2.0)], 2_000, 1);
    assert!((shares[0] - shares[2]).abs() < 0.06 && shares[1] < 0.01, "{shares:?}");
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let interval = level(100.0).interval(0.95).expect("a good level");
    // Student's t with 3 degrees of freedom at 97.5 % is 3.1824.
    assert!((libm::log(interval.high / interval.estimate) - 3.182_446 * 0.03 / 2.0_f64.sqrt()).abs() < 1e-6);
    assert!(probability_lowest(&[], 10, 1).is_empty());
}

#[test]
fn few_runs_widen_the_interval_and_too_few_are_refused() {
    let spread = Spread { sd: 0.001, freedom: 30.0, persistence: 0.0 };
    let between = |values: &[f64]| {
        let sample = Sample::new(values).expect("usable values");
        Contrast::between(std::slice::from_ref(&sample), std::slice::from_ref(&sample), spread, 0.95)
    };
    let wide = between(&[80.0, 90.0, 100.0, 110.0, 120.0]).expect("enough data").ratio;
    assert!(wide.low < 0.85 && wide.high > 1.15, "{wide:?}");
    assert_eq!(between(&[1.0; 4]), Err(StatsError::NotEnoughData { have: 4, need: 5 }));
    assert_eq!(
        Contrast::between(&[], &[], spread, 0.95),
        Err(StatsError::NotEnoughData { have: 0, need: 1 })
    );
}
