//! A simulated fleet: discrete events, one clock, no threads. It does what a policy's actions say and answers as real
//! workers and browsers do, faults included.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

use core::cmp::Reverse;
use pool::{
    Action, Backend, BreakerMode, BreakerState, CallId, Component, ConnectionId, FaultCategory, Job, JobEnd,
    JobId, Measured, ModelId, Priority, ShapeClass, Timestamp,
};

use crate::sim::brain::Brain;
use crate::sim::rng::Rng;
use crate::sim::scenario::{Arrivals, Member, OutageKind, Scenario};

/// Inputs with this fingerprint crash every worker.
const POISON: u64 = 666;
/// What a job that got no result counts as time to its result.
const NO_RESULT: Duration = Duration::from_secs(60);
/// A run that has not come to rest by then has a livelock.
const MAX_STEPS_PER_JOB: usize = 2000;

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) n_submitted: u64,
    pub(crate) n_refused: u64,
    pub(crate) n_completed: u64,
    pub(crate) n_failed: u64,
    pub(crate) n_cancelled: u64,
    /// Loads and runs that were sent for jobs.
    pub(crate) n_calls: u64,
    /// Jobs that were sent to a connection at least once.
    pub(crate) n_started: u64,
    pub(crate) latencies_micros: Vec<u64>,
    /// From a job's first fault to its result; a job that got none counts [`NO_RESULT`].
    pub(crate) job_recovery_micros: Vec<u64>,
    /// From the death, hang or lost device of a member to the moment it could work again, known or not; to the end of the
    /// run for those that never could.
    pub(crate) component_recovery_micros: Vec<u64>,
    pub(crate) useful_micros: u64,
    pub(crate) slot_micros: u64,
    pub(crate) ended_at: Timestamp,
    /// Longest time to the end, by priority.
    pub(crate) worst_wait_micros: [u64; 3],
    /// Breakers that closed on a backend whose outputs were wrong.
    pub(crate) n_wrongly_trusted: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Cancel(JobId),
    Opened { connection: ConnectionId, incarnation: u32, call: CallId },
    Done { connection: ConnectionId, incarnation: u32, call: CallId, result: Ending },
    Outage { index: usize, starts: bool },
    Report,
}

/// How a call ends in the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Ok,
    Fault(FaultCategory),
    /// The worker dies and can still say so.
    Crash,
    /// It dies without a word.
    SilentDeath,
    /// It never comes back.
    Hang,
}

#[derive(Debug, Clone)]
pub(super) enum Work {
    Load { model: usize, backend: Backend },
    Run { model: usize, backend: Backend, shape: u32, jobs: Vec<JobId> },
    Probe { model: usize, backend: Backend },
    Recreate { backend: Backend },
    Ping,
}

/// A member's truth.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) incarnation: u32,
    pub(super) is_up: bool,
    pub(super) is_hung: bool,
    pub(super) lost_devices: BTreeSet<Backend>,
    pub(super) residents: BTreeSet<(usize, Backend)>,
    pub(super) waiting: VecDeque<(CallId, Work)>,
    pub(super) running: BTreeMap<CallId, (Work, Timestamp)>,
    pub(super) up_since: Timestamp,
    /// Most memory that it ever used, bytes.
    pub(super) peak_bytes: u64,
}

#[derive(Debug)]
pub(super) struct Order {
    pub(super) submitted: Timestamp,
    pub(super) priority: Priority,
    pub(super) is_poison: bool,
    pub(super) first_fault: Option<Timestamp>,
    pub(super) is_started: bool,
}

pub(crate) struct World<'a, B> {
    pub(crate) brain: B,
    pub(super) scenario: &'a Scenario,
    pub(super) rng: Rng,
    pub(crate) now: Timestamp,
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    n_events: u64,
    pub(super) bodies: BTreeMap<ConnectionId, Body>,
    models: Vec<ModelId>,
    pub(super) orders: BTreeMap<JobId, Order>,
    /// Outages under way.
    pub(super) outages: BTreeSet<usize>,
    n_arrived: usize,
    /// Since when a member (`None`) or one of its devices cannot work.
    broken_since: BTreeMap<(ConnectionId, Option<Backend>), Timestamp>,
    pub(crate) outcome: Outcome,
}

impl<'a, B: Brain> World<'a, B> {
    pub(crate) fn new(scenario: &'a Scenario, brain: B) -> Self {
        Self {
            brain,
            scenario,
            rng: Rng::new(scenario.seed),
            now: Timestamp::ZERO,
            events: BinaryHeap::new(),
            n_events: 0,
            bodies: BTreeMap::new(),
            models: Vec::new(),
            orders: BTreeMap::new(),
            outages: BTreeSet::new(),
            n_arrived: 0,
            broken_since: BTreeMap::new(),
            outcome: Outcome::default(),
        }
    }

    /// Runs to the end; `watch` sees every action before it is done.
    pub(crate) fn run(&mut self, mut watch: impl FnMut(&B, Timestamp, &Action)) {
        for model in &self.scenario.models {
            self.models.push(self.brain.register_model(model.spec.clone()));
        }
        if self.scenario.is_fixed_fleet {
            for member in &self.scenario.members {
                self.brain.add_connection(self.now, member.spec.clone());
            }
        }
        self.brain.start(self.now);
        for (index, outage) in self.scenario.outages.iter().enumerate() {
            self.at(Timestamp::from_millis(outage.from_millis), Event::Outage { index, starts: true });
            self.at(Timestamp::from_millis(outage.to_millis), Event::Outage { index, starts: false });
        }
        let n_callers = match self.scenario.arrivals {
            Arrivals::Open(_) => 1,
            Arrivals::Closed(n_callers) => n_callers,
        };
        for _ in 0..n_callers {
            self.at(Timestamp::from_millis(1), Event::Arrival);
        }
        if let Some(every) = self.scenario.report_every {
            self.at(self.now + every, Event::Report);
        }
        self.drain(&mut watch);
        let max_steps = MAX_STEPS_PER_JOB * self.scenario.n_jobs + 100_000;
        for _ in 0..max_steps {
            if self.n_arrived >= self.scenario.n_jobs && self.orders.is_empty() {
                self.finish();
                return;
            }
            self.step();
            self.drain(&mut watch);
        }
        panic!(
            "seed {}: not at rest after {max_steps} steps, {} jobs left",
            self.scenario.seed,
            self.orders.len()
        );
    }

    fn step(&mut self) {
        let event_at = self.events.peek().map(|Reverse((at, ..))| *at);
        let timer_at = self.brain.poll_timeout();
        match (event_at, timer_at) {
            (Some(event), Some(timer)) if timer <= event => self.fire(timer),
            (None, Some(timer)) => self.fire(timer),
            (Some(_), _) => {
                if let Some(Reverse((at, _, event))) = self.events.pop() {
                    self.now = self.now.max(at);
                    self.handle(event);
                }
            }
            (None, None) => {
                panic!("seed {}: {} jobs wait for nothing", self.scenario.seed, self.orders.len())
            }
        }
    }

    fn fire(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        self.brain.handle_timeout(self.now);
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.n_events += 1;
        self.events.push(Reverse((at, self.n_events, event)));
    }

    fn after(&mut self, millis: f64, event: Event) {
        self.at(self.now + Duration::from_micros((millis * 1000.0) as u64), event);
    }

    fn drain(&mut self, watch: &mut impl FnMut(&B, Timestamp, &Action)) {
        for n_actions in 0.. {
            let Some(action) = self.brain.poll_action() else { return };
            assert!(n_actions < 100_000, "seed {}: actions without end", self.scenario.seed);
            watch(&self.brain, self.now, &action);
            self.perform(action);
        }
    }

    pub(super) fn member(&self, connection: ConnectionId) -> &'a Member {
        &self.scenario.members[connection.0 as usize % self.scenario.members.len()]
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Open { connection, call } | Action::Respawn { connection, call, .. } => {
                self.go_down(connection);
                let body = self.bodies.entry(connection).or_default();
                body.incarnation += 1;
                body.is_hung = false;
                body.peak_bytes = 0;
                body.lost_devices.clear();
                let incarnation = body.incarnation;
                let millis = self.rng.log_normal(self.member(connection).open_millis, 0.3);
                self.after(millis, Event::Opened { connection, incarnation, call });
            }
            Action::Close { connection } => {
                self.go_down(connection);
                if let Some(body) = self.bodies.get_mut(&connection) {
                    body.incarnation += 1;
                }
            }
            Action::Load { connection, call, model, backend, .. } => {
                self.outcome.n_calls += 1;
                self.give(connection, call, Work::Load { model: model.0 as usize, backend });
            }
            Action::Unload { connection, model, backend } => {
                if let Some(body) = self.bodies.get_mut(&connection) {
                    body.residents.remove(&(model.0 as usize, backend));
                }
            }
            Action::Run { connection, call, model, backend, shape, jobs, .. } => {
                self.outcome.n_calls += 1;
                for job in &jobs {
                    if let Some(order) = self.orders.get_mut(job) {
                        self.outcome.n_started += u64::from(!order.is_started);
                        order.is_started = true;
                    }
                }
                let model = model.0 as usize;
                self.give(connection, call, Work::Run { model, backend, shape: shape.0, jobs });
            }
            Action::Probe { connection, call, model, backend } => {
                self.give(connection, call, Work::Probe { model: model.0 as usize, backend });
            }
            Action::Ping { connection, call } => self.ping(connection, call),
            Action::RecreateDevice { connection, call, backend } => {
                self.give(connection, call, Work::Recreate { backend });
            }
            Action::Abort { connection, call } => self.abort(connection, call),
            Action::Finish { job, end } => self.finish_job(job, end),
            Action::Record(record) => self.note(&record.event),
        }
    }

    /// Compares what the policy believes with what is true.
    fn note(&mut self, event: &pool::Event) {
        if let pool::Event::Breaker { connection, component, transition, .. } = event
            && let Some(backend) = component.backend()
            && transition.to == BreakerState::Closed
            && self.is_wrong(self.member(*connection).spec.domain, backend)
        {
            self.outcome.n_wrongly_trusted += 1;
        }
    }

    fn ping(&mut self, connection: ConnectionId, call: CallId) {
        let Some(body) = self.bodies.get_mut(&connection) else { return };
        if self.scenario.members[connection.0 as usize % self.scenario.members.len()].spec.answers_while_busy
        {
            if body.is_up && !body.is_hung {
                let incarnation = body.incarnation;
                self.after(1.0, Event::Done { connection, incarnation, call, result: Ending::Ok });
            }
        } else {
            self.give(connection, call, Work::Ping);
        }
    }

    fn abort(&mut self, connection: ConnectionId, call: CallId) {
        let Some(body) = self.bodies.get_mut(&connection) else { return };
        let n_before = body.waiting.len();
        body.waiting.retain(|(other, _)| *other != call);
        let was_waiting = body.waiting.len() < n_before;
        // A worker that computes in wasm cannot be stopped; a browser's agent can stop the page.
        let can_stop = self.member(connection).spec.answers_while_busy;
        let Some(body) = self.bodies.get_mut(&connection) else { return };
        if body.is_up && !body.is_hung && (was_waiting || can_stop && body.running.contains_key(&call)) {
            let incarnation = body.incarnation;
            let result = Ending::Fault(FaultCategory::Cancelled);
            self.after(1.0, Event::Done { connection, incarnation, call, result });
        }
    }

    fn give(&mut self, connection: ConnectionId, call: CallId, work: Work) {
        if let Some(body) = self.bodies.get_mut(&connection)
            && body.is_up
            && !body.is_hung
        {
            body.waiting.push_back((call, work));
            self.start_next(connection);
        }
    }

    /// A worker serves its messages in order, as many at once as its capacity.
    fn start_next(&mut self, connection: ConnectionId) {
        let capacity = self.member(connection).capabilities.capacity as usize;
        loop {
            let Some(body) = self.bodies.get_mut(&connection) else { return };
            if !body.is_up || body.is_hung || body.running.len() >= capacity {
                return;
            }
            let Some((call, work)) = body.waiting.pop_front() else { return };
            let incarnation = body.incarnation;
            body.running.insert(call, (work.clone(), self.now));
            let (millis, result) = self.sample(connection, &work);
            if result != Ending::Ok {
                self.note_fault(&work);
            }
            self.after(millis, Event::Done { connection, incarnation, call, result });
        }
    }

    fn note_fault(&mut self, work: &Work) {
        if let Work::Run { jobs, .. } = work {
            for job in jobs {
                if let Some(order) = self.orders.get_mut(job) {
                    order.first_fault.get_or_insert(self.now);
                }
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival => self.arrive(),
            Event::Cancel(job) => {
                if self.orders.contains_key(&job) {
                    self.brain.cancel(self.now, job);
                }
            }
            Event::Opened { connection, incarnation, call } => self.opened(connection, incarnation, call),
            Event::Done { connection, incarnation, call, result } => {
                self.done(connection, incarnation, call, result)
            }
            Event::Outage { index, starts } => self.outage(index, starts),
            Event::Report => self.report(),
        }
    }

    /// Every member that can says how much memory it uses.
    fn report(&mut self) {
        if let Some(every) = self.scenario.report_every {
            self.at(self.now + every, Event::Report);
        }
        let up: Vec<ConnectionId> =
            self.bodies.iter().filter(|(_, body)| body.is_up).map(|(&connection, _)| connection).collect();
        for connection in up {
            let memory_bytes = self.memory_bytes(connection);
            self.brain.on_memory(self.now, connection, memory_bytes);
        }
    }

    /// Sets the mode of some breaker, or lets it go.
    fn operate(&mut self) {
        let connections: Vec<ConnectionId> = self.bodies.keys().copied().collect();
        if connections.is_empty() {
            return;
        }
        let connection = connections[self.rng.below(connections.len())];
        let component = Component::ALL[self.rng.below(Component::ALL.len())];
        // As often automatic as anything else, or the fleet would be out of hand before long.
        let modes = [
            BreakerMode::Automatic,
            BreakerMode::Automatic,
            BreakerMode::Automatic,
            BreakerMode::ForcedOpen,
            BreakerMode::Disabled,
            BreakerMode::MetricsOnly,
        ];
        let mode = modes[self.rng.below(modes.len())];
        self.brain.set_breaker_mode(self.now, connection, component, mode);
    }

    fn arrive(&mut self) {
        if self.n_arrived >= self.scenario.n_jobs {
            return;
        }
        self.n_arrived += 1;
        if self.rng.chance(self.scenario.operator_ratio) {
            self.operate();
        }
        if let Arrivals::Open(per_second) = self.scenario.arrivals {
            let millis = self.rng.exponential(1000.0 / per_second);
            self.after(millis, Event::Arrival);
        }
        let scenario = self.scenario;
        let model_index = self.rng.below(self.models.len());
        let draw = self.rng.unit();
        let priority = if draw < scenario.priorities[0] {
            Priority::Low
        } else if draw < scenario.priorities[0] + scenario.priorities[1] {
            Priority::Normal
        } else {
            Priority::High
        };
        let is_poison = self.rng.chance(scenario.poison_ratio);
        let seconds = self.rng.between(scenario.deadline.0.as_secs_f64(), scenario.deadline.1.as_secs_f64());
        let job = Job {
            priority,
            shape: ShapeClass(self.rng.below(2) as u32),
            deadline: Some(self.now + Duration::from_secs_f64(seconds)),
            is_batchable: self.rng.chance(scenario.batchable_ratio),
            fingerprint: if is_poison { POISON } else { 0 },
            pinned: self.pinned(),
            is_load_only: self.rng.chance(scenario.load_only_ratio),
            ..Job::new(self.models[model_index])
        };
        self.outcome.n_submitted += 1;
        match self.brain.submit(self.now, job) {
            Ok(id) => {
                let order =
                    Order { submitted: self.now, priority, is_poison, first_fault: None, is_started: false };
                assert!(self.orders.insert(id, order).is_none(), "job ids are not reused");
                if self.rng.chance(scenario.cancel_ratio) {
                    let millis = self.rng.exponential(100.0);
                    self.after(millis, Event::Cancel(id));
                }
            }
            Err(_) => {
                self.outcome.n_refused += 1;
                if matches!(self.scenario.arrivals, Arrivals::Closed(_)) {
                    self.after(50.0, Event::Arrival);
                }
            }
        }
    }

    /// The only connection that a job may run on, if it is such a job.
    fn pinned(&mut self) -> Option<ConnectionId> {
        if !self.rng.chance(self.scenario.pinned_ratio) {
            return None;
        }
        let connections: Vec<ConnectionId> = self.bodies.keys().copied().collect();
        (!connections.is_empty()).then(|| connections[self.rng.below(connections.len())])
    }

    fn opened(&mut self, connection: ConnectionId, incarnation: u32, call: CallId) {
        let member = self.member(connection);
        let is_out = self.is_link_out(member.spec.domain);
        let Some(body) = self.bodies.get_mut(&connection) else { return };
        if body.incarnation != incarnation {
            return;
        }
        if is_out {
            self.brain.on_failed(self.now, call, FaultCategory::ConnectionLost);
        } else {
            body.is_up = true;
            body.up_since = self.now;
            self.mended(connection, None);
            for &backend in Backend::ALL {
                self.mended(connection, Some(backend));
            }
            self.brain.on_ready(self.now, call, member.capabilities.clone());
        }
    }

    fn done(&mut self, connection: ConnectionId, incarnation: u32, call: CallId, result: Ending) {
        let domain = self.member(connection).spec.domain;
        let Some(body) = self.bodies.get_mut(&connection) else { return };
        if body.incarnation != incarnation || !body.is_up || body.is_hung {
            return;
        }
        let work = body.running.remove(&call);
        match result {
            Ending::Ok => {
                if let Some((work, started)) = work {
                    self.succeed(connection, domain, &work, started);
                }
                self.answer(connection, call, None);
            }
            Ending::Fault(category) => {
                if category == FaultCategory::DeviceLost
                    && let Some((work, _)) = &work
                    && let Some(backend) = work.backend()
                {
                    body.lost_devices.insert(backend);
                    body.residents.retain(|(_, on)| *on != backend);
                    self.broke(connection, Some(backend));
                }
                self.answer(connection, call, Some(category));
            }
            Ending::Crash => {
                self.go_down(connection);
                self.broke(connection, None);
                self.brain.on_failed(self.now, call, FaultCategory::WorkerCrash);
            }
            Ending::SilentDeath => {
                self.go_down(connection);
                self.broke(connection, None);
            }
            Ending::Hang => {
                body.is_hung = true;
                self.broke(connection, None);
            }
        }
        self.start_next(connection);
    }

    fn succeed(&mut self, connection: ConnectionId, domain: u32, work: &Work, started: Timestamp) {
        let is_out = work.backend().is_some_and(|backend| self.is_device_out(domain, backend));
        let Some(body) = self.bodies.get_mut(&connection) else { return };
        match work {
            Work::Load { model, backend } if !is_out => {
                body.residents.insert((*model, *backend));
            }
            Work::Recreate { backend } => {
                body.lost_devices.remove(backend);
                self.mended(connection, Some(*backend));
            }
            Work::Run { .. } => {
                self.outcome.useful_micros += self.now.since(started).as_micros() as u64;
            }
            Work::Load { .. } | Work::Probe { .. } | Work::Ping => {}
        }
    }

    fn answer(&mut self, connection: ConnectionId, call: CallId, fault: Option<FaultCategory>) {
        if self.rng.chance(self.scenario.message_loss) {
            return;
        }
        let n_times = 1 + usize::from(self.rng.chance(self.scenario.message_duplication));
        for _ in 0..n_times {
            match fault {
                None => {
                    let memory_bytes = Some(self.memory_bytes(connection));
                    self.brain.on_finished(self.now, call, Measured { memory_bytes });
                }
                Some(category) => self.brain.on_failed(self.now, call, category),
            }
        }
    }

    fn outage(&mut self, index: usize, starts: bool) {
        if !starts {
            self.outages.remove(&index);
            return;
        }
        self.outages.insert(index);
        let connections: Vec<ConnectionId> = self.bodies.keys().copied().collect();
        for connection in connections {
            let domain_here = self.member(connection).spec.domain;
            let Some(body) = self.bodies.get_mut(&connection) else { continue };
            match self.scenario.outages[index].kind {
                OutageKind::Link { domain } if domain == domain_here && body.is_up => {
                    self.go_down(connection);
                    self.broke(connection, None);
                    self.brain.on_connection_lost(self.now, connection, FaultCategory::ConnectionLost);
                }
                OutageKind::Device { domain, backend } if domain == domain_here => {
                    body.lost_devices.insert(backend);
                    body.residents.retain(|(_, on)| *on != backend);
                }
                OutageKind::Link { .. }
                | OutageKind::Device { .. }
                | OutageKind::Slow { .. }
                | OutageKind::Wrong { .. }
                | OutageKind::Memory { .. } => {}
            }
        }
    }

    fn broke(&mut self, connection: ConnectionId, device: Option<Backend>) {
        self.broken_since.entry((connection, device)).or_insert(self.now);
    }

    fn mended(&mut self, connection: ConnectionId, device: Option<Backend>) {
        if let Some(since) = self.broken_since.remove(&(connection, device)) {
            self.outcome.component_recovery_micros.push(self.now.since(since).as_micros() as u64);
        }
    }

    fn go_down(&mut self, connection: ConnectionId) {
        let now = self.now;
        let capacity = u64::from(self.member(connection).capabilities.capacity);
        let Some(body) = self.bodies.get_mut(&connection) else { return };
        if body.is_up {
            self.outcome.slot_micros += now.since(body.up_since).as_micros() as u64 * capacity;
        }
        body.is_up = false;
        body.waiting.clear();
        body.running.clear();
        body.residents.clear();
    }

    fn finish_job(&mut self, job: JobId, end: JobEnd) {
        let order = self.orders.remove(&job);
        let order = order.unwrap_or_else(|| panic!("seed {}: {job} ended twice", self.scenario.seed));
        let took = self.now.since(order.submitted).as_micros() as u64;
        if let (Some(at), true) = (order.first_fault, end != JobEnd::Cancelled) {
            let is_completed = matches!(end, JobEnd::Completed { .. });
            let took = if is_completed { self.now.since(at) } else { NO_RESULT };
            self.outcome.job_recovery_micros.push(took.as_micros() as u64);
        }
        let worst = &mut self.outcome.worst_wait_micros[order.priority as usize];
        *worst = (*worst).max(took);
        match end {
            JobEnd::Completed { .. } | JobEnd::Loaded { .. } => {
                self.outcome.n_completed += 1;
                self.outcome.latencies_micros.push(took);
            }
            JobEnd::Failed { .. } => self.outcome.n_failed += 1,
            JobEnd::Cancelled => self.outcome.n_cancelled += 1,
        }
        if matches!(self.scenario.arrivals, Arrivals::Closed(_)) {
            self.after(0.1, Event::Arrival);
        }
    }

    fn finish(&mut self) {
        self.outcome.ended_at = self.now;
        let connections: Vec<ConnectionId> = self.bodies.keys().copied().collect();
        for connection in connections {
            self.go_down(connection);
        }
        let broken = core::mem::take(&mut self.broken_since);
        let left = broken.into_values().map(|since| self.now.since(since).as_micros() as u64);
        self.outcome.component_recovery_micros.extend(left);
    }
}

impl Work {
    fn backend(&self) -> Option<Backend> {
        match self {
            Self::Load { backend, .. }
            | Self::Run { backend, .. }
            | Self::Probe { backend, .. }
            | Self::Recreate { backend } => Some(*backend),
            Self::Ping => None,
        }
    }
}
