//! The pool's refusals and ends in a caller's words; what needs no words is translated by [`wire::translate`].

use pool::{CallKind, FaultCategory as PoolCategory, JobEnd, Refusal, Verdict};
use wire::{Fault, FaultCategory};

pub(crate) use wire::translate::{
    to_pool_backend, to_pool_capabilities, to_pool_category, to_pool_precision, to_wire_backend,
    to_wire_category, to_wire_event,
};

/// Why the pool did not take a job, for its caller.
pub(crate) fn refused(refusal: &Refusal) -> Fault {
    let (category, code) = match refusal {
        Refusal::QueueFull { .. } => (FaultCategory::Overload, "queue-full"),
        Refusal::DeadlinePassed => (FaultCategory::Timeout, "deadline"),
        Refusal::UnknownModel => (FaultCategory::Validation, "model-unloaded"),
        Refusal::UnknownConnection => (FaultCategory::Validation, "connection-unknown"),
        Refusal::NoBackend => (FaultCategory::UnsupportedOperator, "no-backend"),
        Refusal::Quarantined { cause, .. } => (to_wire_category(*cause), "quarantined"),
        Refusal::Closing => (FaultCategory::Cancelled, "pool-closed"),
    };
    let fault = Fault::new(category, code, format!("the job was refused: {refusal}"));
    match refusal {
        Refusal::QueueFull { retry_after, .. } => Fault {
            retry_after_ms: u64::try_from(retry_after.as_millis()).ok(),
            ..fault.with_hint("wait for earlier jobs, or raise queueLimit")
        },
        Refusal::Quarantined { .. } => {
            fault.with_hint("look at the inputs: they broke workers that ran others well")
        }
        Refusal::UnknownModel => fault.with_hint("load the model again"),
        Refusal::DeadlinePassed | Refusal::UnknownConnection | Refusal::NoBackend | Refusal::Closing => fault,
    }
}

/// Why a job failed, for its caller: the last fault in its source's words, unless the pool itself ended the job.
/// `None` for a job that completed.
pub(crate) fn failure(end: &JobEnd, last_fault: Option<Fault>) -> Option<Fault> {
    let (cause, n_attempts, verdict) = match *end {
        JobEnd::Completed { .. } | JobEnd::Loaded { .. } => return None,
        JobEnd::Cancelled => return Some(crate::fault::cancelled("the job")),
        JobEnd::Failed { cause, n_attempts, verdict, .. } => (cause, n_attempts, verdict),
    };
    let last = last_fault.unwrap_or_else(|| without_details(cause));
    Some(match verdict {
        Verdict::Deadline => {
            let message = format!("the deadline passed after {n_attempts} tries");
            Fault::new(FaultCategory::Timeout, "deadline", message)
        }
        Verdict::Closed => Fault::new(FaultCategory::Cancelled, "pool-closed", "the pool was closed"),
        Verdict::NotRetryable => last,
        Verdict::NoCandidate if cause == PoolCategory::OutOfMemory && n_attempts == 0 => {
            let message = "no worker has the memory that the model needs";
            Fault::new(FaultCategory::OutOfMemory, "no-memory", message)
                .with_hint("raise memoryLimitBytes, or use a smaller model")
        }
        Verdict::RetriesExhausted | Verdict::NoCandidate => {
            Fault { message: format!("{} (after {n_attempts} tries)", last.message), ..last }
        }
        Verdict::Poison => Fault { message: format!("{} (on several workers)", last.message), ..last },
    })
}

/// A fault of a call that nobody described: its time-out, or a worker that went silent.
pub(crate) fn undescribed(category: PoolCategory, kind: CallKind) -> Fault {
    let (code, what, hint) = match (category, kind) {
        (PoolCategory::Timeout, CallKind::Open) => {
            ("launch-timeout", "starting a worker", "raise launchTimeoutMs, or look for errors in its script")
        }
        (PoolCategory::Timeout, CallKind::Load) => ("load-timeout", "loading a model", "raise loadTimeoutMs"),
        (PoolCategory::Timeout, CallKind::Run | CallKind::Probe) => {
            ("run-timeout", "running a model", "raise runTimeoutMs, or use smaller inputs")
        }
        (
            _,
            CallKind::Open
            | CallKind::Load
            | CallKind::Run
            | CallKind::Probe
            | CallKind::Ping
            | CallKind::RecreateDevice,
        ) => {
            return without_details(category);
        }
    };
    Fault::new(to_wire_category(category), code, format!("{what} took longer than its time-out"))
        .with_hint(hint)
}

/// A fault of which only the category is known.
pub(crate) fn without_details(category: PoolCategory) -> Fault {
    let (code, message) = match category {
        PoolCategory::ConnectionLost => ("worker-silent", "a worker stopped answering"),
        PoolCategory::WorkerCrash => ("worker-crash", "the worker was lost"),
        PoolCategory::Timeout => ("timeout", "a worker took longer than its time-out"),
        PoolCategory::Cancelled => ("cancelled", "the call was cancelled"),
        PoolCategory::UnsupportedOperator => ("no-backend", "no worker has the backend that the model needs"),
        PoolCategory::DeviceLost
        | PoolCategory::OutOfMemory
        | PoolCategory::Validation
        | PoolCategory::Numeric
        | PoolCategory::ModelLoad
        | PoolCategory::Integrity
        | PoolCategory::Overload
        | PoolCategory::Internal => (category.as_str(), "no further details are known"),
    };
    Fault::new(to_wire_category(category), &code.replace('_', "-"), message)
}

#[cfg(test)]
mod tests;
