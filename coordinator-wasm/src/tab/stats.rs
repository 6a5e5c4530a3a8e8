//! `pool.stats()`.

use pool::{BackendSet, Component, ConnectionId, micros};
use wasm_bindgen::prelude::*;

use super::{LoadedModel, Tab, now};
use crate::clock::millis;
use crate::object::{array, number, object, set};
use crate::plain::from_capabilities;
use crate::record_buffer::{Counts, Kind};
use crate::sorted::{quantile, sorted};

impl Tab {
    /// The object that `PoolStats` of the JavaScript interface describes.
    pub(crate) fn stats(&mut self) -> JsValue {
        let numbers = self.machine.stats();
        let ids: Vec<ConnectionId> = self.machine.connections().map(pool::Connection::id).collect();
        let connections = array(ids.into_iter().filter_map(|id| self.connection_stats(id)));
        let models = array(self.models.iter().map(|(_, model)| model_stats(model)));
        object(&[
            ("queued", number(numbers.n_queued as u64)),
            ("running", number(self.n_running() as u64)),
            ("connections", connections),
            ("models", models),
            ("memoryBytes", number(numbers.memory_bytes)),
            ("memoryLimitBytes", self.memory_limit_bytes.map_or(JsValue::NULL, number)),
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

    fn connection_stats(&mut self, id: ConnectionId) -> Option<JsValue> {
        let health = self.machine.health(now(), id);
        let components = self.breakers(id);
        let member = self.machine.connection(id)?;
        let name = |model| self.models.get(model).map_or(JsValue::NULL, |model| model.id.as_str().into());
        let models = array(member.residents().map(|(model, _)| name(model)));
        let connection = self.connections.get(id);
        let capabilities = connection.and_then(|connection| connection.capabilities.as_ref());
        let running = connection.and_then(|connection| connection.running);
        let stats = object(&[
            ("id", id.0.into()),
            ("kind", member.spec().kind.as_str().into()),
            ("state", member.state().as_str().into()),
            ("job", running.map_or(JsValue::NULL, |(_, model, _)| name(model))),
            ("models", models),
            ("memoryBytes", number(connection.map_or(0, |connection| connection.memory_bytes))),
            ("nRuns", connection.map_or(0, |connection| connection.n_runs).into()),
            ("nFaults", connection.map_or(0, |connection| connection.n_faults).into()),
            ("nRespawns", connection.map_or(0, |connection| connection.incarnation.saturating_sub(1)).into()),
            ("health", health.into()),
            ("breakers", components),
            ("capabilities", capabilities.map_or(JsValue::NULL, from_capabilities)),
        ]);
        if let Some((_, _, started_micros)) = running {
            set(&stats, "jobStartedMs", &millis(started_micros).into());
        }
        Some(stats)
    }

    /// The components that a connection has, and whether calls pass there.
    fn breakers(&mut self, id: ConnectionId) -> JsValue {
        let backends = self.machine.connection(id).map_or(BackendSet::NONE, |c| c.capabilities().backends);
        let own = [Component::Loader, Component::Transport].into_iter();
        let components = backends.iter().map(pool::Backend::component).chain(own);
        let entries = components.filter_map(|component| {
            let health = self.machine.component_health(now(), id, component);
            let breaker = self.machine.connection(id)?.breaker(component);
            let open_for = breaker.open_for(now());
            Some(object(&[
                ("component", component.as_str().into()),
                ("state", breaker.state().as_str().into()),
                ("mode", breaker.mode().as_str().into()),
                ("health", health.into()),
                ("openForMs", open_for.map_or(JsValue::NULL, |open_for| millis(micros(open_for)).into())),
            ]))
        });
        array(entries)
    }
}

fn model_stats(model: &LoadedModel) -> JsValue {
    let latencies = sorted(model.latencies.iter().copied());
    let quantile = |p: f64| quantile(&latencies, p).map_or(JsValue::NULL, JsValue::from);
    object(&[
        ("id", model.id.as_str().into()),
        ("nRuns", model.n_runs.into()),
        ("nFaults", model.n_faults.into()),
        ("medianMs", quantile(0.5)),
        ("p95Ms", quantile(0.95)),
        ("nSamples", number(latencies.len() as u64)),
        ("isSplittable", model.is_splittable.map_or(JsValue::NULL, JsValue::from)),
    ])
}
