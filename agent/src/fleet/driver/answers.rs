//! What browsers and their workers say, told to the pool.

use pool::{CallId, CallKind, ConnectionId, LatencyEvidence, Measured, ModelSpec, Timestamp};
use wire::translate::to_pool_capabilities;
use wire::{EngineReply, Fault, FaultCategory, FleetReport, Phases, Reply, TensorHeader};

use super::member::Request;
use super::state::{Output, Ran};
use super::{Driver, Happening, Host, What};
use crate::fleet::output::Outputs;
use crate::golden::compare::compare;

/// Code of the fault of a run that cannot be one of several jobs.
pub(super) const BATCH: &str = "batch";

/// The data of [`Reply::Ran`] with its buffers.
struct RanReply {
    tensors: Outputs,
    result: Option<serde_json::Value>,
    phases: Phases,
    memory_bytes: u64,
    decoded: Option<TensorHeader>,
}

impl<H: Host> Driver<H> {
    /// Takes in what came of a launch; one that was replaced has nothing to say any more.
    pub(crate) fn on_happening(&mut self, now: Timestamp, happening: Happening) {
        let Happening { connection, launch, what } = happening;
        let Some(member) = self.members.get_mut(&connection) else { return };
        if member.launch != launch || member.is_closed {
            return;
        }
        match what {
            What::Ended(fault) => {
                member.is_running = false;
                self.lose(now, connection, fault);
            }
            What::Memory(bytes) => {
                member.note_memory(bytes);
                self.pool.on_memory(now, connection, bytes);
            }
            What::Report(report, buffers) => self.on_report(now, connection, *report, buffers),
        }
        self.drain(now);
    }

    fn on_report(&mut self, now: Timestamp, id: ConnectionId, report: FleetReport, buffers: Vec<Vec<u8>>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        match report {
            FleetReport::Up { user_agent } => member.browser.user_agent = user_agent,
            FleetReport::Pong => {
                if let Some(call) = member.ping.take() {
                    let memory_bytes = Some(member.memory_bytes());
                    self.pool.on_finished(now, call, Measured { memory_bytes });
                }
            }
            FleetReport::Lost { start, fault } if start == member.start => self.lose(now, id, fault),
            FleetReport::Engine { start, worker, reply, decoded } if start == member.start => {
                self.on_reply(now, id, worker, *reply, decoded, buffers);
            }
            FleetReport::Lost { .. } | FleetReport::Engine { .. } => {}
        }
    }

    fn on_reply(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        worker: u32,
        reply: EngineReply,
        decoded: Option<TensorHeader>,
        buffers: Vec<Vec<u8>>,
    ) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let request = member.requests.remove(&reply.id);
        match (reply.reply, request) {
            (Reply::Ready { capabilities }, None) => {
                if let Some(worker) = member.workers.get_mut(worker as usize) {
                    worker.is_ready = true;
                }
                if member.workers.iter().all(|worker| worker.is_ready)
                    && let Some(call) = member.opening.take()
                {
                    let n_workers = member.workers.len() as u32;
                    let for_pool = pool::Capabilities {
                        memory_limit_bytes: self.setup.memory_limit_bytes
                            / u64::from(self.setup.size.1.max(1)),
                        ..to_pool_capabilities(&capabilities, n_workers)
                    };
                    member.capabilities = Some(capabilities);
                    let browser = member.browser.name.clone();
                    self.seed_latencies(now, &browser, &for_pool.adapter);
                    self.pool.on_ready(now, call, for_pool);
                }
            }
            (Reply::Trapped { fault }, _) => self.on_trapped(now, id, worker, fault),
            (Reply::Loaded { phases, backend_detail, .. }, Some(Request { call: Some(call), worker })) => {
                if let Some(worker) = member.workers.get_mut(worker as usize) {
                    worker.cold = Some(phases);
                }
                self.on_loaded(now, id, call, backend_detail);
            }
            (Reply::Pong { memory_bytes }, Some(Request { call: Some(call), worker })) => {
                if let Some(worker) = member.workers.get_mut(worker as usize) {
                    worker.memory_bytes = memory_bytes;
                }
                let memory_bytes = Some(member.memory_bytes());
                self.on_answered(now, call, Measured { memory_bytes });
            }
            (
                Reply::Ran { outputs, result, phases, memory_bytes },
                Some(Request { call: Some(call), worker }),
            ) => match pair(outputs, buffers) {
                Some(tensors) => {
                    let ran = RanReply { tensors, result, phases, memory_bytes, decoded };
                    self.on_ran(now, id, call, worker, ran);
                }
                None => self.fail(now, call, protocol("outputs do not fit their description")),
            },
            (Reply::Failed { fault }, Some(Request { call: Some(call), .. })) => {
                if fault.code == BATCH {
                    self.run_singly();
                }
                self.fail(now, call, fault);
            }
            // Unloads are not waited for, and what the pool has given up is no news.
            (Reply::Unloaded | Reply::Pong { .. } | Reply::Failed { .. }, _) => {}
            (
                Reply::Ready { .. }
                | Reply::Loaded { .. }
                | Reply::Ran { .. }
                | Reply::Profiled { .. }
                | Reply::Tuned { .. },
                _,
            ) => {
                self.lose(now, id, protocol("a worker answered a question that was not asked"));
            }
        }
    }

    /// The model does not compute each job of a batch as it would alone: there are no more batches of it.
    fn run_singly(&mut self) {
        if let Some(spec) = self.pool.model(self.model).cloned() {
            self.pool.register_model(ModelSpec { max_batch: 1, ..spec });
        }
    }

    /// What is known of a browser from before is about the adapter that it has now: the machine is the same.
    fn seed_latencies(&mut self, now: Timestamp, browser: &str, adapter: &str) {
        let is_of = |prior: &&LatencyEvidence| prior.place.as_ref().is_some_and(|(name, _)| name == browser);
        for prior in self.priors.iter().filter(is_of) {
            let place = Some((browser.to_owned(), adapter.to_owned()));
            self.pool.seed_latency(now, &LatencyEvidence { place, ..prior.clone() });
        }
    }

    /// The workers are of no more use: they are replaced together. A trap for lack of memory speaks against the call that
    /// needed it; the loss of the worker is the same either way.
    fn on_trapped(&mut self, now: Timestamp, id: ConnectionId, worker: u32, fault: Fault) {
        let lost = Fault { category: FaultCategory::WorkerCrash, ..fault.clone() };
        let running = self.members.get(&id).and_then(|member| {
            member.requests.values().find(|request| request.worker == worker).and_then(|request| request.call)
        });
        if let Some(call) = running.filter(|_| fault.category != FaultCategory::WorkerCrash) {
            self.fail(now, call, fault);
        }
        self.lose(now, id, lost);
    }

    fn on_loaded(&mut self, now: Timestamp, connection: ConnectionId, id: CallId, backend_detail: String) {
        let Some(call) = self.calls.get(&id) else { return };
        if let (Some(backend), Some(member)) = (call.backend, self.members.get_mut(&connection)) {
            member.backend_details.insert(backend, backend_detail);
        }
        self.on_answered(now, id, Measured::default());
    }

    /// One worker has done what was asked of all; the call is over when all have.
    fn on_answered(&mut self, now: Timestamp, id: CallId, measured: Measured) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.n_left = call.n_left.saturating_sub(1);
        if call.n_left == 0 {
            self.pool.on_finished(now, id, measured);
        }
    }

    fn on_ran(&mut self, now: Timestamp, id: ConnectionId, call_id: CallId, worker: u32, ran: RanReply) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let worker = member.workers.get_mut(worker as usize);
        let cold = worker.and_then(|worker| {
            worker.memory_bytes = ran.memory_bytes;
            worker.cold.take()
        });
        let measured = Measured { memory_bytes: Some(member.memory_bytes()) };
        let RanReply { tensors, result, phases, memory_bytes, decoded } = ran;
        // The answer to a call that was given up only frees its place.
        if let Some(call) = self.calls.get_mut(&call_id) {
            if call.kind == CallKind::Probe {
                return self.on_probed(now, call_id, &tensors, measured);
            }
            let n_jobs = call.jobs.len();
            let Some(each) = tensors.split(n_jobs) else {
                return self.fail(now, call_id, protocol("a batch has not the outputs of each of its jobs"));
            };
            for (job, tensors) in call.jobs.iter().zip(each) {
                if let Some(task) = self.tasks.get_mut(job) {
                    let output =
                        Output { result: result.clone(), tensors, run_micros: phases.run_micros, n_jobs };
                    task.output = Some((call_id, output));
                }
            }
            call.ran = Some(Ran { phases, memory_bytes, cold, decoded });
        }
        self.pool.on_finished(now, call_id, measured);
    }

    /// A golden input was run: what comes out must be what is known.
    fn on_probed(&mut self, now: Timestamp, call: CallId, tensors: &Outputs, measured: Measured) {
        let outputs: Vec<_> =
            tensors.0.iter().map(|(header, bytes)| (header.clone(), bytes.as_slice())).collect();
        let check = self.subject.golden.as_deref().and_then(|golden| compare(golden, &outputs));
        match check.and_then(|check| check.problem) {
            None => self.pool.on_finished(now, call, measured),
            Some(problem) => {
                self.fail(now, call, Fault::new(FaultCategory::Numeric, "wrong-output", problem));
            }
        }
    }
}

/// Output headers with their data; `None` when they do not fit.
fn pair(headers: Vec<TensorHeader>, buffers: Vec<Vec<u8>>) -> Option<Outputs> {
    let fits = headers.len() == buffers.len()
        && headers.iter().zip(&buffers).all(|(header, bytes)| header.size_bytes() == Some(bytes.len()));
    fits.then(|| Outputs(headers.into_iter().zip(buffers).collect()))
}

fn protocol(message: &str) -> Fault {
    Fault::new(FaultCategory::ConnectionLost, "worker-protocol", message)
}
