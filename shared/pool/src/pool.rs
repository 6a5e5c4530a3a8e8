//! The state machine: what it holds, and what a driver may ask of it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::breaker::{Breaker, BreakerConfig, BreakerMode, Transition};
use crate::connection::{BreakerConfigs, Connection, ConnectionState};
use crate::incident::Incidents;
use crate::latency::Latencies;
use crate::quarantine::Quarantine;
use crate::queue::Queue;
use crate::record::Event;
use crate::recovery::Playbook;
use crate::retry_budget::RetryBudget;
use crate::rng::Rng;
use crate::root_cause::Analyst;
use crate::roster::Roster;
use crate::router::Index;
use crate::scaling::Scaler;
use crate::slab::Slab;
use crate::sorted_map::SortedMap;
use crate::timers::{Timer, Timers};
use crate::{
    Action, Backend, BackendSet, CallId, Component, Config, ConnectionId, GroupId, ModelId, ModelSpec,
    Record, Timestamp, health,
};

mod connect;
mod correlate;
mod dispatch;
mod estimate;
pub(crate) mod evidence;
pub(crate) mod explain;
mod footprint;
mod hedge;
mod limits;
mod loads;
mod memory;
mod pick;
mod probe;
mod recover;
mod regret;
mod reindex;
mod repair;
mod residency;
mod settle;
mod state;
mod submit;
mod timeouts;
mod watch;

use regret::Regret;
use state::{Call, Family, Group, JobEntry, Model};

/// Numbers of the pool, now and since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Jobs accepted.
    pub n_accepted: u64,
    /// Jobs refused.
    pub n_refused: u64,
    /// Jobs completed.
    pub n_completed: u64,
    /// Jobs failed.
    pub n_failed: u64,
    /// Jobs cancelled.
    pub n_cancelled: u64,
    /// Tries that were started, first ones, retries and hedges.
    pub n_attempts: u64,
    /// Retries that were started.
    pub n_retries: u64,
    /// Retries that cost no token: the fault was known before anything ran.
    pub n_free_retries: u64,
    /// Second calls that were started beside one that took long.
    pub n_hedges: u64,
    /// Placements that were made to learn.
    pub n_explorations: u64,
    /// Jobs waiting for a place.
    pub n_queued: usize,
    /// Jobs accepted and not ended.
    pub n_jobs: usize,
    /// Calls not answered.
    pub n_calls: usize,
    /// Points in time that are waited for.
    pub n_timers: usize,
    /// Connections that take calls.
    pub n_ready: usize,
    /// Connections not closed.
    pub n_connections: usize,
    /// Calls that the ready connections could serve at once.
    pub n_slots: usize,
    /// Memory that the connections use together, as far as they reported it, bytes.
    pub memory_bytes: u64,
}

/// What the driver measured about a call, as far as it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// Memory that the connection has in use after the call, bytes.
    pub memory_bytes: Option<u64>,
}

/// The pool. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Pool {
    config: Config,
    rng: Rng,
    is_closing: bool,
    models: Vec<Model>,
    families: Vec<Family>,
    groups: Vec<Group>,
    breaker_configs: SortedMap<String, BreakerConfigs>,
    connections: Roster,
    jobs: Slab<JobEntry>,
    calls: Slab<Call>,
    queue: Queue,
    index: Index,
    /// Loads under way.
    loading: SortedMap<(ModelId, Backend), u32>,
    latencies: Latencies,
    timers: Timers,
    budget: RetryBudget,
    playbook: Playbook,
    quarantine: Quarantine,
    incidents: Incidents,
    analyst: Analyst,
    scaler: Scaler,
    /// Connections that scaling has added: the next template's turn.
    n_scaled_up: usize,
    is_watching: bool,
    actions: VecDeque<Action>,
    stats: PoolStats,
    /// Calls that the ready connections could serve at once.
    n_slots: u32,
    /// Memory that the connections which stay use together, as they last reported, bytes.
    memory_bytes: u64,
    /// Use at which models were last unloaded for it, bytes: memory that is not given back is no reason to unload more.
    relieved_at_bytes: u64,
    /// Expected microseconds of all placements, and of those made to learn.
    placed_micros: f64,
    explored_micros: f64,
}

impl Pool {
    /// An empty pool. The same seed and inputs give the same actions.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            is_closing: false,
            models: Vec::new(),
            families: Vec::new(),
            groups: Vec::new(),
            breaker_configs: SortedMap::new(),
            connections: Roster::default(),
            jobs: Slab::new(),
            calls: Slab::new(),
            queue: Queue::default(),
            index: Index::default(),
            loading: SortedMap::new(),
            latencies: Latencies::new(config.routing.clone()),
            timers: Timers::default(),
            budget: RetryBudget::new(&config.retry),
            playbook: Playbook::default(),
            quarantine: Quarantine::default(),
            incidents: Incidents::default(),
            analyst: Analyst::default(),
            scaler: Scaler::default(),
            n_scaled_up: 0,
            is_watching: false,
            actions: VecDeque::new(),
            stats: PoolStats::default(),
            n_slots: 0,
            memory_bytes: 0,
            relieved_at_bytes: 0,
            placed_micros: 0.0,
            explored_micros: 0.0,
            config,
        }
    }

    /// Makes a model known; the same name again replaces what was said of it and keeps its id.
    pub fn register_model(&mut self, spec: ModelSpec) -> ModelId {
        let family = match self.families.iter().position(|family| family.name == spec.family) {
            Some(family) => family,
            None => {
                let name = spec.family.clone();
                self.families.push(Family { name, n_in_flight: 0, last_submitted: None, failing: 0.0 });
                self.families.len() - 1
            }
        };
        if let Some(model_index) = self.models.iter().position(|model| model.spec.name == spec.name) {
            // The family stays: its calls in flight are counted there.
            self.models[model_index].spec = spec;
            self.models[model_index].is_retired = false;
            return ModelId(model_index as u32);
        }
        // One load shows whether the file can be loaded.
        let config = Arc::new(BreakerConfig { n_probes: 1, ..self.config.breaker_for("") });
        let breaker = Breaker::new(config, self.rng.next_u64());
        self.models.push(Model {
            spec,
            family,
            breaker,
            failed_on: None,
            is_refetch: false,
            is_retired: false,
            regret: Regret::default(),
            unsupported: Vec::new(),
        });
        ModelId((self.models.len() - 1) as u32)
    }

    /// What a model was registered with.
    #[must_use]
    pub fn model(&self, model: ModelId) -> Option<&ModelSpec> {
        self.models.get(model.0 as usize).map(|model| &model.spec)
    }

    /// The next thing to do; `None` when there is nothing until the next input or [`Pool::poll_timeout`].
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Pool::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next_at()
    }

    /// One connection; `None` once it is closed.
    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(id)
    }

    /// Every connection that is not closed.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter()
    }

    /// Health of a connection, 0–100; 0 when it is not open.
    pub fn health(&mut self, now: Timestamp, id: ConnectionId) -> f64 {
        self.connection_mut(id).map_or(0.0, |connection| connection.health(now))
    }

    /// Health of one component of a connection, 0–100.
    pub fn component_health(&mut self, now: Timestamp, id: ConnectionId, component: Component) -> f64 {
        self.connection_mut(id).map_or(0.0, |connection| connection.component_health(now, component))
    }

    /// Numbers of the pool.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let is_ready = |connection: &&Connection| connection.state == ConnectionState::Ready;
        PoolStats {
            n_queued: self.queue.len(),
            n_jobs: self.jobs.len(),
            n_calls: self.calls.len(),
            n_timers: self.timers.len(),
            n_ready: self.connections().filter(is_ready).count(),
            n_connections: self.connections().count(),
            n_slots: self.n_slots as usize,
            memory_bytes: self.memory_bytes,
            ..self.stats
        }
    }

    /// Puts one breaker under an operator's hand, or back to work.
    pub fn set_breaker_mode(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        component: Component,
        mode: BreakerMode,
    ) {
        let Some(connection) = self.connection_mut(id) else { return };
        let transition = connection.breaker_mut(component).set_mode(now, mode);
        self.record(now, Event::BreakerMode { connection: id, component, mode });
        self.on_transition(now, id, component, transition);
        if component == Component::Transport {
            self.on_open_due(now, id);
        }
        self.reindex(now, id);
        self.queue.unblock_all();
        self.dispatch(now);
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id)
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    fn record(&mut self, now: Timestamp, event: Event) {
        self.act(Action::Record(Record { at: now, event }));
    }

    fn breaker_configs(&mut self, browser: &str) -> BreakerConfigs {
        if let Some(configs) = self.breaker_configs.get(browser) {
            return configs.clone();
        }
        let configs = BreakerConfigs::new(self.config.breaker_for(browser));
        self.breaker_configs.insert(browser.to_owned(), configs.clone());
        configs
    }

    fn group(&mut self, browser: &str, adapter: &str) -> GroupId {
        let found = self.groups.iter().position(|group| group.browser == browser && group.adapter == adapter);
        let group_index = found.unwrap_or_else(|| {
            let first = self.groups.iter().position(|group| group.browser == browser);
            self.groups.push(Group {
                browser: browser.to_owned(),
                browser_id: GroupId(first.unwrap_or(self.groups.len()) as u16),
                adapter: adapter.to_owned(),
                is_fallback_adapter: false,
                backends: BackendSet::NONE,
                n_ready: 0,
            });
            self.groups.len() - 1
        });
        GroupId(group_index as u16)
    }

    /// Registers a call and arms its time-out.
    fn start_call(&mut self, call: Call) -> CallId {
        let timeout_at = call.timeout_at;
        let id = CallId(self.calls.insert_with(|_| call));
        self.timers.insert(timeout_at, Timer::Call(id));
        id
    }

    /// What follows from a breaker's change of state: a record with the new health, and its next timer.
    fn on_transition(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        component: Component,
        transition: Option<Transition>,
    ) {
        let Some(connection) = self.connection_mut(id) else { return };
        let breaker = connection.breaker_mut(component);
        let due = breaker.poll_timeout();
        if let Some(transition) = transition {
            let health = health::of_breaker(breaker, now);
            self.record(now, Event::Breaker { connection: id, component, transition, health });
        }
        if let Some(due) = due {
            self.timers.insert(due, Timer::Breaker(id, component));
        }
    }
}

#[cfg(test)]
mod tests;
