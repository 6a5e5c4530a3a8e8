//! Rows for the history: one for each try of a job, one for each event of the pool.

use std::time::Duration;

use pool::{CallId, ConnectionId, Event};
use wire::{
    Adapter, Backend, Browser, EventRecord, EventSource, Fault, Outcome, Phases, PoolEvent, RunRecord,
    SharedFactor, TensorHeader,
};

use crate::fleet::driver::{Ran, Subject};
use crate::fleet::translate::to_wire_category;

/// One try of a job.
pub(super) struct Try<'a> {
    /// Launch of the browser.
    pub(super) session: &'a str,
    /// The pool's number for it.
    pub(super) call: CallId,
    /// The browser.
    pub(super) browser: &'a Browser,
    /// What runs the model in particular, e.g. `relaxed-simd`.
    pub(super) backend_detail: Option<&'a String>,
    /// The browser's WebGPU adapter.
    pub(super) adapter: Option<&'a Adapter>,
    /// The browser's place in the fleet.
    pub(super) connection: u32,
    /// 1 for the first try.
    pub(super) number: u32,
    /// What ran it.
    pub(super) backend: Backend,
    /// Shapes as far as they are known without decoding.
    pub(super) shapes: &'a str,
    /// Wait in the pool's queue.
    pub(super) queued: Duration,
    /// From the job's line to the end of the try.
    pub(super) since_submitted: Duration,
    /// What the worker measured.
    pub(super) ran: &'a Ran,
    /// Why it failed.
    pub(super) fault: Option<&'a Fault>,
}

/// The row of a try.
pub(super) fn run_record(subject: &Subject, attempt: Try<'_>, started_unix_micros: i64) -> RunRecord {
    let Ran { phases, memory_bytes, cold, decoded } = attempt.ran;
    RunRecord {
        id: format!("{}/{}", attempt.session, attempt.call),
        session: Some(attempt.session.to_owned()),
        case: None,
        started_unix_micros,
        browser: attempt.browser.clone(),
        engine: "tabpool".to_owned(),
        engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        backend: attempt.backend,
        backend_detail: attempt.backend_detail.cloned().unwrap_or_default(),
        adapter: attempt.adapter.filter(|_| attempt.backend == Backend::Webgpu).cloned(),
        precision: subject.precision,
        model: subject.id.clone(),
        model_sha256: subject.sha256.clone(),
        shapes: decoded.as_ref().map_or_else(|| attempt.shapes.to_owned(), TensorHeader::shape_text),
        cold: cold.is_some(),
        connection: attempt.connection,
        attempt: attempt.number,
        phases: Phases {
            queue_micros: Some(attempt.queued.as_micros() as u64),
            run_micros: phases.run_micros,
            total_micros: Some(attempt.since_submitted.as_micros() as u64),
            ..cold.unwrap_or_default()
        },
        memory_bytes: *memory_bytes,
        outcome: match attempt.fault {
            None => Outcome::Ok,
            Some(fault) => Outcome::Failed { fault: fault.clone() },
        },
    }
}

/// The row of an event; `None` for those that the rows of runs tell already.
pub(super) fn event_record(
    id: String,
    at_unix_micros: i64,
    event: Event,
    model: &str,
    browser: impl Fn(ConnectionId) -> Option<Browser>,
) -> Option<EventRecord> {
    let micros = |duration: Duration| duration.as_micros() as u64;
    let (connection, event) = match event {
        Event::Placed { .. } | Event::Called(_) | Event::Refused { .. } => return None,
        Event::Breaker { connection, component, transition, health } => (
            Some(connection),
            PoolEvent::Breaker {
                component: component.to_string(),
                from: transition.from.to_string(),
                to: transition.to.to_string(),
                reason: transition.reason.to_string(),
                health,
            },
        ),
        Event::Connection { connection, to, cause } => (
            Some(connection),
            PoolEvent::Connection { to: to.to_string(), cause: cause.map(to_wire_category) },
        ),
        Event::Recovering { connection, component, category, strategy, after, job: _ } => (
            Some(connection),
            PoolEvent::Recovering {
                category: to_wire_category(category),
                component: component.to_string(),
                strategy: strategy.to_string(),
                after_micros: micros(after),
            },
        ),
        Event::Recovered { category, component, strategy, is_success, took } => (
            None,
            PoolEvent::Recovered {
                category: to_wire_category(category),
                component: component.to_string(),
                strategy: strategy.to_string(),
                is_success,
                took_micros: micros(took),
            },
        ),
        Event::Incident { domain, component, category, n_members, phase } => (
            None,
            PoolEvent::Incident {
                domain,
                category: to_wire_category(category),
                component: component.to_string(),
                n_members,
                phase: phase.to_string(),
            },
        ),
        Event::RootCause(cause) => {
            let sentence = cause.to_string();
            let factors = cause.factors.into_iter().map(|shared| SharedFactor {
                factor: shared.factor.to_string(),
                value: shared.value,
                n_failed_with: shared.n_failed_with,
                n_failed_without: shared.n_failed_without,
                n_ok_with: shared.n_ok_with,
                n_ok_without: shared.n_ok_without,
                p_value: shared.p_value,
            });
            let factors = factors.collect();
            let (category, n_faults) = (to_wire_category(cause.category), cause.n_faults);
            (None, PoolEvent::RootCause { category, n_faults, sentence, factors })
        }
        Event::Quarantined { cause, n_connections, job: _, model: _ } => (
            None,
            PoolEvent::Quarantined { model: model.to_owned(), cause: to_wire_category(cause), n_connections },
        ),
        Event::Scaled { from, to, reason, .. } => {
            (None, PoolEvent::Scaled { from, to, reason: reason.to_string() })
        }
    };
    Some(EventRecord {
        id,
        session: None,
        at_unix_micros,
        source: EventSource::Fleet,
        browser: connection.and_then(browser).unwrap_or_default(),
        connection: connection.map(|connection| connection.0),
        event,
    })
}
