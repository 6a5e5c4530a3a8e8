//! Power by simulation, textbook sizes, and refusals.

use super::*;
use crate::hypothesis::welch;
use crate::random::Random;
use crate::sample::Sample;

#[test]
fn the_detectable_effect_is_detected_as_often_as_designed() {
    let design = Design::default();
    let effect = minimum_detectable_effect(1.0, (20, 20), design).expect("enough data");
    let mut random = Random::new(5);
    let mut draw = |shift: f64| -> Sample {
        let values: Vec<f64> = (0..20).map(|_| shift + random.normal()).collect();
        Sample::new(&values).expect("usable values")
    };
    let n_found = (0..1_000)
        .filter(|_| welch(&draw(0.0), &draw(effect)).expect("spread").p_value < design.significance)
        .count();
    assert!((760..840).contains(&n_found), "{n_found} of 1000");
}

#[track_caller]
fn check_needed(effect: f64, expected: usize) {
    let found_by = |n| minimum_detectable_effect(1.0, (n, n), Design::default()).expect("enough data");
    assert!(found_by(expected) <= effect && effect < found_by(expected - 1), "{effect}");
}

#[test]
fn needed_sizes_match_the_textbook() {
    // Cohen (1988), table 2.4.1: 393, 64 and 26 a side for small, medium and large effects.
    check_needed(0.2, 394);
    check_needed(0.5, 64);
    check_needed(0.8, 26);
}

#[test]
fn impossible_questions_are_refused() {
    let out_of_range = |parameter, value| Err(StatsError::OutOfRange { parameter, value });
    assert_eq!(minimum_detectable_effect(-1.0, (9, 9), Design::default()), out_of_range("spread", -1.0));
    let certain = Design { significance: 0.05, power: 1.0 };
    assert_eq!(minimum_detectable_effect(1.0, (9, 9), certain), out_of_range("power", 1.0));
    assert_eq!(
        minimum_detectable_effect(1.0, (1, 9), Design::default()),
        Err(StatsError::NotEnoughData { have: 1, need: 2 })
    );
}

#[test]
fn the_detectable_mean_of_differences_is_detected_as_often_as_designed() {
    let design = Design { significance: 0.01, power: 0.8 };
    let effect = paired_detectable_effect(1.0, 12, design).expect("enough data");
    let mut random = Random::new(7);
    let mut is_found = || {
        let values: Vec<f64> = (0..12).map(|_| effect + random.normal()).collect();
        crate::hypothesis::student(&Sample::new(&values).expect("usable values")).expect("spread").p_value
            < 0.01
    };
    let n_found = (0..1_000).filter(|_| is_found()).count();
    assert!((750..850).contains(&n_found), "{n_found} of 1000");
}
