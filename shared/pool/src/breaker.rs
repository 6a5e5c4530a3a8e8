//! Circuit breaker: stops calling what fails, asks again after a while, and lets it back when it answers well.
//!
//! | from | to | when |
//! | --- | --- | --- |
//! | closed | open | n failures in a row; or the window's failure ratio or slow-call ratio reaches its threshold |
//! | closed | half-open | n failures in a row, where n is too few to prove anything: a failed probe then opens it |
//! | open | half-open | the open interval has passed; or what it protects was made anew, and a shorter pause has passed |
//! | half-open | closed | enough of the permitted probes succeeded |
//! | half-open | open | so many failed that the ratio is out of reach; or the probes' answers never came |
//!
//! The open interval grows with each reopening, up to a cap, with jitter. Every call brings at most one outcome, through
//! the [`Permit`] it was admitted with; a permit from an earlier state no longer decides anything.

use core::time::Duration;
use std::sync::Arc;

use crate::Timestamp;
use crate::breaker::window::Window;
use crate::named::named_enum;
use crate::rng::Rng;

mod config;
mod transition;
mod window;

pub use config::BreakerConfig;
pub use transition::{Transition, TransitionReason};
pub use window::WindowStats;

named_enum! {
    /// Whether calls pass.
    pub enum BreakerState {
        /// Calls pass.
        Closed = "closed",
        /// Calls are refused.
        Open = "open",
        /// A few probes pass.
        HalfOpen = "half_open",
    }
}

named_enum! {
    /// What an operator made of the breaker.
    pub enum BreakerMode {
        /// It decides by itself.
        Automatic = "automatic",
        /// It refuses every call.
        ForcedOpen = "forced_open",
        /// It passes every call and counts nothing.
        Disabled = "disabled",
        /// It passes every call and counts, so that its window can be watched before it is trusted.
        MetricsOnly = "metrics_only",
    }
}

/// Leave to make one call, to be handed back with its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    generation: u32,
    is_probe: bool,
}

impl Permit {
    /// Whether the call is one of the few that test a half-open breaker.
    #[must_use]
    pub const fn is_probe(self) -> bool {
        self.is_probe
    }
}

/// Answer to [`Breaker::admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Make the call.
    Allow(Permit),
    /// Make the call: it is a probe.
    Probe(Permit),
    /// Do not make the call.
    Refuse {
        /// When to ask again; `None` when only an outcome or an operator can change the answer.
        until: Option<Timestamp>,
    },
}

/// Pause before what was repaired a second time is tried again; doubles with each further time.
const REPAIRED_PAUSE: Duration = Duration::from_secs(1);

/// One component's circuit breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    config: Arc<BreakerConfig>,
    rng: Rng,
    mode: BreakerMode,
    state: BreakerState,
    /// Rises with every change of state; a permit of another generation is late.
    generation: u32,
    window: Window,
    n_consecutive: u32,
    /// Openings since the breaker last held closed for a while: the exponent of the open interval.
    n_openings: u32,
    /// Open: when it half-opens. Half-open: when unanswered probes are given up. Closed: when `n_openings` is forgiven.
    state_until: Timestamp,
    n_probes_out: u32,
    n_probes_passed: u32,
    n_probes_failed: u32,
}

impl Breaker {
    /// A closed breaker; `seed` drives the jitter of its open intervals.
    #[must_use]
    pub fn new(config: Arc<BreakerConfig>, seed: u64) -> Self {
        Self {
            window: Window::new(config.window_calls, config.window_span),
            config,
            rng: Rng::new(seed),
            mode: BreakerMode::Automatic,
            state: BreakerState::Closed,
            generation: 0,
            n_consecutive: 0,
            n_openings: 0,
            state_until: Timestamp::ZERO,
            n_probes_out: 0,
            n_probes_passed: 0,
            n_probes_failed: 0,
        }
    }

    /// Asks leave for one call. Never changes the state: [`Breaker::handle_timeout`] does.
    pub fn admit(&mut self) -> Admission {
        let permit = Permit { generation: self.generation, is_probe: false };
        match (self.mode, self.state) {
            (BreakerMode::Disabled | BreakerMode::MetricsOnly, _) => Admission::Allow(permit),
            (BreakerMode::ForcedOpen, _) => Admission::Refuse { until: None },
            (BreakerMode::Automatic, BreakerState::Closed) => Admission::Allow(permit),
            (BreakerMode::Automatic, BreakerState::Open) => {
                Admission::Refuse { until: Some(self.state_until) }
            }
            (BreakerMode::Automatic, BreakerState::HalfOpen) if self.n_probes_free() > 0 => {
                self.n_probes_out += 1;
                Admission::Probe(Permit { is_probe: true, ..permit })
            }
            (BreakerMode::Automatic, BreakerState::HalfOpen) => Admission::Refuse { until: None },
        }
    }

    /// Probes that [`Breaker::admit`] would still let pass; 0 unless half-open.
    #[must_use]
    pub fn n_probes_free(&self) -> u32 {
        if self.state == BreakerState::HalfOpen && self.mode == BreakerMode::Automatic {
            let n_used = self.n_probes_out + self.n_probes_passed + self.n_probes_failed;
            self.config.n_probes.saturating_sub(n_used)
        } else {
            0
        }
    }

    /// Whether an ordinary call passes.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self.mode {
            BreakerMode::Automatic => self.state == BreakerState::Closed,
            BreakerMode::ForcedOpen => false,
            BreakerMode::Disabled | BreakerMode::MetricsOnly => true,
        }
    }

    /// The call of `permit` succeeded after `latency`; `is_slow` when that is longer than it should take.
    pub fn on_success(
        &mut self,
        now: Timestamp,
        permit: Permit,
        latency: Duration,
        is_slow: bool,
    ) -> Option<Transition> {
        if !self.is_current(permit) {
            return None;
        }
        self.window.push(now, latency, false, is_slow);
        self.n_consecutive = 0;
        if permit.is_probe {
            self.n_probes_out = self.n_probes_out.saturating_sub(1);
            self.n_probes_passed += 1;
            return self.judge_probes(now);
        }
        self.judge_window(now)
    }

    /// The call of `permit` failed after `latency`.
    pub fn on_failure(&mut self, now: Timestamp, permit: Permit, latency: Duration) -> Option<Transition> {
        if !self.is_current(permit) {
            return None;
        }
        self.window.push(now, latency, true, false);
        self.n_consecutive = self.n_consecutive.saturating_add(1);
        if permit.is_probe {
            self.n_probes_out = self.n_probes_out.saturating_sub(1);
            self.n_probes_failed += 1;
            return self.judge_probes(now);
        }
        self.judge_window(now)
    }

    /// A failure that no call was admitted for, e.g. an idle worker that died. Counts while closed.
    pub fn on_spontaneous_failure(&mut self, now: Timestamp) -> Option<Transition> {
        let permit = Permit { generation: self.generation, is_probe: false };
        self.on_failure(now, permit, Duration::ZERO)
    }

    /// The call of `permit` ended without speaking for or against the component; a probe may be repeated.
    pub fn on_ignored(&mut self, permit: Permit) {
        if permit.is_probe && self.is_current(permit) {
            self.n_probes_out = self.n_probes_out.saturating_sub(1);
        }
    }

    /// Opens now, for a reason from outside.
    pub fn trip(&mut self, now: Timestamp, reason: TransitionReason) -> Option<Transition> {
        if self.mode != BreakerMode::Automatic || self.state == BreakerState::Open {
            return None;
        }
        Some(self.open(now, reason))
    }

    /// What it protects was made anew: half-opens now, when it has opened only once. Repairs that did not hold before are
    /// trusted less each time: what is left of the open interval is cut to 1 s, then to 2 s, 4 s and so on.
    pub fn on_repaired(&mut self, now: Timestamp) -> Option<Transition> {
        if self.state != BreakerState::Open || self.mode != BreakerMode::Automatic {
            return None;
        }
        let Some(n_relapses) = self.n_openings.checked_sub(2) else {
            return Some(self.start_probing(now, TransitionReason::Repaired));
        };
        let pause = REPAIRED_PAUSE * 2u32.saturating_pow(n_relapses);
        self.state_until = self.state_until.min(now + pause);
        None
    }

    /// Puts the breaker under an operator's hand, or back to work. Going back starts closed with an empty window.
    pub fn set_mode(&mut self, now: Timestamp, mode: BreakerMode) -> Option<Transition> {
        self.mode = mode;
        let from = self.state;
        self.n_openings = 0;
        match mode {
            BreakerMode::ForcedOpen if from != BreakerState::Open => {
                Some(self.open(now, TransitionReason::Operator))
            }
            BreakerMode::Automatic | BreakerMode::Disabled | BreakerMode::MetricsOnly
                if from != BreakerState::Closed =>
            {
                Some(self.close(now, TransitionReason::Operator))
            }
            BreakerMode::Automatic
            | BreakerMode::ForcedOpen
            | BreakerMode::Disabled
            | BreakerMode::MetricsOnly => None,
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Option<Transition> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return None;
        }
        match self.state {
            BreakerState::Closed => {
                self.n_openings = 0;
                None
            }
            BreakerState::Open => Some(self.start_probing(now, TransitionReason::IntervalPassed)),
            BreakerState::HalfOpen => Some(self.open(now, TransitionReason::ProbesLost)),
        }
    }

    /// When to call [`Breaker::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let is_waiting = match self.state {
            BreakerState::Closed => self.n_openings > 0,
            BreakerState::Open => true,
            BreakerState::HalfOpen => self.n_probes_out > 0,
        };
        (self.mode == BreakerMode::Automatic && is_waiting).then_some(self.state_until)
    }

    /// Whether calls pass.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// What an operator made of the breaker.
    #[must_use]
    pub const fn mode(&self) -> BreakerMode {
        self.mode
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn n_consecutive(&self) -> u32 {
        self.n_consecutive
    }

    /// Openings that the next open interval takes into account.
    #[must_use]
    pub const fn n_openings(&self) -> u32 {
        self.n_openings
    }

    /// The recent calls, those older than the window's span left out.
    pub fn window(&mut self, now: Timestamp) -> WindowStats {
        self.window.stats(now)
    }

    /// Parameters.
    #[must_use]
    pub fn config(&self) -> &BreakerConfig {
        &self.config
    }

    /// Continues where a breaker of an earlier life stood: open for the rest of its interval, after `n_openings`.
    /// One that was half-open is open for no time: [`Breaker::handle_timeout`] half-opens it at once.
    pub fn restore(&mut self, now: Timestamp, n_openings: u32, open_for: Option<Duration>) {
        self.n_openings = n_openings;
        if let Some(open_for) = open_for {
            self.enter(BreakerState::Open, now + open_for.min(self.config.max_open));
        } else if n_openings > 0 {
            self.enter(BreakerState::Closed, now + self.config.window_span);
        }
    }

    /// Time left until an open breaker half-opens.
    #[must_use]
    pub fn open_for(&self, now: Timestamp) -> Option<Duration> {
        (self.state == BreakerState::Open).then(|| self.state_until.since(now))
    }

    fn is_current(&self, permit: Permit) -> bool {
        permit.generation == self.generation && self.mode != BreakerMode::Disabled
    }

    fn judge_window(&mut self, now: Timestamp) -> Option<Transition> {
        if self.mode != BreakerMode::Automatic || self.state != BreakerState::Closed {
            return None;
        }
        if self.n_consecutive >= self.config.consecutive_failures {
            let reason = TransitionReason::ConsecutiveFailures(self.n_consecutive);
            return Some(if self.config.confirms_streak {
                self.start_probing(now, reason)
            } else {
                self.open(now, reason)
            });
        }
        let stats = self.window.stats(now);
        if stats.n_calls < self.config.minimum_calls {
            return None;
        }
        if stats.failure_ratio() >= self.config.failure_ratio {
            return Some(self.open(now, TransitionReason::FailureRatio(stats)));
        }
        if stats.slow_ratio() >= self.config.slow_ratio {
            return Some(self.open(now, TransitionReason::SlowRatio(stats)));
        }
        None
    }

    fn judge_probes(&mut self, now: Timestamp) -> Option<Transition> {
        let n_needed = (f64::from(self.config.n_probes) * self.config.probe_success_ratio).ceil() as u32;
        let n_needed = n_needed.clamp(1, self.config.n_probes);
        let n_probes = self.n_probes_passed + self.n_probes_failed;
        if self.n_probes_passed >= n_needed {
            let reason = TransitionReason::ProbesPassed { n_passed: self.n_probes_passed, n_probes };
            Some(self.close(now, reason))
        } else if self.n_probes_failed > self.config.n_probes - n_needed {
            let reason = TransitionReason::ProbesFailed { n_failed: self.n_probes_failed, n_probes };
            Some(self.open(now, reason))
        } else {
            None
        }
    }

    fn open(&mut self, now: Timestamp, reason: TransitionReason) -> Transition {
        let from = self.state;
        let interval = self.open_interval();
        self.n_openings = self.n_openings.saturating_add(1);
        self.enter(BreakerState::Open, now + interval);
        Transition { from, to: BreakerState::Open, reason }
    }

    fn start_probing(&mut self, now: Timestamp, reason: TransitionReason) -> Transition {
        let from = self.state;
        self.enter(BreakerState::HalfOpen, now + self.config.probe_timeout);
        Transition { from, to: BreakerState::HalfOpen, reason }
    }

    fn close(&mut self, now: Timestamp, reason: TransitionReason) -> Transition {
        let from = self.state;
        self.enter(BreakerState::Closed, now + self.config.window_span);
        self.window.clear();
        self.n_consecutive = 0;
        Transition { from, to: BreakerState::Closed, reason }
    }

    fn enter(&mut self, state: BreakerState, until: Timestamp) {
        self.state = state;
        self.state_until = until;
        self.generation = self.generation.wrapping_add(1);
        self.n_probes_out = 0;
        self.n_probes_passed = 0;
        self.n_probes_failed = 0;
    }

    /// First interval × growth^openings, capped, then shortened by up to the jitter's share.
    fn open_interval(&mut self) -> Duration {
        let growth = self.config.open_growth.powi(self.n_openings.min(30) as i32);
        let full = self.config.open.as_secs_f64() * growth;
        let capped = full.min(self.config.max_open.as_secs_f64());
        Duration::from_secs_f64(capped * self.rng.between(1.0 - self.config.jitter, 1.0))
    }
}

#[cfg(test)]
mod tests;
