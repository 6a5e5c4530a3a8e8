//! Trends of made-up times: steps, drifts, noise, and too little to tell.

use super::*;
use crate::testing::{series, synthetic_micros};

/// Campaigns of `n` made-up runs at these levels, an hour apart.
fn trend(levels: &[f64], n: usize, spread: f64) -> Trend {
    let mut points = Vec::new();
    for (index, level) in levels.iter().enumerate() {
        let start = index as i64 * 3_600_000_000;
        let campaign = Some(index as i64 + 1);
        let micros = synthetic_micros(index as u64, n, *level, spread);
        points.extend(micros.into_iter().zip(0..).map(|(micros, run)| Point {
            started_unix_micros: start + run,
            campaign,
            micros,
        }));
    }
    let mut trends = [Trend::of(series("tiny"), Metric::Warm, &points).unwrap()];
    judge(&mut trends);
    let [trend] = trends;
    trend
}

/// The findings that count, in words, e.g. `step from campaign 3: slower severe`.
#[track_caller]
fn check(trend: &Trend, expected: &[&str]) {
    let words = |(finding, graded): (&Finding, Graded)| {
        let start = finding.after.first_unix_micros;
        let campaign = trend.blocks.iter().rposition(|block| block.started_unix_micros <= start).unwrap() + 1;
        let shape = if finding.shape == Shape::Step { "step" } else { "drift" };
        let word = if graded.is_regression { "slower" } else { "faster" };
        let over = if finding.is_over { ", over" } else { "" };
        format!("{shape} at {campaign}: {word} {}{over}", graded.severity)
    };
    assert_eq!(trend.changes().map(words).collect::<Vec<_>>(), expected, "{trend:#?}");
}

#[test]
fn steps_are_found_where_they_are() {
    let with_step = |factor: f64| trend(&[1e4, 1e4, 1e4, 1e4 * factor, 1e4 * factor, 1e4 * factor], 20, 0.01);
    check(&with_step(1.4), &["step at 4: slower critical"]);
    check(&with_step(1.2), &["step at 4: slower severe"]);
    // So few campaigns might differ by that much anyway.
    check(&with_step(1.1), &[]);
    let many = |factor: f64| trend(&[[1e4; 12], [1e4 * factor; 12]].concat(), 20, 0.01);
    check(&many(1.1), &["step at 13: slower moderate"]);
    check(&many(1.04), &["step at 13: slower minor"]);
    check(&with_step(0.7), &["step at 4: faster critical"]);
}

#[test]
fn a_step_that_was_taken_back_is_over() {
    let levels = [1e4, 1e4, 1.3e4, 1.3e4, 1e4, 1e4];
    let expected = ["step at 3: slower critical, over", "step at 5: faster severe"];
    check(&trend(&levels, 20, 0.01), &expected);
}

#[test]
fn a_part_of_a_campaign_says_nothing_of_others() {
    let mut levels = [1e4; 12];
    let steady = trend(&levels, 20, 0.005);
    let mut points = Vec::new();
    for (index, level) in levels.iter().enumerate() {
        let micros = synthetic_micros(index as u64, 20, *level, 0.005);
        points.extend(micros.into_iter().zip(0..).map(|(micros, run)| Point {
            started_unix_micros: 1_000 * index as i64 + run,
            campaign: Some(index as i64),
            // Seven of twenty runs of one campaign.
            micros: if index == 8 && (5..12).contains(&run) { 1.2 * micros } else { micros },
        }));
    }
    let mut trends = [Trend::of(series("tiny"), Metric::Warm, &points).unwrap()];
    judge(&mut trends);
    check(&steady, &[]);
    check(&trends[0], &[]);
    levels[11] = 1.02e4;
    check(&trend(&levels, 20, 0.005), &[]);
    // One campaign may be off as a whole; two are a level.
    levels[11] = 1.3e4;
    check(&trend(&levels, 20, 0.005), &[]);
    levels[10] = 1.3e4;
    check(&trend(&levels, 20, 0.005), &["step at 11: slower critical"]);
}

#[test]
fn noise_is_no_change() {
    check(&trend(&[1e4; 30], 20, 0.01), &[]);
    check(&trend(&[1e4; 30], 20, 0.2), &[]);
    let restless: Vec<f64> = synthetic_micros(7, 30, 1e4, 0.04);
    let trend = trend(&restless, 20, 0.005);
    assert!(trend.noise_is_measured && trend.noise_floor > 0.05, "{}", trend.noise_floor);
    check(&trend, &[]);
}

#[test]
fn a_slow_drift_is_found() {
    let levels: Vec<f64> = (0..60).map(|index| 1e4 * (1.0 + 0.08 * f64::from(index) / 59.0)).collect();
    let trend = trend(&levels, 3, 0.01);
    let drift = trend.changes().last().unwrap();
    assert_eq!((drift.0.shape, drift.1.is_regression), (Shape::Drift, true));
}

/// Share of 400 series of 60 campaigns of one run, with 1 % noise that repeats itself as much as it says, in which something
/// counts.
fn share_found(drift: f64, persistence: f64) -> f64 {
    let found = |seed: u64| {
        let mut random = stats::Random::new(seed);
        let mut noise = random.normal();
        let levels: Vec<f64> = (0..60)
            .map(|index| {
                noise = persistence * noise + (1.0 - persistence * persistence).sqrt() * random.normal();
                1e4 * (1.0 + drift * f64::from(index) / 59.0 + 0.01 * noise)
            })
            .collect();
        trend(&levels, 1, 0.0).changes().next().is_some()
    };
    (0..400).filter(|seed| found(*seed)).count() as f64 / 400.0
}

#[test]
fn two_percent_in_sixty_single_runs_are_found_and_noise_is_not() {
    let found = share_found(0.02, 0.0);
    assert!(found >= 0.78, "{found}");
    for persistence in [0.0, 0.3, 0.6] {
        let alarms = share_found(0.0, persistence);
        assert!(alarms <= 0.02, "{persistence}: {alarms}");
    }
}

#[test]
fn doubts_about_runs_are_told() {
    assert!(trend(&[1e4; 3], 20, 0.01).warnings.is_empty());
    let mut points = Vec::new();
    for run in 0..40 {
        let micros = if run % 2 == 0 { 1e4 } else { 2e4 } + run as f64;
        points.push(Point { started_unix_micros: run, campaign: Some(1), micros });
    }
    let warnings = Trend::of(series("tiny"), Metric::Warm, &points).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("more than one cluster"), "{warnings:?}");
}

#[test]
fn too_few_runs_say_how_many_are_missing() {
    let trend = trend(&[1e4], 6, 0.01);
    assert_eq!((trend.n, trend.n_missing, trend.noise_is_measured), (6, 9, false));
    check(&trend, &[]);
}

#[test]
fn bars_show_levels_and_flatten_noise() {
    assert_eq!(trend(&[1e4, 2e4, 3e4], 20, 0.0).sparkline(9), "▁▅█");
    assert_eq!(trend(&[1e4, 2e4, 3e4], 20, 0.0).sparkline(2), "▁█");
    assert_eq!(trend(&[1e4, 1e4], 20, 0.0).sparkline(9), "▁▁");
}

#[test]
fn long_series_are_thinned_and_steps_stay_where_they_are() {
    let levels: Vec<f64> = (0..300).map(|index| if index < 200 { 1e4 } else { 1.1e4 }).collect();
    check(&trend(&levels, 20, 0.02), &["step at 201: slower moderate"]);
}

#[test]
fn labelled_campaigns_stand_where_they_were_among_rolled_up_ones() {
    let day = |index: i64| index * DAY_MICROS;
    let micros = |index: i64| if index < 20 { 1.5e4 } else { 1e4 };
    let (mut rolled_up, mut points) = (Vec::new(), Vec::new());
    for index in 0..40 {
        let campaign = Some(index);
        if index % 10 == 5 {
            let runs = (0..20).map(|run| Point {
                started_unix_micros: day(index) + run,
                campaign,
                micros: micros(index),
            });
            points.extend(runs);
        } else {
            rolled_up.push(Point { started_unix_micros: day(index), campaign, micros: micros(index) });
        }
    }
    let mut trends = [Trend::of_blocks(series("tiny"), Metric::Warm, &rolled_up, &points).unwrap()];
    judge(&mut trends);
    check(&trends[0], &["step at 21: faster critical"]);
}
