//! The driver with pages of paper: what they are sent, and what becomes of jobs when they crash, hang or answer wrongly.

use std::collections::BTreeSet;
use std::sync::Arc;

use pool::{BackendSet, Estimate, ShapeClass};
use wire::translate::to_pool_backend;
use wire::{
    Browser, Capabilities, DType, EngineReply, EngineRequest, EventRecord, FaultCategory, FleetCommand,
    FleetReport, Outcome, Phases, PipelineKind, PoolEvent, Precision, Reply, Request, RunRecord,
    TensorHeader,
};

use super::parts::RUNS_PER_WORKER;
use super::*;
use crate::analysis::advice::{Measured, advise};
use crate::fleet::input::JobInput;
use crate::fleet::prior;
use crate::golden::Golden;
use crate::store::{Point, Series};
use crate::testing::{GOLDEN, series};

/// Keeps what it is asked.
#[derive(Default)]
struct Paper {
    opened: Vec<(ConnectionId, Launch)>,
    closed: Vec<ConnectionId>,
    sent: Vec<(ConnectionId, FleetCommand)>,
}

impl Host for Paper {
    fn open(&mut self, connection: ConnectionId, launch: &Launch) {
        self.opened.push((connection, launch.clone()));
    }

    fn send(&mut self, connection: ConnectionId, command: &FleetCommand, _buffers: &[&[u8]]) {
        self.sent.push((connection, command.clone()));
    }

    fn close(&mut self, connection: ConnectionId) {
        self.closed.push(connection);
    }
}

struct World {
    driver: Driver<Paper>,
    now: Timestamp,
    backend: wire::Backend,
    /// Browsers that say nothing any more.
    silent: BTreeSet<ConnectionId>,
    /// Browsers whose models are on a device that was lost.
    deviceless: BTreeSet<ConnectionId>,
    /// Whether the model mixes what is stacked.
    refuses_batches: bool,
    finished: Vec<Finished>,
    records: Vec<RunRecord>,
    events: Vec<EventRecord>,
}

const C0: ConnectionId = ConnectionId(0);
const C1: ConnectionId = ConnectionId(1);

fn world(n_browsers: u32, n_workers: u32) -> World {
    world_on(wire::Backend::Wasm, n_browsers, n_workers)
}

fn world_on(backend: wire::Backend, n_browsers: u32, n_workers: u32) -> World {
    world_with(backend, |setup| Setup { size: (n_browsers, n_browsers), n_workers, ..setup })
}

fn world_with(backend: wire::Backend, change: impl FnOnce(Setup) -> Setup) -> World {
    let browser =
        |name: &str| Browser { name: name.to_owned(), version: "1".to_owned(), user_agent: String::new() };
    let setup = Setup {
        campaign: 7,
        browsers: vec![browser("chromium"), browser("firefox")],
        size: (1, 1),
        n_workers: 1,
        deadline: Duration::from_secs(600),
        max_batch: 1,
        batch_delay: Duration::ZERO,
        memory_limit_bytes: 0,
        is_hedged: false,
        switches: Vec::new(),
        epoch_unix_micros: 1_000_000,
        seed: 1,
    };
    let golden = Golden::parse(GOLDEN).unwrap();
    let subject = Subject {
        id: "tiny".to_owned(),
        family: "text".to_owned(),
        sha256: golden.sha256.clone(),
        precision: Precision::F32,
        pipeline: None,
        parts: Vec::new(),
        n_bytes: 1,
        backends: BackendSet::of(&[to_pool_backend(backend)]),
        golden: golden.cases.into_iter().next().map(Arc::new),
    };
    let mut world = World {
        driver: Driver::new(change(setup), subject, Paper::default()),
        now: Timestamp::ZERO,
        backend,
        silent: BTreeSet::new(),
        deviceless: BTreeSet::new(),
        refuses_batches: false,
        finished: Vec::new(),
        records: Vec::new(),
        events: Vec::new(),
    };
    world.driver.start(world.now);
    world
}

impl World {
    /// Every page answers what it was sent, time passes, and again, until `done` or nothing more can come of it.
    #[track_caller]
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            if done(self) {
                return;
            }
            let sent = std::mem::take(&mut self.driver.host.sent);
            for (connection, command) in sent {
                self.answer(connection, command);
            }
            if self.driver.host.sent.is_empty() {
                let due = self.driver.next_due().unwrap_or(self.now);
                self.now = due.max(self.now + Duration::from_millis(1));
                self.driver.on_time(self.now);
            }
            let said = self.driver.take_said();
            self.finished.extend(said.finished);
            self.records.extend(said.records);
            self.events.extend(said.events);
        }
        panic!("it never came to that: {:?}", self.finished);
    }

    fn answer(&mut self, connection: ConnectionId, command: FleetCommand) {
        if self.silent.contains(&connection) {
            return;
        }
        match command {
            FleetCommand::Start { n_workers, .. } => {
                for worker in 0..n_workers {
                    let capabilities = Capabilities {
                        wasm_build: "simd".to_owned(),
                        backends: vec![self.backend],
                        ..Capabilities::default()
                    };
                    self.reply(connection, worker, 0, Reply::Ready { capabilities }, Vec::new());
                }
            }
            FleetCommand::Ping => self.report(connection, FleetReport::Pong, Vec::new()),
            FleetCommand::Engine { worker, request: EngineRequest { id, request }, .. } => match request {
                Request::Load { .. } => {
                    let reply = Reply::Loaded {
                        inputs: Vec::new(),
                        outputs: Vec::new(),
                        backend_detail: "paper".to_owned(),
                        phases: Phases { load_micros: Some(9), ..Phases::default() },
                    };
                    self.reply(connection, worker, id, reply, Vec::new());
                }
                Request::Run { .. } if self.deviceless.contains(&connection) => {
                    let fault = Fault::new(FaultCategory::DeviceLost, "device-lost", "the GPU process ended");
                    self.reply(connection, worker, id, Reply::Failed { fault }, Vec::new());
                }
                Request::Run { params: Some(params), .. } if params["fault"] == "validation" => {
                    let fault =
                        Fault::new(FaultCategory::Validation, "poison", "no").with_hint("other inputs");
                    self.reply(connection, worker, id, Reply::Failed { fault }, Vec::new());
                }
                Request::Run { params: Some(params), .. } if params["fault"] == "trap" => {
                    let fault = Fault::new(FaultCategory::WorkerCrash, "panic", "boom");
                    self.reply(connection, worker, 0, Reply::Trapped { fault }, Vec::new());
                }
                Request::Run { .. } => self.ran(connection, worker, id, 1),
                Request::RunBatch { .. } if self.refuses_batches => {
                    let fault = Fault::new(FaultCategory::Validation, "batch", "it has a mean over all rows");
                    self.reply(connection, worker, id, Reply::Failed { fault }, Vec::new());
                }
                Request::RunBatch { n_jobs, .. } => self.ran(connection, worker, id, n_jobs as usize),
                Request::Unload { .. } => {
                    self.deviceless.remove(&connection);
                    self.reply(connection, worker, id, Reply::Unloaded, Vec::new());
                }
                Request::Profile { .. } | Request::Tune { .. } => panic!("a fleet does not ask that"),
                Request::Ping => {
                    self.reply(connection, worker, id, Reply::Pong { memory_bytes: 5 }, Vec::new());
                }
            },
        }
    }

    fn ran(&mut self, connection: ConnectionId, worker: u32, id: u32, n_jobs: usize) {
        let header = TensorHeader { name: "y".to_owned(), dtype: DType::Float32, dims: vec![1, 5] };
        let phases = Phases { run_micros: Some(1000), ..Phases::default() };
        let outputs = vec![header; n_jobs];
        let reply = Reply::Ran { outputs, result: None, phases, memory_bytes: 1 };
        let data: Vec<u8> = [0.5_f32, 1.0, 1.5, 2.0, 2.5].iter().flat_map(|x| x.to_le_bytes()).collect();
        self.reply(connection, worker, id, reply, vec![data; n_jobs]);
    }

    fn reply(&mut self, connection: ConnectionId, worker: u32, id: u32, reply: Reply, buffers: Vec<Vec<u8>>) {
        let start = self.driver.members[&connection].start;
        let reply = Box::new(EngineReply { id, reply });
        self.report(connection, FleetReport::Engine { start, worker, reply, decoded: None }, buffers);
    }

    fn report(&mut self, connection: ConnectionId, report: FleetReport, buffers: Vec<Vec<u8>>) {
        self.happen(connection, What::Report(Box::new(report), buffers));
    }

    fn happen(&mut self, connection: ConnectionId, what: What) {
        let launch = self.driver.members[&connection].launch;
        self.now = self.now + Duration::from_micros(100);
        self.driver.on_happening(self.now, Happening { connection, launch, what });
    }

    fn submit(&mut self, indices: core::ops::Range<u64>) {
        indices.for_each(|index| self.submit_params(index, "none"));
    }

    fn submit_params(&mut self, index: u64, fault: &str) {
        let params = Some(serde_json::json!({ "fault": fault, "index": index }));
        let job = JobInput { params, shapes: "x:1".to_owned(), n_elements: 1, ..JobInput::default() };
        assert_eq!(self.driver.submit(self.now, Line { index, job: Ok(job) }), None);
    }

    fn until_ended(&mut self, n_jobs: usize) {
        self.until(|world| world.finished.len() == n_jobs);
        let indices: BTreeSet<u64> = self.finished.iter().map(|finished| finished.index).collect();
        assert_eq!(indices.len(), n_jobs, "each job ends once");
        assert_eq!(self.driver.n_jobs(), 0);
    }

    fn n_opened(&self, connection: ConnectionId) -> usize {
        self.driver.host.opened.iter().filter(|(id, _)| *id == connection).count()
    }

    fn has_recovered(&self, by: &str) -> bool {
        self.events.iter().any(|record| {
            matches!(&record.event, PoolEvent::Recovered { strategy, is_success: true, .. } if strategy == by)
        })
    }
}

#[test]
fn jobs_run_in_every_browser_and_leave_rows() {
    let mut world = world(2, 2);
    world.submit(0..10);
    world.until_ended(10);
    assert!(world.finished.iter().all(|finished| finished.ok && finished.attempts == 1));
    let [(_, launch), ..] = &world.driver.host.opened[..] else { panic!("nothing was opened") };
    assert_eq!((launch.number, launch.session.as_str()), (1, "7-chromium-0-1"));
    assert_eq!(world.records.len(), 10);
    let record = &world.records[0];
    assert_eq!((record.backend_detail.as_str(), record.shapes.as_str()), ("paper", "x:1"));
    assert!(world.records.iter().any(|record| record.cold && record.phases.load_micros == Some(9)));
    let (host, _) = world.driver.close(world.now);
    assert_eq!(BTreeSet::from_iter(host.closed), BTreeSet::from([C0, C1]));
}

#[test]
fn a_browser_that_ends_is_launched_again_and_its_jobs_go_elsewhere() {
    let mut world = world(2, 1);
    world.submit(0..4);
    world.until(|world| world.finished.len() >= 2);
    world.submit(4..8);
    let fault = Fault::new(FaultCategory::ConnectionLost, "browser-ended", "it was killed");
    world.happen(C0, What::Ended(fault));
    world.until_ended(8);
    assert!(world.finished.iter().all(|finished| finished.ok), "{:?}", world.finished);
    world.until(|world| world.n_opened(C0) == 2 && world.has_recovered("restart_browser"));
    assert_eq!(world.driver.host.opened.last().unwrap().1.session, "7-chromium-0-2");
}

#[test]
fn a_silent_browser_is_given_up() {
    let mut world = world(2, 1);
    world.submit(0..2);
    world.until_ended(2);
    world.silent.insert(C0);
    world.submit(2..6);
    world.until_ended(6);
    assert!(world.finished.iter().all(|finished| finished.ok), "{:?}", world.finished);
    world.until(|world| world.n_opened(C0) == 3);
    assert!(world.driver.host.closed.contains(&C0), "the hung browser is ended before another is launched");
    world.silent.clear();
    world.until(|world| world.driver.n_browsers() == (2, 2));
}

#[test]
fn a_trap_replaces_workers_not_the_browser() {
    let mut world = world(1, 2);
    world.submit_params(0, "trap");
    world.submit(1..3);
    world.until_ended(3);
    let failed: Vec<_> = world.finished.iter().filter(|finished| !finished.ok).collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((failed.index, failed.fault.as_ref().unwrap().code.as_str()), (0, "panic"));
    assert!(failed.attempts > 1);
    assert!(world.driver.members[&C0].start > 1 && world.n_opened(C0) == 1);
    assert!(world.has_recovered("respawn_worker"));
}

#[test]
fn a_lost_device_fails_once_and_is_replaced_beneath_the_workers() {
    let mut world = world_on(wire::Backend::Webgpu, 1, 2);
    world.submit(0..1);
    world.until_ended(1);
    world.deviceless.insert(C0);
    world.submit(1..3);
    world.until(|world| world.has_recovered("recreate_device"));
    let breaker = |world: &World| {
        let connection = world.driver.pool.connection(C0).unwrap();
        connection.breaker(pool::Component::Webgpu).clone()
    };
    assert_eq!(breaker(&world).n_consecutive(), 1, "two runs met the same lost device");
    assert_eq!(world.driver.members[&C0].memory_bytes(), 10, "both workers have answered");
    world.until_ended(3);
    assert!(world.finished.iter().all(|finished| finished.ok), "{:?}", world.finished);
    assert_eq!((world.n_opened(C0), world.driver.members[&C0].start), (1, 1), "nothing else was replaced");
    let now = world.now;
    let mut breaker = breaker(&world);
    assert_eq!((breaker.window(now).n_failed, breaker.n_openings()), (1, 0));
    let n_lost = world.records.iter().filter(|record| record.outcome != Outcome::Ok).count();
    assert_eq!(n_lost, 2);
}

#[test]
fn a_bad_input_fails_alone_with_its_own_fault() {
    let mut world = world(2, 1);
    world.submit(0..3);
    world.submit_params(3, "validation");
    let broken = Fault::new(FaultCategory::Validation, "input-json", "line 5: no");
    assert_eq!(world.driver.submit(world.now, Line { index: 4, job: Err(broken) }), None);
    world.submit(5..8);
    world.until_ended(8);
    let mut failed: Vec<_> = world.finished.iter().filter(|finished| !finished.ok).collect();
    failed.sort_by_key(|finished| finished.index);
    let seen: Vec<_> =
        failed.iter().map(|one| (one.index, one.fault.clone().unwrap().code, one.attempts)).collect();
    assert_eq!(seen, [(3, "poison".to_owned(), 1), (4, "input-json".to_owned(), 0)]);
    assert_eq!(world.driver.counts(), Counts { n_ok: 6, n_failed: 2, n_cancelled: 0 });
    let rows = world.records.iter().filter(|record| record.outcome != Outcome::Ok).count();
    assert_eq!(rows, 1);
}

#[test]
fn jobs_of_equal_shapes_share_a_run() {
    let mut world = world_with(wire::Backend::Wasm, |setup| Setup { max_batch: 4, ..setup });
    world.submit(0..9);
    world.until_ended(9);
    assert!(world.finished.iter().all(|one| one.ok && one.outputs.0.len() == 1), "{:?}", world.finished);
    let in_fours = world.finished.iter().filter(|one| one.batch == Some(4)).count();
    assert!(in_fours >= 4, "{:?}", world.finished);
    let rows = world.records.iter().filter(|record| record.shapes == "x:1@4").count();
    assert_eq!((rows, world.records.len()), (in_fours, 9));
}

#[test]
fn a_pipeline_has_no_batches_and_no_room_for_them() {
    let model = world_with(wire::Backend::Wasm, |setup| Setup { max_batch: 4, ..setup }).driver;
    let kind = Some(PipelineKind::DetectSpeech);
    let subject = Subject { pipeline: kind, ..model.subject.clone() };
    let pipeline = Driver::new(Setup { max_batch: 4, ..model.setup.clone() }, subject, Paper::default());
    assert_eq!([&model, &pipeline].map(|driver| driver.classes().are_stacked), [true, false]);
    let n_jobs = [&model, &pipeline].map(|driver| driver.setup.max_jobs());
    assert_eq!(n_jobs, [RUNS_PER_WORKER + 6, RUNS_PER_WORKER]);
}

#[test]
fn a_model_that_mixes_what_is_stacked_runs_its_jobs_alone() {
    let mut world = world_with(wire::Backend::Wasm, |setup| Setup { max_batch: 4, ..setup });
    world.refuses_batches = true;
    world.submit(0..9);
    world.until_ended(9);
    assert!(world.finished.iter().all(|one| one.ok && one.batch.is_none()), "{:?}", world.finished);
    let n_twice = world.finished.iter().filter(|one| one.attempts == 2).count();
    assert!((1..=4).contains(&n_twice), "one batch was tried: {:?}", world.finished);
    assert_eq!(world.driver.members[&C0].tally.n_failed, 0, "which is not the browser's fault");
}

#[test]
fn an_operators_breakers_are_set_when_a_browser_is_new() {
    let switch = |text: &str| text.parse().unwrap();
    let mut world = world_with(wire::Backend::Wasm, |setup| Setup {
        size: (2, 2),
        switches: vec![switch("firefox/wasm=forced-open"), switch("loader=metrics-only")],
        ..setup
    });
    world.submit(0..6);
    world.until_ended(6);
    assert!(
        world.finished.iter().all(|one| one.browser.as_deref() == Some("chromium")),
        "{:?}",
        world.finished
    );
    let mode = |id, component| world.driver.pool.connection(id).map(|one| one.breaker(component).mode());
    assert_eq!(mode(C1, pool::Component::Wasm), Some(pool::BreakerMode::ForcedOpen));
    assert_eq!(mode(C0, pool::Component::Wasm), Some(pool::BreakerMode::Automatic));
    assert_eq!(mode(C0, pool::Component::Loader), Some(pool::BreakerMode::MetricsOnly));
}

#[test]
fn measured_memory_takes_a_model_out_of_a_browser() {
    let mut world = world_with(wire::Backend::Wasm, |setup| Setup { memory_limit_bytes: 1000, ..setup });
    world.submit(0..1);
    world.until_ended(1);
    world.happen(C0, What::Memory(900));
    assert!(world.driver.members[&C0].peak_bytes == 900);
    let is_unload = |(_, command): &(ConnectionId, FleetCommand)| matches!(command, FleetCommand::Engine { request, .. } if matches!(request.request, Request::Unload { .. }));
    for _ in 0..20 {
        if world.driver.host.sent.iter().any(is_unload) {
            break;
        }
        world.now = world.driver.next_due().unwrap_or(world.now);
        world.driver.on_time(world.now);
    }
    assert!(world.driver.host.sent.iter().any(is_unload), "{:?}", world.driver.host.sent);
    world.submit(1..3);
    world.until_ended(3);
    assert!(world.finished.iter().all(|one| one.ok), "it is loaded again: {:?}", world.finished);
}

#[test]
fn a_model_above_the_limit_fails_with_the_reason() {
    let mut world =
        world_with(wire::Backend::Wasm, |setup| Setup { memory_limit_bytes: 1, n_workers: 2, ..setup });
    world.submit(0..2);
    world.until_ended(2);
    let codes: Vec<_> =
        world.finished.iter().map(|one| one.fault.as_ref().map(|fault| fault.category)).collect();
    assert_eq!(codes, [Some(FaultCategory::OutOfMemory); 2], "{:?}", world.finished);
}

#[test]
fn a_stopped_run_reports_every_job() {
    let mut world = world(1, 1);
    world.submit(0..4);
    world.until(|world| world.finished.len() == 1);
    world.driver.stop(world.now, None);
    world.until_ended(4);
    let n_cancelled = world.finished.iter().filter(|finished| !finished.ok).count();
    assert_eq!(world.driver.counts(), Counts { n_ok: 1, n_failed: 0, n_cancelled: 3 });
    assert_eq!(n_cancelled, 3);
}

#[test]
fn a_full_queue_gives_the_line_back() {
    let mut world = world(1, 1);
    world.silent.insert(C0);
    let job = || JobInput { n_elements: 1, ..JobInput::default() };
    let refused = (0..100).find_map(|index| world.driver.submit(world.now, Line { index, job: Ok(job()) }));
    assert_eq!(refused.map(|line| line.index), Some(u64::from(RUNS_PER_WORKER) + 1));
    assert!(world.finished.is_empty());
}

#[test]
fn a_fleet_that_never_opens_is_hopeless() {
    let mut world = world(2, 1);
    world.silent.extend([C0, C1]);
    world.submit(0..1);
    let fault = || Fault::new(FaultCategory::ConnectionLost, "browser-launch", "no such program");
    assert_eq!(world.driver.hopeless(), None);
    for _ in 0..20 {
        for id in [C0, C1] {
            world.happen(id, What::Ended(fault()));
        }
        if world.driver.hopeless().is_some() {
            break;
        }
        let n = world.driver.host.opened.len();
        world.until(|world| world.driver.host.opened.len() > n);
    }
    assert_eq!(world.driver.hopeless(), Some(&fault()));
    world.driver.stop(world.now, Some(fault()));
    world.until_ended(1);
    assert_eq!(world.finished[0].fault, Some(fault()));
}

#[test]
fn probes_compare_with_the_golden_output() {
    let mut world = world(1, 1);
    world.submit(0..1);
    world.until_ended(1);
    let golden = world.driver.subject.golden.clone().unwrap();
    assert_eq!(golden.outputs[0].header.dims, [1, 5], "the page of paper answers this one");
    world.driver.perform(
        world.now,
        pool::Action::Probe {
            connection: C0,
            call: CallId(u64::MAX),
            model: world.driver.model,
            backend: pool::Backend::Wasm,
        },
    );
    let Some((_, FleetCommand::Engine { request, .. })) = world.driver.host.sent.last() else { panic!() };
    let Request::Run { inputs, .. } = &request.request else { panic!("{request:?}") };
    assert_eq!(inputs.len(), golden.inputs.len());
    let header = golden.outputs[0].header.clone();
    let wrong =
        Reply::Ran { outputs: vec![header], result: None, phases: Phases::default(), memory_bytes: 0 };
    let id = request.id;
    world.reply(C0, 0, id, wrong, vec![vec![0; 20]]);
    let fault = world.driver.calls[&CallId(u64::MAX)].fault.clone();
    assert_eq!(fault.map(|fault| fault.code), Some("wrong-output".to_owned()));
}

#[test]
fn what_is_known_of_a_browser_is_about_the_adapter_it_has() {
    let mut world = world(2, 1);
    let prior = LatencyEvidence {
        model: world.driver.model(),
        backend: pool::Backend::Wasm,
        place: Some(("firefox".to_owned(), String::new())),
        shape: Some((ShapeClass(3), 0)),
        estimate: Estimate::of(Duration::from_millis(70), 0.5, 3.0),
    };
    world.driver.seed(vec![prior], Vec::new());
    world.submit(0..1);
    world.until_ended(1);
    world.until(|world| world.driver.n_browsers() == (2, 2));
    let known: Vec<_> =
        world.driver.pool.latencies().filter(|one| one.shape == Some((ShapeClass(3), 0))).collect();
    let [known] = known.as_slice() else { panic!("{known:?}") };
    assert_eq!(known.place, Some(("firefox".to_owned(), "simd".to_owned())));
}

#[test]
fn the_history_tells_where_a_job_is_expected_to_be_fast() {
    let measured = |browser: &str, case: &str, micros| Measured {
        series: Series { browser: browser.to_owned(), case: case.to_owned(), ..series("tiny") },
        points: (0..3).map(|at| Point { started_unix_micros: at, campaign: Some(1), micros }).collect(),
        ..Measured::default()
    };
    let history = vec![
        measured("chromium", "x:1x16", 400_000.0),
        measured("firefox", "x:1x16", 20_000.0),
        measured("firefox", "x:1x1024", 80_000.0),
    ];
    let mut world = world(2, 1);
    let priors = prior::latencies(
        world.driver.model(),
        &advise(history, |_| String::new(), 0).unwrap(),
        &[],
        world.driver.classes(),
    );
    let expected = |world: &mut World| {
        let has_model = |one: &pool::Connection| one.residents().next().is_some() && one.n_in_flight() == 0;
        world.until(|world| {
            world.driver.n_browsers() == (2, 2) && world.driver.pool.connections().all(has_model)
        });
        let job = Job { shape: ShapeClass::from_elements(256), ..Job::new(world.driver.model()) };
        let candidates = world.driver.pool.explain(world.now, &job);
        let allowed = candidates.into_iter().filter(|candidate| candidate.exclusion.is_none());
        allowed.map(|one| (one.connection, (one.run.as_secs_f64() * 1e3).round())).collect::<Vec<_>>()
    };
    world.driver.seed(priors, Vec::new());
    assert_eq!(
        expected(&mut world),
        [(C1, 40.0), (C0, 400.0)],
        "a shape that was never run, by the others' mean"
    );
    let mut world = self::world(2, 1);
    let [(C0, first), (C1, second)] = expected(&mut world)[..] else { panic!("nothing tells them apart") };
    assert_eq!(first, second);
}
