//! Reasons of breakers without their numbers, as tests list them.

use pool::TransitionReason;

/// The row of the breaker's table that a reason belongs to.
pub(crate) fn row(reason: &TransitionReason) -> &'static str {
    match reason {
        TransitionReason::ConsecutiveFailures(_) => "streak",
        TransitionReason::FailureRatio(_) => "failure ratio",
        TransitionReason::SlowRatio(_) => "slow ratio",
        TransitionReason::IntervalPassed => "interval passed",
        TransitionReason::ProbesPassed { .. } => "probes passed",
        TransitionReason::ProbesFailed { .. } => "probes failed",
        TransitionReason::ProbesLost => "probes lost",
        TransitionReason::Outlier => "outlier",
        TransitionReason::Repaired => "repaired",
        TransitionReason::Operator => "operator",
    }
}
