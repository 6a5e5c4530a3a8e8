//! The wire's records as plain JavaScript objects: what listeners get, and as JSON what goes to the agent and into storage.
//!
//! Written by hand for the reason that [`crate::protocol`] gives; the tests hold each against serde's form.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wire::evidence::{BreakerEvidence, LatencyEvidence, StrategyEvidence};
use wire::{Adapter, Browser, Capabilities, Evidence, Fault, FaultCategory, Phases, PoolEvent, SharedFactor};

use crate::object::{array, number, object, set};

/// [`Fault`].
pub(crate) fn from_fault(fault: &Fault) -> JsValue {
    object(&[
        ("category", fault.category.as_str().into()),
        ("code", fault.code.as_str().into()),
        ("message", fault.message.as_str().into()),
        ("hint", text(fault.hint.as_deref())),
        ("retry_after_ms", whole(fault.retry_after_ms)),
    ])
}

/// [`Browser`].
pub(crate) fn from_browser(browser: &Browser) -> JsValue {
    object(&[
        ("name", browser.name.as_str().into()),
        ("version", browser.version.as_str().into()),
        ("user_agent", browser.user_agent.as_str().into()),
    ])
}

/// [`Adapter`].
pub(crate) fn from_adapter(adapter: &Adapter) -> JsValue {
    object(&[
        ("vendor", adapter.vendor.as_str().into()),
        ("architecture", adapter.architecture.as_str().into()),
        ("description", adapter.description.as_str().into()),
        ("is_fallback", adapter.is_fallback.into()),
    ])
}

/// [`Phases`].
pub(crate) fn from_phases(phases: &Phases) -> JsValue {
    object(&[
        ("queue_micros", whole(phases.queue_micros)),
        ("download_micros", whole(phases.download_micros)),
        ("verify_micros", whole(phases.verify_micros)),
        ("load_micros", whole(phases.load_micros)),
        ("run_micros", whole(phases.run_micros)),
        ("total_micros", whole(phases.total_micros)),
    ])
}

/// [`Capabilities`].
pub(crate) fn from_capabilities(capabilities: &Capabilities) -> JsValue {
    let texts = |texts: &[String]| array(texts.iter().map(JsValue::from));
    let backends = array(capabilities.backends.iter().map(|backend| backend.as_str().into()));
    let plain = object(&[
        ("wasm_build", capabilities.wasm_build.as_str().into()),
        ("backends", backends),
        ("adapter", capabilities.adapter.as_ref().map_or(JsValue::UNDEFINED, from_adapter)),
        ("webgpu_reason", text(capabilities.webgpu_reason.as_deref())),
        ("webnn_devices", texts(&capabilities.webnn_devices)),
        ("webnn_reason", text(capabilities.webnn_reason.as_deref())),
        ("cross_origin_isolated", capabilities.cross_origin_isolated.into()),
    ]);
    if !capabilities.webnn_notes.is_empty() {
        set(&plain, "webnn_notes", &texts(&capabilities.webnn_notes));
    }
    plain
}

/// [`PoolEvent`].
pub(crate) fn from_event(event: &PoolEvent) -> JsValue {
    let kind = ("kind", JsValue::from(event.kind()));
    match event {
        PoolEvent::Breaker { component, from, to, reason, health } => object(&[
            kind,
            ("component", component.into()),
            ("from", from.into()),
            ("to", to.into()),
            ("reason", reason.into()),
            ("health", (*health).into()),
        ]),
        PoolEvent::Connection { to, cause } => object(&[
            kind,
            ("to", to.into()),
            ("cause", cause.map_or(JsValue::UNDEFINED, |cause| cause.as_str().into())),
        ]),
        PoolEvent::Recovering { category, component, strategy, after_micros } => object(&[
            kind,
            ("category", category.as_str().into()),
            ("component", component.into()),
            ("strategy", strategy.into()),
            ("after_micros", number(*after_micros)),
        ]),
        PoolEvent::Recovered { category, component, strategy, is_success, took_micros, impact } => object(&[
            kind,
            ("category", category.as_str().into()),
            ("component", component.into()),
            ("strategy", strategy.into()),
            ("is_success", (*is_success).into()),
            ("took_micros", number(*took_micros)),
            ("impact", impact.map_or(JsValue::NULL, JsValue::from)),
        ]),
        PoolEvent::Incident { domain, category, component, n_members, phase } => object(&[
            kind,
            ("domain", (*domain).into()),
            ("category", category.as_str().into()),
            ("component", component.into()),
            ("n_members", (*n_members).into()),
            ("phase", phase.into()),
        ]),
        PoolEvent::RootCause { category, n_faults, sentence, factors } => object(&[
            kind,
            ("category", category.as_str().into()),
            ("n_faults", (*n_faults).into()),
            ("sentence", sentence.into()),
            ("factors", array(factors.iter().map(from_factor))),
        ]),
        PoolEvent::Quarantined { model, cause, n_connections } => object(&[
            kind,
            ("model", model.into()),
            ("cause", cause.as_str().into()),
            ("n_connections", (*n_connections).into()),
        ]),
        PoolEvent::BackendChosen { model, backend, sentence } => object(&[
            kind,
            ("model", model.into()),
            ("backend", backend.as_str().into()),
            ("sentence", sentence.into()),
        ]),
        PoolEvent::Scaled { from, to, reason, utilization, n_queued, queue_delay_micros, memory_ratio } => {
            object(&[
                kind,
                ("from", (*from).into()),
                ("to", (*to).into()),
                ("reason", reason.into()),
                ("utilization", (*utilization).into()),
                ("n_queued", (*n_queued).into()),
                ("queue_delay_micros", number(*queue_delay_micros)),
                ("memory_ratio", (*memory_ratio).into()),
            ])
        }
        PoolEvent::Placed {
            model,
            backend,
            n_jobs,
            expected_micros,
            load_micros,
            is_exploration,
            is_probe,
            is_hedge,
        } => object(&[
            kind,
            ("model", model.into()),
            ("backend", backend.as_str().into()),
            ("n_jobs", (*n_jobs).into()),
            ("expected_micros", number(*expected_micros)),
            ("load_micros", number(*load_micros)),
            ("is_exploration", (*is_exploration).into()),
            ("is_probe", (*is_probe).into()),
            ("is_hedge", (*is_hedge).into()),
        ]),
        PoolEvent::Called { call, component, model, latency_micros, is_probe, fault } => object(&[
            kind,
            ("call", call.into()),
            ("component", component.into()),
            ("model", text(model.as_deref())),
            ("latency_micros", number(*latency_micros)),
            ("is_probe", (*is_probe).into()),
            ("fault", fault.map_or(JsValue::UNDEFINED, |fault| fault.as_str().into())),
        ]),
        PoolEvent::Refused { model, reason } => {
            object(&[kind, ("model", model.into()), ("reason", reason.into())])
        }
        PoolEvent::Ended { model, verdict, cause, took_micros } => object(&[
            kind,
            ("model", model.into()),
            ("verdict", verdict.into()),
            ("cause", cause.as_str().into()),
            ("took_micros", number(*took_micros)),
        ]),
        PoolEvent::Unloaded { model, backend, reason } => object(&[
            kind,
            ("model", model.into()),
            ("backend", backend.as_str().into()),
            ("reason", reason.into()),
        ]),
        PoolEvent::BreakerMode { component, mode } => {
            object(&[kind, ("component", component.into()), ("mode", mode.into())])
        }
    }
}

fn from_factor(factor: &SharedFactor) -> JsValue {
    object(&[
        ("factor", factor.factor.as_str().into()),
        ("value", factor.value.as_str().into()),
        ("n_failed_with", factor.n_failed_with.into()),
        ("n_failed_without", factor.n_failed_without.into()),
        ("n_ok_with", factor.n_ok_with.into()),
        ("n_ok_without", factor.n_ok_without.into()),
        ("p_value", factor.p_value.into()),
    ])
}

/// [`Evidence`].
pub(crate) fn from_evidence(evidence: &Evidence) -> JsValue {
    object(&[
        ("version", evidence.version.into()),
        ("saved_unix_micros", time(evidence.saved_unix_micros)),
        ("breakers", array(evidence.breakers.iter().map(from_breaker))),
        ("latencies", array(evidence.latencies.iter().map(from_latency))),
        ("strategies", array(evidence.strategies.iter().map(from_strategy))),
    ])
}

fn from_breaker(breaker: &BreakerEvidence) -> JsValue {
    object(&[
        ("connection", breaker.connection.into()),
        ("browser", breaker.browser.as_str().into()),
        ("component", breaker.component.as_str().into()),
        ("n_openings", breaker.n_openings.into()),
        ("open_micros", whole(breaker.open_micros)),
    ])
}

fn from_latency(latency: &LatencyEvidence) -> JsValue {
    let place = latency.place.as_ref().map(|(browser, adapter)| Array::of2(&browser.into(), &adapter.into()));
    let shape = latency.shape.map(|(class, batch)| Array::of2(&class.into(), &batch.into()));
    object(&[
        ("model", latency.model.as_str().into()),
        ("backend", latency.backend.as_str().into()),
        ("place", place.map_or(JsValue::UNDEFINED, JsValue::from)),
        ("shape", shape.map_or(JsValue::UNDEFINED, JsValue::from)),
        ("weight", latency.weight.into()),
        ("mean_ln", latency.mean_ln.into()),
        ("variance_ln", latency.variance_ln.into()),
        ("age_micros", number(latency.age_micros)),
    ])
}

fn from_strategy(strategy: &StrategyEvidence) -> JsValue {
    let category: FaultCategory = strategy.category;
    object(&[
        ("category", category.as_str().into()),
        ("component", strategy.component.as_str().into()),
        ("strategy", strategy.strategy.as_str().into()),
        ("n_helped", strategy.n_helped.into()),
        ("n_failed", strategy.n_failed.into()),
        ("mean_seconds", strategy.mean_seconds.into()),
        ("impact", strategy.impact.map_or(JsValue::UNDEFINED, JsValue::from)),
        ("stability", strategy.stability.into()),
    ])
}

/// Microseconds since the Unix epoch.
#[expect(clippy::cast_precision_loss, reason = "they stay below 2^53 for 285 years from 1970")]
pub(crate) fn time(unix_micros: i64) -> JsValue {
    JsValue::from_f64(unix_micros as f64)
}

/// Text that may be missing.
pub(crate) fn text(text: Option<&str>) -> JsValue {
    text.map_or(JsValue::UNDEFINED, JsValue::from)
}

fn whole(value: Option<u64>) -> JsValue {
    value.map_or(JsValue::UNDEFINED, number)
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
