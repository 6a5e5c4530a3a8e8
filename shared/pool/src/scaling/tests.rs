//! Each reason to step, and each reason not to.

use super::*;
use crate::ConnectionSpec;

const IDLE: Load = Load {
    n_connections: 4,
    n_opening: 0,
    n_slots: 4,
    n_busy: 0,
    n_queued: 0,
    queue_delay: Duration::ZERO,
    memory_ratio: 0.0,
};
const BUSY: Load = Load { n_busy: 4, n_queued: 10, ..IDLE };

fn config() -> ScalingConfig {
    ScalingConfig { templates: vec![ConnectionSpec::worker("chromium")], ..ScalingConfig::default() }
}

/// The step after `n_looks` at the same load, one second apart.
#[track_caller]
fn check(load: Load, n_looks: u64, expected: Option<Step>) {
    let mut scaler = Scaler { smoothed: 0.5, stepped_at: None };
    let config = config();
    let steps = (0..n_looks).map(|second| scaler.step(Timestamp::from_millis(1000 * second), &load, &config));
    assert_eq!(steps.last().flatten(), expected);
}

#[test]
fn utilization_must_be_high_both_now_and_smoothed() {
    check(BUSY, 1, None);
    check(BUSY, 3, Some(Step::Up(ScaleReason::Utilization)));
    check(Load { n_opening: 1, ..BUSY }, 3, None);
    check(Load { n_connections: 8, ..BUSY }, 3, None);
}

#[test]
fn a_long_queue_calls_for_more_at_once() {
    check(Load { queue_delay: Duration::from_secs(5), ..BUSY }, 1, Some(Step::Up(ScaleReason::QueueDelay)));
}

#[test]
fn idleness_removes_one_after_a_while() {
    check(IDLE, 1, None);
    check(IDLE, 3, Some(Step::Down(ScaleReason::Idle)));
    check(Load { n_connections: 1, ..IDLE }, 9, None);
}

#[test]
fn bounds_and_memory_do_not_wait() {
    check(Load { n_connections: 0, ..IDLE }, 1, Some(Step::Up(ScaleReason::Minimum)));
    check(Load { n_connections: 9, ..IDLE }, 1, Some(Step::Down(ScaleReason::Maximum)));
    check(Load { memory_ratio: 0.9, ..BUSY }, 2, Some(Step::Down(ScaleReason::Memory)));
    check(Load { memory_ratio: 0.9, n_connections: 1, ..BUSY }, 1, Some(Step::Shed));
}

#[test]
fn one_more_connection_must_fit_into_memory() {
    // Of four that use 70 % of it, a fifth would bring it to 88 %.
    check(Load { memory_ratio: 0.70, ..BUSY }, 3, None);
    check(Load { memory_ratio: 0.60, ..BUSY }, 3, Some(Step::Up(ScaleReason::Utilization)));
}

#[test]
fn a_memory_emergency_does_not_wait_for_the_cooldown() {
    let mut scaler = Scaler { smoothed: 0.5, stepped_at: Some(Timestamp::ZERO) };
    let load = Load { memory_ratio: 0.9, ..BUSY };
    assert_eq!(scaler.relieve(Timestamp::ZERO, &load, &config()), Some(Step::Down(ScaleReason::Memory)));
    let of_the_driver = ScalingConfig::default();
    assert_eq!(
        scaler.relieve(Timestamp::ZERO, &load, &of_the_driver),
        Some(Step::Shed),
        "it adds and removes"
    );
}

#[test]
fn the_cooldown_holds_the_next_step_back() {
    let mut scaler = Scaler { smoothed: 1.0, stepped_at: None };
    let config = config();
    let mut at = |second: u64| scaler.step(Timestamp::from_millis(1000 * second), &BUSY, &config);
    assert!(at(0).is_some());
    assert_eq!(at(29), None);
    assert!(at(30).is_some());
}
