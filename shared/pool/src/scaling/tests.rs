//! Each reason to step, and each reason not to.

use super::*;

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

/// The step after `n_looks` at the same load, one second apart.
#[track_caller]
fn check(load: Load, n_looks: u64, expected: Option<Step>) {
    let mut scaler = Scaler { smoothed: 0.5, stepped_at: None };
    let config = ScalingConfig::default();
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
fn the_cooldown_holds_the_next_step_back() {
    let mut scaler = Scaler { smoothed: 1.0, stepped_at: None };
    let config = ScalingConfig::default();
    let mut at = |second: u64| scaler.step(Timestamp::from_millis(1000 * second), &BUSY, &config);
    assert!(at(0).is_some());
    assert_eq!(at(29), None);
    assert!(at(30).is_some());
}
