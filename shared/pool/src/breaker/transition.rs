//! Changes of a breaker's state, and why they happen.

use core::fmt;

use super::{BreakerState, WindowStats};

/// Why a breaker changed its state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TransitionReason {
    /// This many failures in a row.
    ConsecutiveFailures(u32),
    /// Failures among the window's calls.
    FailureRatio(WindowStats),
    /// Slow calls among the window's calls.
    SlowRatio(WindowStats),
    /// The open interval has passed.
    IntervalPassed,
    /// Enough probes succeeded.
    ProbesPassed {
        /// Probes that succeeded.
        n_passed: u32,
        /// Probes that answered.
        n_probes: u32,
    },
    /// Too many probes failed.
    ProbesFailed {
        /// Probes that failed.
        n_failed: u32,
        /// Probes that answered.
        n_probes: u32,
    },
    /// Probes were sent and never answered.
    ProbesLost,
    /// The member does worse than its peers or than it used to.
    Outlier,
    /// What it protects was made anew.
    Repaired,
    /// An operator asked for it.
    Operator,
}

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// State before.
    pub from: BreakerState,
    /// State after.
    pub to: BreakerState,
    /// Why.
    pub reason: TransitionReason,
}

impl fmt::Display for TransitionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConsecutiveFailures(n_failures) => write!(f, "{n_failures} failures in a row"),
            Self::FailureRatio(window) => write!(f, "{} of {} calls failed", window.n_failed, window.n_calls),
            Self::SlowRatio(window) => write!(f, "{} of {} calls were slow", window.n_slow, window.n_calls),
            Self::IntervalPassed => f.write_str("the open interval has passed"),
            Self::ProbesPassed { n_passed, n_probes } => write!(f, "{n_passed} of {n_probes} probes passed"),
            Self::ProbesFailed { n_failed, n_probes } => write!(f, "{n_failed} of {n_probes} probes failed"),
            Self::ProbesLost => f.write_str("its probes were never answered"),
            Self::Outlier => f.write_str("it does worse than its peers or than it used to"),
            Self::Repaired => f.write_str("it was made anew"),
            Self::Operator => f.write_str("an operator asked for it"),
        }
    }
}
