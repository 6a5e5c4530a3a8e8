//! Parameters of a breaker, with a default per browser.

use core::time::Duration;

/// Parameters of a [`Breaker`](crate::Breaker). Defaults are the inspiring system's (5 failures, 30 s to 5 min, 3 probes,
/// slow at 2 s), and resilience4j's where it names none (failure ratio 0.5, jitter 0.5 of its `RandomizedWait`).
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerConfig {
    /// Failures in a row that open it.
    pub consecutive_failures: u32,
    /// Whether a streak only half-opens, so that it takes a failed probe to open: for streaks so short that background
    /// errors alone make them too often.
    pub confirms_streak: bool,
    /// Share of failed calls in the window that opens it, 0–1.
    pub failure_ratio: f64,
    /// Share of slow calls in the window that opens it, 0–1.
    pub slow_ratio: f64,
    /// A call is slow from here on, unless the model is known to take longer.
    pub slow_call: Duration,
    /// Calls that the window must hold before a ratio means anything. resilience4j waits for 100; a worker serves a few
    /// calls a minute, so 20, at which a 1 % background error rate reaches a ratio of 0.5 once in 10¹⁵ windows.
    pub minimum_calls: u32,
    /// Calls in the window at most. resilience4j: 100.
    pub window_calls: u32,
    /// Age at which a call leaves the window.
    pub window_span: Duration,
    /// First open interval.
    pub open: Duration,
    /// Longest open interval.
    pub max_open: Duration,
    /// Factor from one open interval to the next.
    pub open_growth: f64,
    /// Share of an open interval that may be left out at random, 0–1, so that breakers do not probe in step.
    pub jitter: f64,
    /// Probes that pass in one half-open period.
    pub n_probes: u32,
    /// Share of those probes that must succeed to close, 0–1.
    pub probe_success_ratio: f64,
    /// How long a half-open breaker waits for its probes' answers.
    pub probe_timeout: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            confirms_streak: false,
            failure_ratio: 0.5,
            slow_ratio: 0.8,
            slow_call: Duration::from_millis(2000),
            minimum_calls: 20,
            window_calls: 100,
            window_span: Duration::from_secs(60),
            open: Duration::from_secs(30),
            max_open: Duration::from_secs(300),
            open_growth: 2.0,
            jitter: 0.2,
            n_probes: 3,
            probe_success_ratio: 1.0,
            probe_timeout: Duration::from_secs(130),
        }
    }
}

impl BreakerConfig {
    /// The inspiring system's overrides per browser; other names get the default.
    #[must_use]
    pub fn for_browser(browser: &str) -> Self {
        let (consecutive_failures, open_secs, slow_millis) = match browser {
            "firefox" => (4, 20, 1800),
            "edge" => (5, 25, 2000),
            "webkit" => (3, 45, 2500),
            _ => (5, 30, 2000),
        };
        Self {
            consecutive_failures,
            // At 1 % background errors, three in a row come once in a million calls: ten times too often to open for them.
            // Three and then one more among three probes come once in thirty million.
            confirms_streak: consecutive_failures <= 3,
            open: Duration::from_secs(open_secs),
            slow_call: Duration::from_millis(slow_millis),
            ..Self::default()
        }
    }
}
