//! Turns with drift and with an effect of their order, and what launches say together.

use super::*;
use crate::random::Random;

/// Times of `n` turns around 10 ms: a machine that gets `drift` slower, a second place that costs 5 %, and noise of 1 %.
fn turns(random: &mut Random, n: usize, ratio: f64, drift: f64) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
    let turn = |index: usize| {
        let level = 10.0 * (1.0 + drift * index as f64 / n as f64);
        let second = |is_second| if is_second { 1.05 } else { 1.0 };
        let old = level * second(index % 2 == 1) * (1.0 + 0.01 * random.normal());
        let new = level * ratio * second(index.is_multiple_of(2)) * (1.0 + 0.01 * random.normal());
        (Some(old), Some(new))
    };
    (0..n).map(turn).unzip()
}

#[track_caller]
fn check(ratio: f64, drift: f64, is_found: bool) {
    let mut random = Random::new(11);
    let launches: Vec<f64> = (0..5)
        .map(|_| turns(&mut random, 20, ratio, drift))
        .map(|(old, new)| turn_ratio(&old, &new).unwrap())
        .collect();
    let paired = paired(&Sample::new(&launches).unwrap(), 0.99).unwrap();
    assert!(paired.ratio.low <= ratio && ratio <= paired.ratio.high, "{paired:?}");
    assert_eq!(paired.test.p_value < 0.01, is_found, "{paired:?}");
}

#[test]
fn drift_and_order_cancel() {
    check(1.0, 0.0, false);
    check(1.0, 0.5, false);
    check(1.03, 0.5, true);
    check(0.97, -0.3, true);
}

#[test]
fn a_turn_without_its_other_half_does_not_count() {
    let old = [Some(1.0), None, Some(1.0), Some(2.0), Some(1.0)];
    let new = [Some(1.0), Some(9.0), Some(4.0), Some(2.0), Some(4.0)];
    let ratio = turn_ratio(&old, &new).unwrap();
    assert!((ratio - 2.0_f64.ln()).abs() < 1e-15, "{ratio}");
}

#[test]
fn too_little_is_said() {
    let few = turn_ratio(&[Some(1.0); 3], &[Some(1.0); 3]);
    assert_eq!(few, Err(StatsError::NotEnoughData { have: 1, need: 2 }));
    let launches = |values: &[f64]| paired(&Sample::new(values).unwrap(), 0.95);
    assert_eq!(launches(&[0.1, 0.2]), Err(StatsError::NotEnoughData { have: 2, need: 3 }));
    assert_eq!(launches(&[0.5; 3]), Err(StatsError::NoSpread));
}
