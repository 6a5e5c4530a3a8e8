//! Between the pool's words and the wire's: backends, faults, refusals, ends.

mod event;

pub(crate) use event::to_wire_event;

use pool::{BackendSet, CallKind, FaultCategory as PoolCategory, JobEnd, Refusal, Verdict};
use wire::{Backend, Capabilities, Fault, FaultCategory, Precision};

/// The pool's name for a wire backend.
pub(crate) fn to_pool_backend(backend: Backend) -> pool::Backend {
    match backend {
        Backend::Webgpu => pool::Backend::Webgpu,
        Backend::Webnn => pool::Backend::Webnn,
        Backend::Wasm => pool::Backend::Wasm,
    }
}

/// The wire's name for a pool backend.
pub(crate) fn to_wire_backend(backend: pool::Backend) -> Backend {
    match backend {
        pool::Backend::Webgpu => Backend::Webgpu,
        pool::Backend::Webnn => Backend::Webnn,
        pool::Backend::Wasm => Backend::Wasm,
    }
}

/// The pool's precision; `None` when nobody said.
pub(crate) fn to_pool_precision(precision: Precision) -> Option<pool::Precision> {
    match precision {
        Precision::F32 => Some(pool::Precision::F32),
        Precision::F16 => Some(pool::Precision::F16),
        Precision::Int8 => Some(pool::Precision::Int8),
        Precision::Unknown => None,
    }
}

/// The pool's category of a fault.
pub(crate) fn to_pool_category(category: FaultCategory) -> PoolCategory {
    match category {
        FaultCategory::ConnectionLost => PoolCategory::ConnectionLost,
        FaultCategory::WorkerCrash => PoolCategory::WorkerCrash,
        FaultCategory::DeviceLost => PoolCategory::DeviceLost,
        FaultCategory::OutOfMemory => PoolCategory::OutOfMemory,
        FaultCategory::Timeout => PoolCategory::Timeout,
        FaultCategory::UnsupportedOperator => PoolCategory::UnsupportedOperator,
        FaultCategory::Validation => PoolCategory::Validation,
        FaultCategory::Numeric => PoolCategory::Numeric,
        FaultCategory::ModelLoad => PoolCategory::ModelLoad,
        FaultCategory::Integrity => PoolCategory::Integrity,
        FaultCategory::Overload => PoolCategory::Overload,
        FaultCategory::Cancelled => PoolCategory::Cancelled,
        FaultCategory::Internal => PoolCategory::Internal,
    }
}

/// The wire's category of a fault.
pub(crate) fn to_wire_category(category: PoolCategory) -> FaultCategory {
    match category {
        PoolCategory::ConnectionLost => FaultCategory::ConnectionLost,
        PoolCategory::WorkerCrash => FaultCategory::WorkerCrash,
        PoolCategory::DeviceLost => FaultCategory::DeviceLost,
        PoolCategory::OutOfMemory => FaultCategory::OutOfMemory,
        PoolCategory::Timeout => FaultCategory::Timeout,
        PoolCategory::UnsupportedOperator => FaultCategory::UnsupportedOperator,
        PoolCategory::Validation => FaultCategory::Validation,
        PoolCategory::Numeric => FaultCategory::Numeric,
        PoolCategory::ModelLoad => FaultCategory::ModelLoad,
        PoolCategory::Integrity => FaultCategory::Integrity,
        PoolCategory::Overload => FaultCategory::Overload,
        PoolCategory::Cancelled => FaultCategory::Cancelled,
        PoolCategory::Internal => FaultCategory::Internal,
    }
}

/// What a worker reported, as the pool takes it. A worker serves one call at a time.
pub(crate) fn to_pool_capabilities(capabilities: &Capabilities) -> pool::Capabilities {
    let backends: Vec<pool::Backend> = capabilities.backends.iter().copied().map(to_pool_backend).collect();
    let adapter = capabilities.adapter.as_ref();
    let adapter_name = adapter.map_or_else(
        || capabilities.wasm_build.clone(),
        |adapter| format!("{} {} {}", adapter.vendor, adapter.architecture, capabilities.wasm_build),
    );
    pool::Capabilities {
        adapter: adapter_name,
        is_fallback_adapter: adapter.is_some_and(|adapter| adapter.is_fallback),
        ..pool::Capabilities::new(BackendSet::of(&backends))
    }
}

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
        Refusal::QueueFull { .. } => fault.with_hint("wait for earlier jobs, or raise queueLimit"),
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
