//! Token bucket that bounds how many retries the pool adds to its load.
//!
//! Successes pay in, retries take out, and a slow trickle keeps a pool without traffic from never retrying again.
//! In a total outage nothing is paid in, so what is spent is the reserve and the trickle: the amplification stays bounded.
//! The scheme is Finagle's `RetryBudget` (20 % and 10 per second there; a pool of a few workers needs less).

use core::time::Duration;

use crate::Timestamp;
use crate::config::RetryConfig;

#[derive(Debug, Clone)]
pub(crate) struct RetryBudget {
    tokens: f64,
    cap: f64,
    per_success: f64,
    per_second: f64,
    filled_at: Timestamp,
}

impl RetryBudget {
    pub(crate) fn new(config: &RetryConfig) -> Self {
        Self {
            tokens: config.budget_reserve,
            cap: config.budget_reserve,
            per_success: config.budget_per_success,
            per_second: config.budget_per_second,
            filled_at: Timestamp::ZERO,
        }
    }

    pub(crate) fn on_success(&mut self) {
        self.tokens = (self.tokens + self.per_success).min(self.cap);
    }

    /// Takes one token, if there is one.
    pub(crate) fn try_take(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        let has_token = self.tokens >= 1.0;
        if has_token {
            self.tokens -= 1.0;
        }
        has_token
    }

    /// How long until the trickle alone makes a token.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / self.per_second.max(1e-3))
    }

    fn fill(&mut self, now: Timestamp) {
        let seconds = now.since(self.filled_at).as_secs_f64();
        self.filled_at = self.filled_at.max(now);
        self.tokens = (self.tokens + seconds * self.per_second).min(self.cap);
    }
}
