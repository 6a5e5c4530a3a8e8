//! What a place would mean for a job: time and waiting.

use super::Pool;
use super::dispatch::log2;
use super::pick::{Place, Wish};
use super::state::Call;
use crate::latency::{Estimate, LatencyKey};
use crate::queue::LaneKey;
use crate::record::CallKind;
use crate::sort::sort;
use crate::{Backend, Component, Connection, ConnectionId, GroupId, ModelId, ShapeClass};

/// ln of how much slower a software adapter is taken to be than wasm until it is measured (FACTS: 3–100×).
const FALLBACK_ADAPTER_LN: f64 = 2.3;
/// ln of how much slower each further backend of the preference list `webgpu, webnn, wasm` is taken to be.
const PREFERENCE_LN: f64 = 0.1;

/// What a run's time depends on beside its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    pub(super) model: ModelId,
    /// Class of the inputs' shapes and ⌈log₂⌉ of the batch size; `None`: over all.
    pub(super) shape: Option<(ShapeClass, u8)>,
}

impl Task {
    pub(super) fn new(model: ModelId, shape: ShapeClass, n_jobs: usize) -> Self {
        Self { model, shape: Some((shape, log2(n_jobs))) }
    }
}

impl Pool {
    /// Expected microseconds until busy places that hold the model have a result, after `n_ahead` calls; `None` without any.
    /// Places of the group and backend of `free` are left out, because one of them is free.
    pub(super) fn busy_wait(&self, wish: Wish, n_ahead: f64, free: Option<Place>) -> Option<f64> {
        let model = wish.task.model;
        let free_kind =
            free.and_then(|place| Some((self.connection(place.connection)?.group, place.backend)));
        let mut calls_per_micro = 0.0;
        let mut fastest = f64::INFINITY;
        for group in (0..self.groups.len() as u16).map(GroupId) {
            for backend in wish.backends.iter().filter(|&backend| Some((group, backend)) != free_kind) {
                let n_places = self.index.n_serving(Some(model), backend, group);
                if n_places == 0 || self.index.best(Some(model), backend, group, |_| true).is_some() {
                    continue;
                }
                let micros = |task| self.estimate(task, backend, group).mean_ln.exp().max(1.0);
                // What is ahead has any shape.
                calls_per_micro += f64::from(n_places) / micros(Task { shape: None, ..wish.task });
                fastest = fastest.min(micros(wish.task));
            }
        }
        (calls_per_micro > 0.0).then(|| fastest + n_ahead / calls_per_micro)
    }

    /// Whether a connection may load the model: its loader works, it does not load it already, and there is memory to be had.
    pub(super) fn could_hold(&self, id: ConnectionId, model: ModelId, backend: Backend) -> bool {
        self.connection(id).is_some_and(|connection| {
            has_loader(connection)
                && self.load_under_way(connection, model, backend).is_none()
                && self.has_memory(connection, model, backend)
        })
    }

    /// Whether a connection may load the model now: as [`Pool::could_hold`], and the model itself is not held back.
    pub(super) fn could_load(&self, id: ConnectionId, model: ModelId, backend: Backend) -> bool {
        self.is_loadable(model)
            && !self.loading.contains_key(&(model, backend))
            && self.could_hold(id, model, backend)
    }

    /// The call that loads a model into a connection.
    pub(super) fn load_under_way(
        &self,
        connection: &Connection,
        model: ModelId,
        backend: Backend,
    ) -> Option<&Call> {
        let mut calls = connection.calls.iter().filter_map(|call| self.calls.get(call.0));
        calls.find(|call| {
            call.kind == CallKind::Load && call.model == Some(model) && call.backend == Some(backend)
        })
    }

    /// What a connection's calls use, each once, however many calls do.
    pub(super) fn busy_models(&self, connection: &Connection) -> Vec<(ModelId, Backend)> {
        let calls = connection.calls.iter().filter_map(|call| self.calls.get(call.0));
        let mut busy: Vec<_> = calls.filter_map(|call| Some((call.model?, call.backend?))).collect();
        sort(&mut busy, |a, b| a < b);
        busy.dedup();
        busy
    }

    /// What a connection holds and no call uses.
    pub(super) fn idle_models(&self, connection: &Connection) -> Vec<(ModelId, Backend)> {
        let busy = self.busy_models(connection);
        connection.residents().filter(|held| !busy.contains(held)).collect()
    }

    /// Jobs that the next call of a lane runs together.
    pub(super) fn batch_len(&self, key: &LaneKey) -> usize {
        let max_batch = self.models[key.model.0 as usize].spec.max_batch.max(1) as usize;
        if key.is_batch { self.queue.lane_len(key).min(max_batch) } else { 1 }
    }

    /// Calls that are made by the jobs which wait for the same places as a lane's.
    pub(super) fn n_calls_waiting(&self, key: &LaneKey) -> f64 {
        let n_jobs = self.queue.crowd_len(key) as f64;
        (n_jobs / self.batch_len(key).max(1) as f64).ceil()
    }

    /// A run's latency in a group, with what is believed where nothing was measured.
    pub(super) fn estimate(&self, task: Task, backend: Backend, group: GroupId) -> Estimate {
        let Task { model, shape } = task;
        let mut estimate = self.latencies.expected(LatencyKey { model, backend, group: Some(group), shape });
        if estimate.weight <= 0.0 {
            estimate.mean_ln += PREFERENCE_LN * f64::from(backend as u8);
            if backend == Backend::Webgpu && self.groups[usize::from(group.0)].is_fallback_adapter {
                estimate.mean_ln += FALLBACK_ADAPTER_LN;
            }
        }
        estimate
    }

    pub(super) fn cost_ln(&self, task: Task, id: ConnectionId, backend: Backend) -> f64 {
        let Some(connection) = self.connection(id) else { return f64::INFINITY };
        self.estimate(task, backend, connection.group).mean_ln + self.latencies.member_offset(id, backend)
    }
}

/// Whether a connection's loader is trusted with a load.
pub(super) fn has_loader(connection: &Connection) -> bool {
    let loader = connection.breaker(Component::Loader);
    loader.is_passing() || loader.n_probes_free() > 0
}
