//! Doing what the pool wants done.

use std::sync::Arc;

use pool::{Action, CallId, CallKind, ConnectionId, JobId, Scope, Timestamp};
use wire::translate::to_wire_backend;
use wire::{EngineRequest, Fault, FaultCategory, FleetCommand, Media, Request};

use super::member::{self, Member, Worker};
use super::{Call, Driver, Host, Launch};

/// What one request to a worker is about.
struct Errand<'a> {
    worker: u32,
    call: Option<CallId>,
    request: Request,
    is_refetch: bool,
    decode: Option<Media>,
    buffers: Vec<&'a [u8]>,
}

impl<H: Host> Driver<H> {
    pub(super) fn perform(&mut self, now: Timestamp, action: Action) {
        match action {
            Action::Open { connection, call } => {
                self.open(connection, call, Scope::Browser);
                self.switch(now, connection);
            }
            Action::Respawn { connection, call, scope } => self.open(connection, call, scope),
            Action::Close { connection } => {
                self.host.close(connection);
                if let Some(member) = self.members.get_mut(&connection) {
                    member.reset();
                    member.is_closed = true;
                }
            }
            Action::Load { connection, call, backend, is_refetch, model: _, timeout: _ } => {
                self.load(connection, call, backend, is_refetch);
            }
            Action::Unload { connection, backend, model: _ } => {
                self.unload(connection, backend);
            }
            Action::Run { connection, call, backend, jobs, attempt, .. } => {
                self.run(now, connection, call, backend, &jobs, attempt);
            }
            Action::Ping { connection, call } => {
                self.expect(call, Call::new(connection, CallKind::Ping, None));
                if let Some(member) = self.members.get_mut(&connection) {
                    member.ping = Some(call);
                }
                self.host.send(connection, &FleetCommand::Ping, &[]);
            }
            Action::Probe { connection, call, backend, model: _ } => self.probe(connection, call, backend),
            Action::RecreateDevice { connection, call, backend } => {
                self.recreate(connection, call, backend);
            }
            // A worker that computes cannot be interrupted; the pool replaces it when it takes too long to come back.
            Action::Abort { .. } => {}
            Action::Finish { job, end } => self.finish(now, job, &end),
            Action::Record(record) => self.on_event(record.at, record.event),
        }
    }

    /// Puts the breakers of a new browser under the operator's hand, as far as one wants that.
    fn switch(&mut self, now: Timestamp, id: ConnectionId) {
        let Some(member) = self.members.get(&id) else { return };
        for switch in self.setup.switches.iter().filter(|switch| switch.concerns(&member.browser.name)) {
            self.pool.set_breaker_mode(now, id, switch.component, switch.mode);
        }
    }

    /// Launches a browser, or starts the workers of one that runs again.
    fn open(&mut self, id: ConnectionId, call: CallId, scope: Scope) {
        let Some(name) = self.pool.connection(id).map(|connection| connection.spec().browser.clone()) else {
            return;
        };
        self.expect(call, Call::new(id, CallKind::Open, None));
        let n_workers = self.setup.n_workers;
        let member = self.members.entry(id).or_insert_with(|| Member {
            browser: self.setup.browsers.iter().find(|one| one.name == name).cloned().unwrap_or_default(),
            ..Member::default()
        });
        member.reset();
        member.opening = Some(call);
        member.workers = vec![Worker::default(); n_workers as usize];
        member.start += 1;
        let start = member.start;
        if scope == Scope::Browser || !member.is_running {
            if member.launch > 0 {
                self.host.close(id);
            }
            member.launch += 1;
            member.process_bytes = None;
            member.is_running = true;
            member.session = format!("{}-{name}-{}-{}", self.setup.campaign, id.0, member.launch);
            let launch = Launch {
                number: member.launch,
                session: member.session.clone(),
                browser: member.browser.clone(),
            };
            self.host.open(id, &launch);
        }
        self.host.send(id, &FleetCommand::Start { start, n_workers }, &[]);
    }

    fn load(&mut self, id: ConnectionId, call: CallId, backend: pool::Backend, is_refetch: bool) {
        let workers = self.workers(id);
        let n_left = workers.len() as u32;
        self.expect(call, Call { n_left, ..Call::new(id, CallKind::Load, Some(backend)) });
        for worker in workers {
            let request = Request::Load {
                key: key(backend),
                backend: to_wire_backend(backend),
                pipeline: self.subject.pipeline,
                parts: self.subject.parts.clone(),
            };
            self.ask(id, Errand { call: Some(call), is_refetch, ..Errand::new(worker, request) });
        }
    }

    fn unload(&mut self, id: ConnectionId, backend: pool::Backend) {
        for worker in self.workers(id) {
            self.ask(id, Errand::new(worker, Request::Unload { key: key(backend) }));
        }
    }

    /// Lets go of what a lost device held; the engines get a new one for the next model that is loaded. Every worker must
    /// still answer: the ping goes to them, not to the page.
    fn recreate(&mut self, id: ConnectionId, call: CallId, backend: pool::Backend) {
        self.unload(id, backend);
        let workers = self.workers(id);
        let n_left = workers.len() as u32;
        self.expect(call, Call { n_left, ..Call::new(id, CallKind::RecreateDevice, Some(backend)) });
        for worker in workers {
            self.ask(id, Errand { call: Some(call), ..Errand::new(worker, Request::Ping) });
        }
    }

    fn run(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        call: CallId,
        backend: pool::Backend,
        jobs: &[JobId],
        attempt: u32,
    ) {
        self.expect(call, Call { jobs: jobs.to_vec(), ..Call::new(id, CallKind::Run, Some(backend)) });
        let worker = self.members.get(&id).map_or(0, Member::free_worker);
        let mut inputs = Vec::with_capacity(jobs.len());
        for job in jobs {
            let Some(task) = self.tasks.get_mut(job) else {
                return self.fail(now, call, lacking("this job"));
            };
            task.n_attempts = attempt;
            task.place = Some((id, backend));
            inputs.push(Arc::clone(&task.input));
        }
        let Some(first) = inputs.first() else { return self.fail(now, call, lacking("a run without jobs")) };
        let headers = first.tensors.iter().map(|(header, _)| header.clone()).collect();
        let request = if inputs.len() == 1 {
            Request::Run { key: key(backend), params: first.params.clone(), inputs: headers }
        } else {
            Request::RunBatch { key: key(backend), n_jobs: inputs.len() as u32, inputs: headers }
        };
        let tensors = inputs.iter().flat_map(|input| &input.tensors).map(|(_, bytes)| bytes.as_slice());
        let errand = Errand {
            call: Some(call),
            decode: first.media.as_ref().map(|(media, _)| *media),
            buffers: tensors.chain(first.media.iter().map(|(_, file)| file.as_slice())).collect(),
            ..Errand::new(worker, request)
        };
        self.ask(id, errand);
    }

    /// Runs the golden input; the answer is compared when it comes.
    fn probe(&mut self, id: ConnectionId, call: CallId, backend: pool::Backend) {
        self.expect(call, Call::new(id, CallKind::Probe, Some(backend)));
        let Some(golden) = self.subject.golden.clone() else { return };
        let fill = |input: &crate::golden::Input| {
            input.fill.bytes(input.header.dtype, input.header.n_elements().unwrap_or(0))
        };
        let tensors: Vec<Vec<u8>> = golden.inputs.iter().map(fill).collect();
        let inputs = golden.inputs.iter().map(|input| input.header.clone()).collect();
        let worker = self.members.get(&id).map_or(0, Member::free_worker);
        let request = Request::Run { key: key(backend), params: None, inputs };
        let buffers = tensors.iter().map(Vec::as_slice).collect();
        self.ask(id, Errand { call: Some(call), buffers, ..Errand::new(worker, request) });
    }

    fn ask(&mut self, id: ConnectionId, errand: Errand<'_>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.n_requests += 1;
        let Errand { worker, call, request, is_refetch, decode, buffers } = errand;
        member.requests.insert(member.n_requests, member::Request { call, worker });
        let request = EngineRequest { id: member.n_requests, request };
        self.host.send(id, &FleetCommand::Engine { worker, request, is_refetch, decode }, &buffers);
    }

    fn workers(&self, id: ConnectionId) -> core::ops::Range<u32> {
        0..self.members.get(&id).map_or(0, |member| member.workers.len() as u32)
    }

    fn expect(&mut self, id: CallId, call: Call) {
        self.calls.insert(id, call);
    }
}

impl Errand<'_> {
    fn new(worker: u32, request: Request) -> Self {
        Self { worker, call: None, request, is_refetch: false, decode: None, buffers: Vec::new() }
    }
}

/// The name that workers know the model by.
fn key(backend: pool::Backend) -> String {
    backend.as_str().to_owned()
}

fn lacking(what: &str) -> Fault {
    Fault::new(FaultCategory::Internal, "not-available", format!("a fleet has no {what}"))
}
