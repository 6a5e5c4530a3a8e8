//! The pool's events as the wire has them.

use pool::{Event, RootCause};
use wire::{PoolEvent, SharedFactor};

use crate::clock::micros;
use crate::translate::to_wire_category;

/// The event and the connection that it concerns; `None` for those that records of runs tell already. `model` gives a
/// model's name.
pub(crate) fn to_wire_event(
    event: &Event,
    model: impl FnOnce(pool::ModelId) -> String,
) -> Option<(Option<u32>, PoolEvent)> {
    let mut concerned = None;
    let event = match event {
        Event::Placed { .. } | Event::Called(_) | Event::Refused { .. } => return None,
        Event::Breaker { connection, component, transition, health } => {
            concerned = Some(connection.0);
            PoolEvent::Breaker {
                component: component.as_str().to_owned(),
                from: transition.from.as_str().to_owned(),
                to: transition.to.as_str().to_owned(),
                reason: transition.reason.to_string(),
                health: *health,
            }
        }
        Event::Connection { connection, to, cause } => {
            concerned = Some(connection.0);
            PoolEvent::Connection { to: to.as_str().to_owned(), cause: cause.map(to_wire_category) }
        }
        Event::Recovering { connection, component, category, strategy, after, job: _ } => {
            concerned = Some(connection.0);
            PoolEvent::Recovering {
                category: to_wire_category(*category),
                component: component.as_str().to_owned(),
                strategy: strategy.as_str().to_owned(),
                after_micros: micros(*after),
            }
        }
        Event::Recovered { category, component, strategy, is_success, took } => PoolEvent::Recovered {
            category: to_wire_category(*category),
            component: component.as_str().to_owned(),
            strategy: strategy.as_str().to_owned(),
            is_success: *is_success,
            took_micros: micros(*took),
        },
        Event::Incident { domain, component, category, n_members, phase } => PoolEvent::Incident {
            domain: *domain,
            category: to_wire_category(*category),
            component: component.as_str().to_owned(),
            n_members: *n_members,
            phase: phase.as_str().to_owned(),
        },
        Event::RootCause(cause) => PoolEvent::RootCause {
            category: to_wire_category(cause.category),
            n_faults: cause.n_faults,
            sentence: cause.to_string(),
            factors: factors(cause),
        },
        Event::Quarantined { model: id, cause, n_connections, job: _ } => PoolEvent::Quarantined {
            model: model(*id),
            cause: to_wire_category(*cause),
            n_connections: *n_connections,
        },
        Event::Scaled { from, to, reason, .. } => {
            PoolEvent::Scaled { from: *from, to: *to, reason: reason.as_str().to_owned() }
        }
    };
    Some((concerned, event))
}

fn factors(cause: &RootCause) -> Vec<SharedFactor> {
    let to_wire = |shared: &pool::SharedFactor| SharedFactor {
        factor: shared.factor.as_str().to_owned(),
        value: shared.value.clone(),
        n_failed_with: shared.n_failed_with,
        n_failed_without: shared.n_failed_without,
        n_ok_with: shared.n_ok_with,
        n_ok_without: shared.n_ok_without,
        p_value: shared.p_value,
    };
    cause.factors.iter().map(to_wire).collect()
}
