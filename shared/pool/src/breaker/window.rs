//! Sliding window over a breaker's calls: the last n calls that are no older than a span.

use core::time::Duration;
use std::collections::VecDeque;

use crate::Timestamp;
use crate::time::micros;

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowStats {
    /// Calls.
    pub n_calls: u32,
    /// Calls that failed.
    pub n_failed: u32,
    /// Calls that succeeded slowly.
    pub n_slow: u32,
    /// Mean time to the outcome, microseconds.
    pub mean_latency_micros: u64,
}

impl WindowStats {
    /// Share of calls that failed, 0–1; 0 without calls.
    #[must_use]
    pub fn failure_ratio(&self) -> f64 {
        ratio(self.n_failed, self.n_calls)
    }

    /// Share of calls that succeeded slowly, 0–1; 0 without calls.
    #[must_use]
    pub fn slow_ratio(&self) -> f64 {
        ratio(self.n_slow, self.n_calls)
    }
}

/// The window is count-based when the span is long and time-based when the count is large; amortised O(1) per call.
#[derive(Debug, Clone)]
pub(super) struct Window {
    max_calls: u32,
    span: Duration,
    calls: VecDeque<Call>,
    n_failed: u32,
    n_slow: u32,
    latency_sum_micros: u64,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    at: Timestamp,
    latency_micros: u32,
    is_failed: bool,
    is_slow: bool,
}

impl Window {
    pub(super) const fn new(max_calls: u32, span: Duration) -> Self {
        Self { max_calls, span, calls: VecDeque::new(), n_failed: 0, n_slow: 0, latency_sum_micros: 0 }
    }

    pub(super) fn push(&mut self, now: Timestamp, latency: Duration, is_failed: bool, is_slow: bool) {
        let latency_micros = u32::try_from(micros(latency)).unwrap_or(u32::MAX);
        let call = Call { at: now, latency_micros, is_failed, is_slow };
        self.calls.push_back(call);
        self.n_failed += u32::from(is_failed);
        self.n_slow += u32::from(is_slow);
        self.latency_sum_micros += u64::from(latency_micros);
        if self.calls.len() > self.max_calls as usize {
            self.pop();
        }
    }

    pub(super) fn stats(&mut self, now: Timestamp) -> WindowStats {
        while self.calls.front().is_some_and(|call| now.since(call.at) > self.span) {
            self.pop();
        }
        let n_calls = self.calls.len() as u32;
        WindowStats {
            n_calls,
            n_failed: self.n_failed,
            n_slow: self.n_slow,
            mean_latency_micros: self.latency_sum_micros / u64::from(n_calls.max(1)),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.max_calls, self.span);
    }

    fn pop(&mut self) {
        if let Some(call) = self.calls.pop_front() {
            self.n_failed -= u32::from(call.is_failed);
            self.n_slow -= u32::from(call.is_slow);
            self.latency_sum_micros -= u64::from(call.latency_micros);
        }
    }
}

fn ratio(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}

#[cfg(test)]
impl Window {
    /// Whether each call failed and whether it was slow, oldest first.
    pub(super) fn outcomes(&self) -> Vec<(bool, bool)> {
        self.calls.iter().map(|call| (call.is_failed, call.is_slow)).collect()
    }
}
