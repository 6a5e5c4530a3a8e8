//! `pool.stats()`.

use js_sys::Array;
use pool::Component;
use stats::Sample;
use wasm_bindgen::prelude::*;

use super::{LoadedModel, Tab, now};
use crate::clock::{micros, millis};
use crate::object::{from_data, number, object, set};
use crate::record_buffer::{Counts, Kind};

impl Tab {
    /// The object that `PoolStats` of the JavaScript interface describes.
    pub(crate) fn stats(&self) -> JsValue {
        let numbers = self.machine.stats();
        let connections: Array =
            self.machine.connections().map(|connection| self.connection_stats(connection)).collect();
        let models: Array = self.models.iter().map(|(_, model)| model_stats(model)).collect();
        object(&[
            ("queued", number(numbers.n_queued as u64)),
            ("running", number(self.n_running() as u64)),
            ("connections", connections.into()),
            ("models", models.into()),
            ("records", self.sent(Kind::Run)),
            ("events", self.sent(Kind::Event)),
            ("knowledge", self.knowledge_stats()),
        ])
    }

    fn sent(&self, kind: Kind) -> JsValue {
        let Counts { n_pending, n_posted, n_dropped } =
            self.reporter.as_ref().map(|reporter| reporter.counts(kind)).unwrap_or_default();
        object(&[
            ("pending", number(n_pending as u64)),
            ("posted", number(n_posted)),
            ("dropped", number(n_dropped)),
        ])
    }

    fn n_running(&self) -> usize {
        self.connections.iter().filter(|(_, connection)| connection.running.is_some()).count()
    }

    fn connection_stats(&self, member: &pool::Connection) -> JsValue {
        let id = |model| self.models.get(model).map_or(JsValue::NULL, |model| model.id.as_str().into());
        let models: Array = member.residents().map(|(model, _)| id(model)).collect();
        let connection = self.connections.get(member.id());
        let running = connection.and_then(|connection| connection.running);
        let stats = object(&[
            ("id", member.id().0.into()),
            ("state", member.state().as_str().into()),
            ("job", running.map_or(JsValue::NULL, |(_, model, _)| id(model))),
            ("models", models.into()),
            ("memoryBytes", number(connection.map_or(0, |connection| connection.memory_bytes))),
            ("nRuns", connection.map_or(0, |connection| connection.n_runs).into()),
            ("nFaults", connection.map_or(0, |connection| connection.n_faults).into()),
            ("nRespawns", connection.map_or(0, |connection| connection.incarnation.saturating_sub(1)).into()),
            ("breakers", breakers(member)),
            ("capabilities", from_data(&connection.and_then(|connection| connection.capabilities.as_ref()))),
        ]);
        if let Some((_, _, started_micros)) = running {
            set(&stats, "jobStartedMs", &millis(started_micros).into());
        }
        stats
    }
}

/// The components that a connection has, and whether calls pass there.
fn breakers(member: &pool::Connection) -> JsValue {
    let own = [Component::Loader, Component::Transport].into_iter();
    let components = member.capabilities().backends.iter().map(pool::Backend::component).chain(own);
    let entries = components.map(|component| {
        let breaker = member.breaker(component);
        let open_for = breaker.open_for(now());
        object(&[
            ("component", component.as_str().into()),
            ("state", breaker.state().as_str().into()),
            ("openForMs", open_for.map_or(JsValue::NULL, |open_for| millis(micros(open_for)).into())),
        ])
    });
    entries.collect::<Array>().into()
}

fn model_stats(model: &LoadedModel) -> JsValue {
    let latencies: Vec<f64> = model.latencies.iter().copied().collect();
    let sample = Sample::new(&latencies).ok();
    let quantile = |p: f64| sample.as_ref().map_or(JsValue::NULL, |sample| sample.quantile(p).into());
    object(&[
        ("id", model.id.as_str().into()),
        ("nRuns", model.n_runs.into()),
        ("nFaults", model.n_faults.into()),
        ("medianMs", quantile(0.5)),
        ("p95Ms", quantile(0.95)),
        ("nSamples", number(latencies.len() as u64)),
    ])
}
