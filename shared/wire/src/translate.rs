//! Between the pool's words and the wire's: names are the same, types are not. Both shells speak through it.

use core::time::Duration;

use pool::{BackendSet, CallKind, Event, JobEnd, ModelId, RootCause, Timestamp, Transition, micros};

use crate::{Backend, Capabilities, FaultCategory, PoolEvent, Precision, SharedFactor};

/// The pool's name for a wire backend.
#[must_use]
pub fn to_pool_backend(backend: Backend) -> pool::Backend {
    match backend {
        Backend::Webgpu => pool::Backend::Webgpu,
        Backend::Webnn => pool::Backend::Webnn,
        Backend::WebnnGpu => pool::Backend::WebnnGpu,
        Backend::WebnnNpu => pool::Backend::WebnnNpu,
        Backend::Wasm => pool::Backend::Wasm,
    }
}

/// The wire's name for a pool backend.
#[must_use]
pub fn to_wire_backend(backend: pool::Backend) -> Backend {
    match backend {
        pool::Backend::Webgpu => Backend::Webgpu,
        pool::Backend::Webnn => Backend::Webnn,
        pool::Backend::WebnnGpu => Backend::WebnnGpu,
        pool::Backend::WebnnNpu => Backend::WebnnNpu,
        pool::Backend::Wasm => Backend::Wasm,
    }
}

/// The pool's precision; `None` when nobody said.
#[must_use]
pub fn to_pool_precision(precision: Precision) -> Option<pool::Precision> {
    match precision {
        Precision::F32 => Some(pool::Precision::F32),
        Precision::F16 => Some(pool::Precision::F16),
        Precision::Int8 => Some(pool::Precision::Int8),
        Precision::Unknown => None,
    }
}

/// The pool's category of a fault.
#[must_use]
pub fn to_pool_category(category: FaultCategory) -> pool::FaultCategory {
    match category {
        FaultCategory::ConnectionLost => pool::FaultCategory::ConnectionLost,
        FaultCategory::WorkerCrash => pool::FaultCategory::WorkerCrash,
        FaultCategory::DeviceLost => pool::FaultCategory::DeviceLost,
        FaultCategory::OutOfMemory => pool::FaultCategory::OutOfMemory,
        FaultCategory::Timeout => pool::FaultCategory::Timeout,
        FaultCategory::UnsupportedOperator => pool::FaultCategory::UnsupportedOperator,
        FaultCategory::Validation => pool::FaultCategory::Validation,
        FaultCategory::Numeric => pool::FaultCategory::Numeric,
        FaultCategory::ModelLoad => pool::FaultCategory::ModelLoad,
        FaultCategory::Integrity => pool::FaultCategory::Integrity,
        FaultCategory::Overload => pool::FaultCategory::Overload,
        FaultCategory::Cancelled => pool::FaultCategory::Cancelled,
        FaultCategory::Internal => pool::FaultCategory::Internal,
    }
}

/// The wire's category of a fault.
#[must_use]
pub fn to_wire_category(category: pool::FaultCategory) -> FaultCategory {
    match category {
        pool::FaultCategory::ConnectionLost => FaultCategory::ConnectionLost,
        pool::FaultCategory::WorkerCrash => FaultCategory::WorkerCrash,
        pool::FaultCategory::DeviceLost => FaultCategory::DeviceLost,
        pool::FaultCategory::OutOfMemory => FaultCategory::OutOfMemory,
        pool::FaultCategory::Timeout => FaultCategory::Timeout,
        pool::FaultCategory::UnsupportedOperator => FaultCategory::UnsupportedOperator,
        pool::FaultCategory::Validation => FaultCategory::Validation,
        pool::FaultCategory::Numeric => FaultCategory::Numeric,
        pool::FaultCategory::ModelLoad => FaultCategory::ModelLoad,
        pool::FaultCategory::Integrity => FaultCategory::Integrity,
        pool::FaultCategory::Overload => FaultCategory::Overload,
        pool::FaultCategory::Cancelled => FaultCategory::Cancelled,
        pool::FaultCategory::Internal => FaultCategory::Internal,
    }
}

/// What a connection's workers reported, as the pool takes it. `capacity` counts the calls that they serve at once.
#[must_use]
pub fn to_pool_capabilities(capabilities: &Capabilities, capacity: u32) -> pool::Capabilities {
    let backends = capabilities.backends.iter().copied().map(to_pool_backend);
    let adapter = capabilities.adapter.as_ref();
    let adapter_name = adapter.map_or_else(
        || capabilities.wasm_build.clone(),
        |adapter| format!("{} {} {}", adapter.vendor, adapter.architecture, capabilities.wasm_build),
    );
    pool::Capabilities {
        adapter: adapter_name,
        is_fallback_adapter: adapter.is_some_and(|adapter| adapter.is_fallback),
        capacity,
        ..pool::Capabilities::new(backends.fold(BackendSet::NONE, BackendSet::with))
    }
}

/// The event and the connection that it concerns; `None` for those that records of runs tell already. `model` gives a
/// model's name.
#[must_use]
pub fn to_wire_event(
    event: &Event,
    model: impl FnOnce(ModelId) -> String,
) -> Option<(Option<u32>, PoolEvent)> {
    let mut concerned = None;
    let event = match event {
        Event::Placed {
            model: id,
            connection,
            backend,
            n_jobs,
            expected,
            load,
            is_exploration,
            is_probe,
            is_hedge,
        } => {
            concerned = Some(connection.0);
            PoolEvent::Placed {
                model: model(*id),
                backend: to_wire_backend(*backend),
                n_jobs: *n_jobs,
                expected_micros: micros(*expected),
                load_micros: micros(*load),
                is_exploration: *is_exploration,
                is_probe: *is_probe,
                is_hedge: *is_hedge,
            }
        }
        Event::Called(called) => {
            if matches!(called.kind, CallKind::Run | CallKind::Ping) {
                return None;
            }
            concerned = Some(called.connection.0);
            PoolEvent::Called {
                call: called.kind.as_str().to_owned(),
                component: called.component.as_str().to_owned(),
                model: called.model.map(model),
                latency_micros: micros(called.latency),
                is_probe: called.is_probe,
                fault: called.fault.map(to_wire_category),
            }
        }
        Event::Refused { model: id, refusal } => {
            PoolEvent::Refused { model: model(*id), reason: refusal.to_string() }
        }
        Event::Ended { model: id, end, took, job: _ } => {
            let (verdict, cause) = match *end {
                JobEnd::Cancelled => ("cancelled", FaultCategory::Cancelled),
                JobEnd::Failed { n_attempts: 0, verdict, cause, call: _ } => {
                    (verdict.as_str(), to_wire_category(cause))
                }
                JobEnd::Failed { .. } | JobEnd::Completed { .. } | JobEnd::Loaded { .. } => return None,
            };
            let verdict = verdict.to_owned();
            PoolEvent::Ended { model: model(*id), verdict, cause, took_micros: micros(*took) }
        }
        Event::Unloaded { connection, model: id, backend, reason } => {
            concerned = Some(connection.0);
            PoolEvent::Unloaded {
                model: model(*id),
                backend: to_wire_backend(*backend),
                reason: reason.as_str().to_owned(),
            }
        }
        Event::BreakerMode { connection, component, mode } => {
            concerned = Some(connection.0);
            PoolEvent::BreakerMode {
                component: component.as_str().to_owned(),
                mode: mode.as_str().to_owned(),
            }
        }
        Event::ModelBreaker { model: id, transition, health } => {
            let reason = format!("{}: {}", model(*id), transition.reason);
            breaker("model", transition, reason, *health)
        }
        Event::Breaker { connection, component, transition, health } => {
            concerned = Some(connection.0);
            breaker(component.as_str(), transition, transition.reason.to_string(), *health)
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
        Event::Recovered { category, component, strategy, is_success, took, impact } => {
            PoolEvent::Recovered {
                category: to_wire_category(*category),
                component: component.as_str().to_owned(),
                strategy: strategy.as_str().to_owned(),
                is_success: *is_success,
                took_micros: micros(*took),
                impact: Some(*impact),
            }
        }
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
        Event::Scaled { from, to, reason, utilization, n_queued, queue_delay, memory_ratio } => {
            PoolEvent::Scaled {
                from: *from,
                to: *to,
                reason: reason.as_str().to_owned(),
                utilization: *utilization,
                n_queued: u32::try_from(*n_queued).unwrap_or(u32::MAX),
                queue_delay_micros: micros(*queue_delay),
                memory_ratio: *memory_ratio,
            }
        }
    };
    Some((concerned, event))
}

fn breaker(component: &str, transition: &Transition, reason: String, health: f64) -> PoolEvent {
    PoolEvent::Breaker {
        component: component.to_owned(),
        from: transition.from.as_str().to_owned(),
        to: transition.to.as_str().to_owned(),
        reason,
        health,
    }
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

/// Which events are worth a row: a busy pool places thousands of jobs a second, and a full one refuses as many.
#[derive(Debug, Clone, Default)]
pub struct Sampler {
    n_placed: u64,
    /// What was refused in the second that began at `refused_since`.
    refused: Vec<(ModelId, core::mem::Discriminant<pool::Refusal>)>,
    refused_since: Timestamp,
}

/// One ordinary placement out of this many is kept.
const PLACED_INTERVAL: u64 = 100;

impl Sampler {
    /// Whether to keep the event: every one, but of ordinary placements one in a hundred, and of refusals of a model for the
    /// same reason the first of a second.
    pub fn keeps(&mut self, at: Timestamp, event: &Event) -> bool {
        match event {
            Event::Placed { is_exploration: false, is_probe: false, is_hedge: false, .. } => {
                self.n_placed += 1;
                self.n_placed % PLACED_INTERVAL == 1
            }
            Event::Refused { model, refusal } => {
                if at.since(self.refused_since) >= Duration::from_secs(1) {
                    self.refused.clear();
                    self.refused_since = at;
                }
                let refused = (*model, core::mem::discriminant(refusal));
                let is_new = !self.refused.contains(&refused);
                if is_new {
                    self.refused.push(refused);
                }
                is_new
            }
            Event::Placed { .. }
            | Event::Called(_)
            | Event::Ended { .. }
            | Event::Breaker { .. }
            | Event::ModelBreaker { .. }
            | Event::BreakerMode { .. }
            | Event::Connection { .. }
            | Event::Recovering { .. }
            | Event::Recovered { .. }
            | Event::Incident { .. }
            | Event::RootCause(_)
            | Event::Quarantined { .. }
            | Event::Unloaded { .. }
            | Event::Scaled { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests;
