//! The published formula, term by term.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::breaker::{Admission, BreakerConfig, TransitionReason};

const NOW: Timestamp = Timestamp::from_millis(1000);

/// Health after `outcomes`: `true` for a success of `latency_millis`.
#[track_caller]
fn check(outcomes: &[(bool, u64)], expected: f64) {
    let config = BreakerConfig { consecutive_failures: 10, minimum_calls: 1000, ..BreakerConfig::default() };
    let mut breaker = Breaker::new(Arc::new(config), 1);
    for &(is_ok, latency_millis) in outcomes {
        let Admission::Allow(permit) = breaker.admit() else { panic!("closed") };
        let latency = Duration::from_millis(latency_millis);
        if is_ok {
            breaker.on_success(NOW, permit, latency, false);
        } else {
            breaker.on_failure(NOW, permit, latency);
        }
    }
    let health = of_breaker(&mut breaker, NOW);
    assert!((health - expected).abs() < 1e-9, "{health}, not {expected}");
}

#[test]
fn terms_add_up() {
    check(&[], 100.0);
    check(&[(true, 20)], 100.0);
    // Half failed, the last one not: 100 − 25.
    check(&[(false, 20), (true, 20)], 75.0);
    // All failed, 2 of 10 in a row: 100 − 50 − 6.
    check(&[(false, 20), (false, 20)], 44.0);
    // Mean 3 s of a slow limit of 2 s: 100 − 20·0.75.
    check(&[(true, 3000)], 85.0);
    // At the limit nothing is lost.
    check(&[(true, 2000)], 100.0);
    // Very slow: 100 − 20.
    check(&[(true, 60_000)], 80.0);
}

#[test]
fn states_cap_it() {
    let mut breaker = Breaker::new(Arc::new(BreakerConfig::default()), 1);
    breaker.trip(NOW, TransitionReason::Operator);
    assert!(of_breaker(&mut breaker, NOW) <= 10.0);
    breaker.on_repaired(NOW);
    assert!(of_breaker(&mut breaker, NOW) <= 50.0);
}
