//! The two clocks: monotonic for decisions and durations, wall for records.

use crate::sys;

/// Microseconds on the clock of `performance.now()`; 0 where there is none.
pub(crate) fn now_micros() -> u64 {
    whole(sys::performance_now().unwrap_or(0.0) * 1e3)
}

/// Microseconds since the Unix epoch, UTC, to the millisecond.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds of a date are whole and far below 2^63")]
pub(crate) fn unix_micros() -> i64 {
    js_sys::Date::now() as i64 * 1000
}

/// A duration or point in time as JavaScript counts it.
#[expect(clippy::cast_precision_loss, reason = "microseconds stay below 2^53")]
pub(crate) fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, which is what a clock may do"
)]
fn whole(micros: f64) -> u64 {
    micros as u64
}
