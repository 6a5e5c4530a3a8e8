//! Health 0–100 of a component, by a formula that is published and the same everywhere.
//!
//! `100 − 50·failure_ratio − 20·min(1, mean/(2·slow)) − 30·min(1, consecutive/threshold)`, the middle term only when the
//! mean latency exceeds the slow limit; at most 10 while open and 50 while half-open. The formula is the inspiring
//! system's; the ratio and the mean come from the breaker's window, never from the whole life.

use crate::breaker::{Breaker, BreakerState};
use crate::{Timestamp, time::micros};

/// Health of the component behind `breaker`.
pub(crate) fn of_breaker(breaker: &mut Breaker, now: Timestamp) -> f64 {
    let stats = breaker.window(now);
    let slow_micros = micros(breaker.config().slow_call) as f64;
    let mean_micros = stats.mean_latency_micros as f64;
    let slowness = if mean_micros > slow_micros { (mean_micros / (2.0 * slow_micros)).min(1.0) } else { 0.0 };
    let threshold = f64::from(breaker.config().consecutive_failures.max(1));
    let streak = (f64::from(breaker.n_consecutive()) / threshold).min(1.0);
    let limit = match breaker.state() {
        BreakerState::Closed => 100.0,
        BreakerState::HalfOpen => 50.0,
        BreakerState::Open => 10.0,
    };
    // `clamp` would bring in the formatting of floats for its panic: six kilobytes of every page's download.
    (100.0 - 50.0 * stats.failure_ratio() - 20.0 * slowness - 30.0 * streak).min(limit).max(0.0)
}

#[cfg(test)]
mod tests;
