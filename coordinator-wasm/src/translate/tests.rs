//! What a caller reads.

use super::*;

#[track_caller]
fn check(verdict: Verdict, cause: PoolCategory, known: Option<&str>, expected: (FaultCategory, &str, &str)) {
    let end = JobEnd::Failed { cause, call: None, n_attempts: 2, verdict };
    let known = known.map(|message| Fault::new(to_wire_category(cause), "from-source", message));
    let fault = failure(&end, known).unwrap();
    assert_eq!((fault.category, fault.code.as_str(), fault.message.as_str()), expected);
}

#[test]
fn failures_are_told_in_their_sources_words() {
    use Verdict::{Closed, Deadline, NotRetryable, RetriesExhausted};
    let crash = PoolCategory::WorkerCrash;
    check(
        NotRetryable,
        PoolCategory::Validation,
        Some("bad input"),
        (FaultCategory::Validation, "from-source", "bad input"),
    );
    check(
        RetriesExhausted,
        crash,
        Some("trap"),
        (FaultCategory::WorkerCrash, "from-source", "trap (after 2 tries)"),
    );
    check(
        RetriesExhausted,
        crash,
        None,
        (FaultCategory::WorkerCrash, "worker-crash", "the worker was lost (after 2 tries)"),
    );
    check(
        Deadline,
        crash,
        Some("trap"),
        (FaultCategory::Timeout, "deadline", "the deadline passed after 2 tries"),
    );
    check(Closed, crash, None, (FaultCategory::Cancelled, "pool-closed", "the pool was closed"));
}

#[test]
fn full_queue_is_overload() {
    let refusal = Refusal::QueueFull { n_queued: 3, retry_after: core::time::Duration::from_millis(40) };
    let fault = refused(&refusal);
    assert_eq!((fault.category, fault.code.as_str()), (FaultCategory::Overload, "queue-full"));
    assert_eq!(fault.message, "the job was refused: queue is full with 3 jobs, try again in 40 ms");
    assert_eq!(fault.retry_after_ms, Some(40));
}
