//! Back-off with decorrelated jitter: `min(cap, uniform(base, 3 × previous))`.
//!
//! The variant that AWS found to finish contended work soonest with the fewest calls (Brooker, "Exponential Backoff And
//! Jitter", 2015).

use core::time::Duration;

use crate::rng::Rng;

/// State of one back-off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    previous: Duration,
}

impl Backoff {
    pub(crate) const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, previous: base }
    }

    /// How long to wait before the next try.
    pub(crate) fn next(&mut self, rng: &mut Rng) -> Duration {
        let seconds = rng.between(self.base.as_secs_f64(), self.previous.as_secs_f64() * 3.0);
        self.previous = Duration::from_secs_f64(seconds).min(self.cap);
        self.previous
    }

    /// Starts over after a success.
    pub(crate) const fn reset(&mut self) {
        self.previous = self.base;
    }
}
