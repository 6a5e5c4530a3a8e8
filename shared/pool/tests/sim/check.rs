//! A naive model of what the pool may do, kept beside it from its actions and records alone.

use std::collections::{BTreeMap, BTreeSet};

use pool::{
    Action, Backend, BreakerState, CallId, CallKind, Component, Config, ConnectionId, ConnectionState, Event,
    FaultCategory, IncidentPhase, JobEnd, JobId, ModelId, Pool, Priority, Refusal, Strategy, Timestamp,
    UnloadReason,
};

use crate::reason;
use crate::sim::scenario::Scenario;

/// Most jobs in one call of any scenario.
const MAX_BATCH: usize = 8;
/// Actions between two looks at what the pool keeps.
const FOOTPRINT_EVERY: u64 = 200;
/// Probes per half-open period of every component but the link: the default of `BreakerConfig`.
const N_PROBES: u32 = 3;

#[derive(Debug)]
struct Sent {
    connection: ConnectionId,
    component: Component,
    loads: Option<(ModelId, Backend)>,
    jobs: Vec<JobId>,
    is_probe: bool,
    /// Changes of the component's breaker before.
    n_changes: u64,
}

#[derive(Debug, Default)]
struct Breaker {
    state: Option<BreakerState>,
    n_probes_out: u32,
    n_probes_done: u32,
    n_changes: u64,
}

/// Checks one run; every broken rule panics with the seed.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    seed: u64,
    config: &'a Config,
    is_hedging: bool,
    sent: BTreeMap<CallId, Sent>,
    breakers: BTreeMap<(ConnectionId, Component), Breaker>,
    states: BTreeMap<ConnectionId, ConnectionState>,
    residents: BTreeMap<ConnectionId, BTreeSet<(ModelId, Backend)>>,
    n_running: BTreeMap<JobId, u32>,
    ended: BTreeSet<JobId>,
    model_bytes: Vec<u64>,
    n_actions: u64,
    /// What happened at least once.
    pub(crate) happened: BTreeSet<&'static str>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(scenario: &'a Scenario) -> Self {
        Self {
            seed: scenario.seed,
            config: &scenario.config,
            is_hedging: scenario.config.hedging.is_enabled,
            sent: BTreeMap::new(),
            breakers: BTreeMap::new(),
            states: BTreeMap::new(),
            residents: BTreeMap::new(),
            n_running: BTreeMap::new(),
            ended: BTreeSet::new(),
            model_bytes: scenario.models.iter().map(|model| model.spec.memory_bytes).collect(),
            n_actions: 0,
            happened: BTreeSet::new(),
        }
    }

    pub(crate) fn watch(&mut self, pool: &Pool, action: &Action) {
        let seed = self.seed;
        self.n_actions += 1;
        if self.n_actions.is_multiple_of(FOOTPRINT_EVERY) {
            self.check_footprint(pool);
        }
        match action {
            Action::Open { connection, call } | Action::Respawn { connection, call, .. } => {
                self.residents.remove(connection);
                self.send(*connection, *call, Component::Transport, None, &[]);
            }
            Action::Load { connection, call, model, backend, .. } => {
                self.send(*connection, *call, Component::Loader, Some((*model, *backend)), &[]);
                self.check_memory(pool, *connection);
            }
            Action::Run { connection, call, model, backend, jobs, .. } => {
                let holds =
                    self.residents.get(connection).is_some_and(|held| held.contains(&(*model, *backend)));
                assert!(holds, "seed {seed}: {call} runs {model} on {connection}, which does not hold it");
                assert!(!jobs.is_empty(), "seed {seed}: {call} runs nothing");
                let capacity = pool.connection(*connection).map_or(0, |c| c.capabilities().capacity);
                let n_out = self
                    .sent
                    .values()
                    .filter(|sent| sent.connection == *connection && !sent.is_side())
                    .count();
                assert!(
                    n_out < capacity as usize,
                    "seed {seed}: {connection} gets more than {capacity} calls"
                );
                self.send(*connection, *call, backend.component(), None, jobs);
            }
            Action::Probe { connection, call, backend, .. } => {
                self.send(*connection, *call, backend.component(), None, &[]);
                assert!(
                    self.sent[call].is_probe,
                    "seed {seed}: a golden inference on a component that is not half-open"
                );
            }
            Action::Unload { connection, model, backend } => {
                if let Some(held) = self.residents.get_mut(connection) {
                    held.remove(&(*model, *backend));
                }
            }
            Action::RecreateDevice { connection, backend, .. } => {
                if let Some(held) = self.residents.get_mut(connection) {
                    held.retain(|(_, on)| on != backend);
                }
            }
            Action::Close { connection } => {
                self.states.insert(*connection, ConnectionState::Closed);
            }
            Action::Finish { job, .. } => {
                assert!(self.ended.insert(*job), "seed {seed}: {job} ended twice");
                self.n_running.remove(job);
            }
            Action::Record(record) => self.note(&record.event),
            Action::Ping { connection, .. } | Action::Abort { connection, .. } => {
                let state = self.states.get(connection);
                assert!(state != Some(&ConnectionState::Closed), "seed {seed}: {connection} is closed");
            }
        }
    }

    fn send(
        &mut self,
        connection: ConnectionId,
        call: CallId,
        component: Component,
        loads: Option<(ModelId, Backend)>,
        jobs: &[JobId],
    ) {
        let seed = self.seed;
        let state = self.states.get(&connection).copied();
        assert!(state != Some(ConnectionState::Closed), "seed {seed}: {connection} is closed");
        let breaker = self.breakers.entry((connection, component)).or_default();
        let n_probes = if component == Component::Transport { 1 } else { N_PROBES };
        let is_probe = match breaker.state.unwrap_or(BreakerState::Closed) {
            BreakerState::Closed => false,
            BreakerState::Open => panic!("seed {seed}: {call} on {connection}, whose {component} is open"),
            BreakerState::HalfOpen => {
                breaker.n_probes_out += 1;
                let n_used = breaker.n_probes_out + breaker.n_probes_done;
                assert!(n_used <= n_probes, "seed {seed}: {n_used} probes of {component} on {connection}");
                true
            }
        };
        let n_changes = breaker.n_changes;
        for job in jobs {
            assert!(!self.ended.contains(job), "seed {seed}: {job} runs after its end");
            let n_running = self.n_running.entry(*job).or_insert(0);
            *n_running += 1;
            assert!(
                *n_running <= 1 + u32::from(self.is_hedging),
                "seed {seed}: {job} runs {n_running} times at once"
            );
        }
        let sent = Sent { connection, component, loads, jobs: jobs.to_vec(), is_probe, n_changes };
        assert!(self.sent.insert(call, sent).is_none(), "seed {seed}: {call} is used twice");
    }

    fn note(&mut self, event: &Event) {
        self.happened.extend(happening(event));
        let seed = self.seed;
        match event {
            Event::Called(called) => {
                // A call that was aborted reports before its slot is free; what it held is let go here.
                let Some(sent) = self.sent.remove(&called.call) else { return };
                for job in &sent.jobs {
                    if let Some(n_running) = self.n_running.get_mut(job) {
                        *n_running = n_running.saturating_sub(1);
                    }
                }
                if let (Some(loaded), None) = (sent.loads, called.fault) {
                    self.residents.entry(sent.connection).or_default().insert(loaded);
                }
                // What a device held is gone with it.
                let device = called.component.backend().or(sent.loads.map(|(_, backend)| backend));
                if called.fault == Some(FaultCategory::DeviceLost)
                    && let Some(held) = self.residents.get_mut(&sent.connection)
                {
                    held.retain(|&(_, on)| Some(on) != device);
                }
                if called.kind == CallKind::Open {
                    self.residents.remove(&sent.connection);
                }
                let breaker = self.breakers.entry((sent.connection, sent.component)).or_default();
                // A late answer counts in no later half-open period.
                if sent.is_probe && breaker.n_changes == sent.n_changes {
                    breaker.n_probes_out = breaker.n_probes_out.saturating_sub(1);
                    let is_ignored = called.fault.is_some_and(|fault| {
                        matches!(
                            fault,
                            FaultCategory::Cancelled
                                | FaultCategory::UnsupportedOperator
                                | FaultCategory::Validation
                                | FaultCategory::Overload
                        )
                    });
                    // What a fault counts for depends on its cause, so only successes are sure to use a probe up.
                    breaker.n_probes_done += u32::from(called.fault.is_none() && !is_ignored);
                }
            }
            Event::Breaker { connection, component, transition, health } => {
                assert!((0.0..=100.0).contains(health), "seed {seed}: health {health}");
                let limit = match transition.to {
                    BreakerState::Closed => 100.0,
                    BreakerState::HalfOpen => 50.0,
                    BreakerState::Open => 10.0,
                };
                assert!(*health <= limit, "seed {seed}: health {health} in state {}", transition.to);
                let breaker = self.breakers.entry((*connection, *component)).or_default();
                let before = breaker.state.unwrap_or(BreakerState::Closed);
                assert_eq!(before, transition.from, "seed {seed}: {component} of {connection}");
                let n_changes = breaker.n_changes + 1;
                *breaker = Breaker { state: Some(transition.to), n_changes, ..Breaker::default() };
            }
            Event::Connection { connection, to, .. } => {
                self.states.insert(*connection, *to);
            }
            Event::Placed { expected, .. } => {
                assert!(!expected.is_zero(), "seed {seed}: nothing takes no time")
            }
            Event::RootCause(cause) => {
                assert!(cause.factors.iter().all(|shared| shared.p_value <= 0.01), "seed {seed}: {cause}");
            }
            Event::ModelBreaker { health, .. } => {
                assert!((0.0..=100.0).contains(health), "seed {seed}: health {health}");
            }
            Event::Ended { job, .. } => assert!(!self.ended.contains(job), "seed {seed}: {job} ended twice"),
            Event::Refused { .. }
            | Event::BreakerMode { .. }
            | Event::Recovering { .. }
            | Event::Recovered { .. }
            | Event::Incident { .. }
            | Event::Quarantined { .. }
            | Event::Unloaded { .. }
            | Event::Scaled { .. } => {}
        }
    }

    /// No more models in a connection, held and coming, than it has memory for.
    fn check_memory(&self, pool: &Pool, id: ConnectionId) {
        let seed = self.seed;
        let limit = pool.connection(id).map_or(0, |connection| connection.capabilities().memory_limit_bytes);
        let coming = self.sent.values().filter(|sent| sent.connection == id).filter_map(|sent| sent.loads);
        let held: BTreeSet<_> =
            self.residents.get(&id).into_iter().flatten().copied().chain(coming).collect();
        let bytes: u64 = held.iter().map(|(model, _)| self.model_bytes[model.0 as usize]).sum();
        assert!(limit == 0 || bytes <= limit, "seed {seed}: {id} holds {bytes} bytes of {limit}: {held:?}");
    }

    /// Every collection is bounded by what there is now, however long the pool has lived.
    fn check_footprint(&self, pool: &Pool) {
        let seed = self.seed;
        let footprint: BTreeMap<&str, usize> = pool.footprint().into_iter().collect();
        let of = |name: &str| footprint[name];
        let (n_jobs, n_calls, n_connections) = (of("jobs"), of("calls"), of("connections"));
        let (n_models, n_backends) = (of("models"), Backend::ALL.len());
        // At most so many browsers, adapters and domains are in any scenario.
        let (n_groups, n_sites) = (4 * 3, 3 * Component::ALL.len());
        let n_slots: usize = pool.connections().map(|one| one.capabilities().capacity as usize).sum();
        let in_flight = 2 * n_slots + 3 * n_connections;
        let bounds = [
            ("jobs", self.config.queue_capacity + MAX_BATCH * in_flight),
            ("calls", in_flight),
            ("families", 3),
            ("groups", n_groups),
            ("loading", n_models * n_backends),
            ("timers", 8 * (n_jobs + n_calls) + 64 * n_connections + 1000),
            ("observations", 512),
            ("incidents", n_sites),
            ("recent faults", 64 * n_sites * FaultCategory::ALL.len()),
            ("fault sites", n_sites * FaultCategory::ALL.len()),
            ("free places", n_connections * n_backends * (n_models + 1)),
            ("half-open places", n_connections * n_backends),
            ("serving places", n_groups * n_backends * (n_models + 1)),
            ("runs", 8192),
            ("loads", n_models * n_backends),
            ("members", n_connections * n_backends),
            ("opens", n_groups * (Strategy::ALL.len() + 1)),
            ("strategies", FaultCategory::ALL.len() * Component::ALL.len() * Strategy::ALL.len()),
            ("quarantined", self.config.quarantine.capacity),
            ("lanes", n_jobs),
            ("active lanes", n_jobs),
            ("blocked lanes", n_jobs),
            ("crowds", n_jobs),
            ("flows", n_models * Priority::ALL.len()),
        ];
        for (name, bound) in bounds {
            assert!(of(name) <= bound, "seed {seed}: {} {name}, at most {bound}", of(name));
        }
        let known: BTreeSet<&str> = bounds.iter().map(|(name, _)| *name).collect();
        let unbounded = ["actions", "connections", "models"];
        let missing = footprint.keys().find(|name| !known.contains(*name) && !unbounded.contains(name));
        assert_eq!(missing, None, "seed {seed}: nobody bounds it");
    }

    /// What must hold when every job has ended.
    pub(crate) fn finish(&self, pool: &Pool, now: Timestamp) {
        let seed = self.seed;
        let stats = pool.stats();
        assert_eq!(stats.n_jobs, 0, "seed {seed}: jobs are left");
        assert_eq!(stats.n_accepted as usize, self.ended.len(), "seed {seed}: every accepted job ends");
        let n_ended = stats.n_completed + stats.n_failed + stats.n_cancelled;
        assert_eq!(n_ended, stats.n_accepted, "seed {seed}");
        let retry = &self.config.retry;
        let budget = retry.budget_reserve
            + retry.budget_per_success * stats.n_completed as f64
            + retry.budget_per_second * now.since(Timestamp::ZERO).as_secs_f64();
        let n_paid = stats.n_retries - stats.n_free_retries;
        assert!(n_paid as f64 <= budget + 1.0, "seed {seed}: {n_paid} retries of {budget:.0}");
        self.check_footprint(pool);
        let bound = 64 * stats.n_connections + 10 * stats.n_calls + 2000;
        assert!(stats.n_timers <= bound, "seed {seed}: {} timers are left", stats.n_timers);
    }
}

impl Sent {
    /// Whether the call needs no slot.
    fn is_side(&self) -> bool {
        self.component == Component::Transport
    }
}

/// What an event shows that a simulation has to show at least once.
fn happening(event: &Event) -> Option<&'static str> {
    match event {
        Event::Placed { is_hedge: true, .. } => Some("hedge"),
        Event::Placed { is_exploration: true, .. } => Some("exploration"),
        Event::Placed { is_probe: true, .. } => Some("probing job"),
        Event::Called(called) if called.kind == CallKind::Probe => Some("golden inference"),
        Event::Called(called) if called.jobs.len() > 1 => Some("batch"),
        Event::Breaker { transition, .. } => Some(reason::row(&transition.reason)),
        Event::Recovered { strategy, is_success: true, .. } => Some(strategy.as_str()),
        Event::Incident { phase, .. } => Some(match phase {
            IncidentPhase::Opened => "incident",
            IncidentPhase::Returning => "incident over",
            IncidentPhase::Failed => "incident handed over",
        }),
        Event::RootCause(cause) if !cause.factors.is_empty() => Some("root cause"),
        Event::Quarantined { .. } => Some("quarantine"),
        Event::Refused { refusal: Refusal::Quarantined { .. }, .. } => Some("refused input"),
        Event::Refused { refusal: Refusal::QueueFull { .. }, .. } => Some("back-pressure"),
        Event::Scaled { reason, .. } => Some(reason.as_str()),
        Event::Ended { end: JobEnd::Loaded { .. }, .. } => Some("load only"),
        Event::ModelBreaker { transition, .. } => Some(match transition.to {
            BreakerState::Open => "loads held back",
            BreakerState::HalfOpen => "loads tried",
            BreakerState::Closed => "loads trusted",
        }),
        Event::BreakerMode { mode, .. } => Some(mode.as_str()),
        Event::Unloaded { reason, .. } => Some(match reason {
            UnloadReason::Room => "room",
            UnloadReason::Pressure => "pressure",
            UnloadReason::OutOfMemory => "out of memory",
            UnloadReason::Fault => "reload",
            UnloadReason::Unwanted => "unwanted",
        }),
        Event::Placed { .. }
        | Event::Called(_)
        | Event::Ended { .. }
        | Event::Connection { .. }
        | Event::Recovering { .. }
        | Event::Recovered { .. }
        | Event::RootCause(_)
        | Event::Refused { .. } => None,
    }
}
