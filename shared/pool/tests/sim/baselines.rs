//! Policies to compare with: what a pool does that is written in an afternoon, and what the system that inspired tabpool
//! does by its description.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use pool::{
    Action, Backend, CallId, Capabilities, ConnectionId, ConnectionSpec, FaultCategory, Job, JobEnd, JobId,
    Measured, ModelId, ModelSpec, Refusal, Scope, Timestamp, Verdict,
};

use crate::sim::brain::Brain;

const MAX_RETRIES: u32 = 3;
/// Parity's limits for a run and a load.
const RUN_TIMEOUT: Duration = Duration::from_secs(60);
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The next connection in turn, its first backend, software adapters left out; up to three more tries at once, each on the next one; a worker
    /// that crashed or timed out is started again.
    RoundRobin,
    /// The idle connection whose browser is believed to suit the model's family, on the first backend of the preference
    /// list; no queue, so that with none idle the job fails; three more tries of the same call in the same place, because
    /// the chosen strategy never reaches it; its breakers decide nothing.
    Original,
}

#[derive(Debug)]
struct Connection {
    spec: ConnectionSpec,
    is_ready: bool,
    capabilities: Capabilities,
    residents: BTreeSet<(ModelId, Backend)>,
    calls: BTreeSet<CallId>,
}

#[derive(Debug)]
struct Task {
    job: Job,
    n_attempts: u32,
    call: Option<CallId>,
}

#[derive(Debug, Clone, Copy)]
enum Purpose {
    Open,
    Load(JobId, Backend),
    Run(JobId, Backend),
}

pub(crate) struct Baseline {
    policy: Policy,
    models: Vec<ModelSpec>,
    connections: Vec<Connection>,
    tasks: BTreeMap<JobId, Task>,
    calls: BTreeMap<CallId, (ConnectionId, Purpose)>,
    timers: BTreeSet<(Timestamp, Timer)>,
    actions: VecDeque<Action>,
    next_id: u64,
    turn: usize,
    /// Jobs that found no open connection yet.
    waiting: VecDeque<JobId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Call(CallId),
    Deadline(JobId),
}

impl Baseline {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            models: Vec::new(),
            connections: Vec::new(),
            tasks: BTreeMap::new(),
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            actions: VecDeque::new(),
            next_id: 0,
            turn: 0,
            waiting: VecDeque::new(),
        }
    }

    fn call(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        purpose: Purpose,
        timeout: Duration,
    ) -> CallId {
        self.next_id += 1;
        let call = CallId(self.next_id);
        self.calls.insert(call, (connection, purpose));
        self.timers.insert((now + timeout, Timer::Call(call)));
        call
    }

    fn open(&mut self, now: Timestamp, connection: ConnectionId, is_first: bool) {
        let call = self.call(now, connection, Purpose::Open, Duration::from_secs(30));
        let body = &mut self.connections[connection.0 as usize];
        body.is_ready = false;
        body.residents.clear();
        self.actions.push_back(if is_first {
            Action::Open { connection, call }
        } else {
            Action::Respawn { connection, call, scope: Scope::Worker }
        });
    }

    /// Chooses a place and sends the job there.
    fn place(&mut self, now: Timestamp, id: JobId) {
        let Some(task) = self.tasks.get(&id) else { return };
        let (model, allowed) = (task.job.model, task.job.backends);
        let chosen = match self.policy {
            Policy::RoundRobin => self.next_ready(),
            Policy::Original => self.best_believed(model),
        };
        let Some(connection) = chosen else {
            let has_open = self.connections.iter().any(|connection| connection.is_ready);
            if self.policy == Policy::Original && has_open {
                // There it answered with a simulated result, which is no result.
                return self.finish(id, FaultCategory::Overload, Verdict::NoCandidate);
            }
            return self.waiting.push_back(id);
        };
        self.send(now, id, connection, model, allowed);
    }

    fn send(
        &mut self,
        now: Timestamp,
        id: JobId,
        connection: ConnectionId,
        model: ModelId,
        allowed: pool::BackendSet,
    ) {
        let body = &self.connections[connection.0 as usize];
        let backends = allowed.and(self.models[model.0 as usize].backends).and(body.capabilities.backends);
        let is_software = body.capabilities.is_fallback_adapter && self.policy == Policy::RoundRobin;
        let hardware = if is_software { backends.without(Backend::Webgpu) } else { backends };
        let Some(backend) = hardware.iter().next() else {
            return self.finish(id, FaultCategory::UnsupportedOperator, Verdict::NoCandidate);
        };
        let is_loaded = body.residents.contains(&(model, backend));
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.n_attempts += 1;
        let attempt = task.n_attempts;
        let shape = task.job.shape;
        let call = if is_loaded {
            let call = self.call(now, connection, Purpose::Run(id, backend), RUN_TIMEOUT);
            let jobs = vec![id];
            self.actions.push_back(Action::Run {
                connection,
                call,
                model,
                backend,
                shape,
                jobs,
                attempt,
                timeout: RUN_TIMEOUT,
            });
            call
        } else {
            let call = self.call(now, connection, Purpose::Load(id, backend), LOAD_TIMEOUT);
            let timeout = LOAD_TIMEOUT;
            self.actions.push_back(Action::Load {
                connection,
                call,
                model,
                backend,
                is_refetch: false,
                timeout,
            });
            call
        };
        self.connections[connection.0 as usize].calls.insert(call);
        if let Some(task) = self.tasks.get_mut(&id) {
            task.call = Some(call);
        }
    }

    fn next_ready(&mut self) -> Option<ConnectionId> {
        for _ in 0..self.connections.len() {
            self.turn = (self.turn + 1) % self.connections.len();
            if self.connections[self.turn].is_ready {
                return Some(ConnectionId(self.turn as u32));
            }
        }
        None
    }

    /// Audio suits Firefox, text suits Edge, everything else suits Chromium: beliefs that were never measured.
    fn best_believed(&self, model: ModelId) -> Option<ConnectionId> {
        let family = self.models[model.0 as usize].family.as_str();
        let believed = match family {
            "audio" => "firefox",
            "text" | "text_embedding" | "text_generation" => "edge",
            _ => "chromium",
        };
        let idle = self.connections.iter().enumerate().filter(|(_, connection)| {
            connection.is_ready && connection.calls.len() < connection.capabilities.capacity as usize
        });
        let best = idle.min_by_key(|(_, connection)| connection.spec.browser != believed);
        best.map(|(index, _)| ConnectionId(index as u32))
    }

    fn finish(&mut self, id: JobId, cause: FaultCategory, verdict: Verdict) {
        if let Some(task) = self.tasks.remove(&id) {
            let n_attempts = task.n_attempts;
            self.actions.push_back(Action::Finish {
                job: id,
                end: JobEnd::Failed { cause, call: task.call, n_attempts, verdict },
            });
        }
    }

    fn retry(&mut self, now: Timestamp, id: JobId, failed_on: ConnectionId, cause: FaultCategory) {
        let Some(task) = self.tasks.get(&id) else { return };
        if task.n_attempts > MAX_RETRIES || !cause.is_retryable() {
            return self.finish(id, cause, Verdict::RetriesExhausted);
        }
        let (model, allowed) = (task.job.model, task.job.backends);
        match self.policy {
            Policy::RoundRobin => self.place(now, id),
            Policy::Original if self.connections[failed_on.0 as usize].is_ready => {
                self.send(now, id, failed_on, model, allowed);
            }
            // The retried call goes where it went before, and nobody is there.
            Policy::Original => self.finish(id, cause, Verdict::RetriesExhausted),
        }
    }

    /// A worker is gone: it is started again, and its calls are retried.
    fn replace(&mut self, now: Timestamp, connection: ConnectionId, cause: FaultCategory) {
        let lost: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, (on, purpose))| *on == connection && !matches!(purpose, Purpose::Open))
            .map(|(&call, _)| call)
            .collect();
        self.calls.retain(|_, (on, _)| *on != connection);
        self.open(now, connection, false);
        let body = &mut self.connections[connection.0 as usize];
        let calls = core::mem::take(&mut body.calls);
        debug_assert!(calls.len() >= lost.len(), "every call is known to its connection");
        let jobs: Vec<JobId> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.call.is_some_and(|c| lost.contains(&c)))
            .map(|(&id, _)| id)
            .collect();
        for job in jobs {
            self.retry(now, job, connection, cause);
        }
    }

    fn end_call(&mut self, call: CallId) -> Option<(ConnectionId, Purpose)> {
        let ended = self.calls.remove(&call)?;
        self.connections[ended.0.0 as usize].calls.remove(&call);
        Some(ended)
    }
}

impl Brain for Baseline {
    fn register_model(&mut self, spec: ModelSpec) -> ModelId {
        self.models.push(spec);
        ModelId(self.models.len() as u32 - 1)
    }

    fn add_connection(&mut self, now: Timestamp, spec: ConnectionSpec) -> ConnectionId {
        let id = ConnectionId(self.connections.len() as u32);
        let capabilities = Capabilities::new(pool::BackendSet::NONE);
        self.connections.push(Connection {
            spec,
            is_ready: false,
            capabilities,
            residents: BTreeSet::new(),
            calls: BTreeSet::new(),
        });
        self.open(now, id, true);
        id
    }

    fn start(&mut self, _now: Timestamp) {}

    fn submit(&mut self, now: Timestamp, job: Job) -> Result<JobId, Refusal> {
        self.next_id += 1;
        let id = JobId(self.next_id);
        if let Some(deadline) = job.deadline {
            self.timers.insert((deadline, Timer::Deadline(id)));
        }
        self.tasks.insert(id, Task { job, n_attempts: 0, call: None });
        self.place(now, id);
        Ok(id)
    }

    fn cancel(&mut self, _now: Timestamp, job: JobId) {
        if self.tasks.remove(&job).is_some() {
            self.actions.push_back(Action::Finish { job, end: JobEnd::Cancelled });
        }
    }

    fn on_ready(&mut self, now: Timestamp, call: CallId, capabilities: Capabilities) {
        let Some((connection, _)) = self.end_call(call) else { return };
        let body = &mut self.connections[connection.0 as usize];
        body.is_ready = true;
        body.capabilities = capabilities;
        for id in core::mem::take(&mut self.waiting) {
            self.place(now, id);
        }
    }

    fn on_finished(&mut self, now: Timestamp, call: CallId, _measured: Measured) {
        let Some((connection, purpose)) = self.end_call(call) else { return };
        match purpose {
            Purpose::Open => {}
            Purpose::Load(id, backend) => {
                if let Some(task) = self.tasks.get_mut(&id) {
                    let (model, allowed) = (task.job.model, task.job.backends);
                    task.n_attempts -= 1;
                    self.connections[connection.0 as usize].residents.insert((model, backend));
                    self.send(now, id, connection, model, allowed);
                }
            }
            Purpose::Run(job, backend) => {
                if let Some(task) = self.tasks.remove(&job) {
                    let (model, attempt) = (task.job.model, task.n_attempts);
                    let end = JobEnd::Completed { call, connection, backend, model, attempt };
                    self.actions.push_back(Action::Finish { job, end });
                }
            }
        }
    }

    fn on_failed(&mut self, now: Timestamp, call: CallId, category: FaultCategory) {
        let Some((connection, purpose)) = self.end_call(call) else { return };
        match purpose {
            Purpose::Open => self.open(now, connection, false),
            Purpose::Load(id, backend) | Purpose::Run(id, backend) => {
                if matches!(category, FaultCategory::WorkerCrash | FaultCategory::ConnectionLost) {
                    self.replace(now, connection, category);
                } else if category == FaultCategory::DeviceLost {
                    // Neither policy knows devices: the worker is replaced.
                    let body = &mut self.connections[connection.0 as usize];
                    body.residents.retain(|(_, on)| *on != backend);
                    self.replace(now, connection, category);
                }
                self.retry(now, id, connection, category);
            }
        }
    }

    fn on_connection_lost(&mut self, now: Timestamp, connection: ConnectionId, category: FaultCategory) {
        self.replace(now, connection, category);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(&(at, timer)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            match timer {
                Timer::Deadline(id) => self.finish(id, FaultCategory::Timeout, Verdict::Deadline),
                Timer::Call(call) => {
                    if let Some((connection, purpose)) = self.end_call(call) {
                        self.replace(now, connection, FaultCategory::Timeout);
                        if let Purpose::Load(id, _) | Purpose::Run(id, _) = purpose {
                            self.retry(now, id, connection, FaultCategory::Timeout);
                        }
                    }
                }
            }
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.first().map(|&(at, _)| at)
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
