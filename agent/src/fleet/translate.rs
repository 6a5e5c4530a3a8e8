//! The pool's refusals and ends in the words of a run, and faults that nobody else described.

use pool::{CallKind, JobEnd, Refusal, Verdict};
use wire::translate::to_wire_category;
use wire::{Fault, FaultCategory};

/// Why the pool did not take a job; `None` when it only has no room now.
pub(super) fn refused(refusal: &Refusal) -> Option<Fault> {
    let (category, code) = match refusal {
        Refusal::QueueFull { .. } => return None,
        Refusal::DeadlinePassed => (FaultCategory::Timeout, "deadline"),
        Refusal::UnknownModel | Refusal::UnknownConnection => (FaultCategory::Internal, "refused"),
        Refusal::NoBackend => (FaultCategory::UnsupportedOperator, "no-backend"),
        Refusal::Quarantined { cause, .. } => (to_wire_category(*cause), "quarantined"),
        Refusal::Closing => (FaultCategory::Cancelled, "cancelled"),
    };
    Some(Fault::new(category, code, format!("the job was refused: {refusal}")))
}

/// Why a job failed: the last fault in its source's words, unless the pool itself ended the job. `None` for a job that
/// completed.
pub(super) fn failure(end: &JobEnd, last: Option<Fault>) -> Option<Fault> {
    let (cause, n_attempts, verdict) = match *end {
        JobEnd::Completed { .. } | JobEnd::Loaded { .. } => return None,
        JobEnd::Cancelled => return Some(cancelled()),
        JobEnd::Failed { cause, n_attempts, verdict, .. } => (cause, n_attempts, verdict),
    };
    let last = last.unwrap_or_else(|| without_details(cause));
    let said = |more: String| Fault { message: format!("{} ({more})", last.message), ..last.clone() };
    Some(match verdict {
        Verdict::Deadline => {
            let message = format!("the deadline passed after {n_attempts} tries");
            Fault::new(FaultCategory::Timeout, "deadline", message)
                .with_hint("give jobs more time with --deadline")
        }
        Verdict::Closed => cancelled(),
        Verdict::NotRetryable => last,
        Verdict::NoCandidate if n_attempts == 0 => last,
        Verdict::RetriesExhausted | Verdict::NoCandidate => said(format!("after {n_attempts} tries")),
        Verdict::Poison => said("in several browsers".to_owned()),
    })
}

/// A job that nobody waits for any more.
pub(super) fn cancelled() -> Fault {
    Fault::new(FaultCategory::Cancelled, "cancelled", "the run was stopped before the job ended")
        .with_hint("run it again with --resume")
}

/// A fault of a call that nobody described: its time-out, or a browser that went silent.
pub(super) fn undescribed(category: pool::FaultCategory, kind: CallKind) -> Fault {
    let what = match (category, kind) {
        (pool::FaultCategory::Timeout, CallKind::Open) => "opening the browser",
        (pool::FaultCategory::Timeout, CallKind::Load) => "loading the model",
        (pool::FaultCategory::Timeout, CallKind::Run | CallKind::Probe) => "running the model",
        (_, CallKind::Ping) => {
            return Fault::new(FaultCategory::ConnectionLost, "browser-silent", "the page stopped answering");
        }
        (_, CallKind::Open | CallKind::Load | CallKind::Run | CallKind::Probe | CallKind::RecreateDevice) => {
            return without_details(category);
        }
    };
    let code = format!("{}-timeout", kind.as_str());
    Fault::new(to_wire_category(category), &code, format!("{what} took longer than its time-out"))
}

/// A fault of which only the category is known.
pub(super) fn without_details(category: pool::FaultCategory) -> Fault {
    let (code, message) = match category {
        pool::FaultCategory::ConnectionLost => ("browser-lost", "the browser was lost"),
        pool::FaultCategory::WorkerCrash => ("worker-crash", "the worker was lost"),
        pool::FaultCategory::UnsupportedOperator => ("no-backend", "no browser has a backend for the model"),
        pool::FaultCategory::OutOfMemory => {
            let message = "the model does not fit into the memory that a browser may take";
            return Fault::new(FaultCategory::OutOfMemory, "no-memory", message)
                .with_hint("raise --memory-limit, or lower --max or --workers");
        }
        pool::FaultCategory::DeviceLost
        | pool::FaultCategory::Timeout
        | pool::FaultCategory::Validation
        | pool::FaultCategory::Numeric
        | pool::FaultCategory::ModelLoad
        | pool::FaultCategory::Integrity
        | pool::FaultCategory::Overload
        | pool::FaultCategory::Cancelled
        | pool::FaultCategory::Internal => (category.as_str(), "no further details are known"),
    };
    Fault::new(to_wire_category(category), &code.replace('_', "-"), message)
}
