//! The pool as a driver sees it: one bounded world that answers actions, and what comes of it.

#![expect(clippy::wildcard_enum_match_arm, reason = "tests look for one action among many")]

use super::*;
use crate::{BackendSet, Capabilities, ConnectionSpec, JobEnd, Verdict};

/// A driver whose connections answer at once, except for what a test holds back.
struct World {
    pool: Pool,
    now: Timestamp,
    /// Actions not answered yet, oldest first; records and finishes are kept apart.
    open: Vec<Action>,
    ends: Vec<(JobId, JobEnd)>,
    events: Vec<Event>,
    answers_pings: bool,
}

impl World {
    fn new(config: Config) -> Self {
        let pool = Pool::new(config, 7);
        Self {
            pool,
            now: Timestamp::from_millis(1000),
            open: Vec::new(),
            ends: Vec::new(),
            events: Vec::new(),
            answers_pings: true,
        }
    }

    /// `n` ready workers, each with `backends`.
    fn with_workers(n: u32, backends: &[Backend]) -> Self {
        let mut world = Self::new(Config::default());
        for _ in 0..n {
            world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
        }
        world.drain();
        world.open_all(backends);
        world
    }

    fn drain(&mut self) {
        while let Some(action) = self.pool.poll_action() {
            match action {
                Action::Finish { job, end } => self.ends.push((job, end)),
                Action::Record(record) => self.events.push(record.event),
                Action::Ping { call, .. } if self.answers_pings => {
                    self.pool.on_finished(self.now, call, Measured::default());
                }
                other => self.open.push(other),
            }
        }
    }

    fn open_all(&mut self, backends: &[Backend]) {
        let capabilities = Capabilities::new(BackendSet::of(backends));
        for action in core::mem::take(&mut self.open) {
            match action {
                Action::Open { call, .. } | Action::Respawn { call, .. } => {
                    self.pool.on_ready(self.now, call, capabilities.clone());
                }
                other => self.open.push(other),
            }
        }
        self.drain();
    }

    /// Takes the oldest open action that `matches`.
    #[track_caller]
    fn take<T>(&mut self, matches: impl Fn(&Action) -> Option<T>) -> T {
        let found = self.open.iter().position(|action| matches(action).is_some());
        let found = found.unwrap_or_else(|| panic!("no such action among {:?}", self.open));
        let action = self.open.remove(found);
        matches(&action).expect("it matched before")
    }

    #[track_caller]
    fn take_load(&mut self) -> (CallId, ConnectionId, Backend) {
        self.take(|action| match action {
            Action::Load { call, connection, backend, .. } => Some((*call, *connection, *backend)),
            _ => None,
        })
    }

    #[track_caller]
    fn take_run(&mut self) -> (CallId, ConnectionId, Vec<JobId>) {
        self.take(|action| match action {
            Action::Run { call, connection, jobs, .. } => Some((*call, *connection, jobs.clone())),
            _ => None,
        })
    }

    fn finish(&mut self, call: CallId) {
        self.pool.on_finished(self.now, call, Measured::default());
        self.drain();
    }

    fn fail(&mut self, call: CallId, category: FaultCategory) {
        self.pool.on_failed(self.now, call, category);
        self.drain();
    }

    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        for _ in 0..10_000 {
            match self.pool.poll_timeout() {
                Some(due) if due <= until => {
                    self.now = self.now.max(due);
                    self.pool.handle_timeout(self.now);
                    self.drain();
                }
                Some(_) | None => {
                    self.now = until;
                    return;
                }
            }
        }
        panic!("timers never come to rest");
    }

    fn model(&mut self, name: &str) -> ModelId {
        self.pool.register_model(ModelSpec::new(name, "vision", crate::Precision::F32))
    }

    #[track_caller]
    fn submit(&mut self, model: ModelId) -> JobId {
        let job = self.pool.submit(self.now, Job::new(model)).expect("there is room");
        self.drain();
        job
    }

    /// Submits a job, answers its load and gives its run.
    #[track_caller]
    fn submit_loaded(&mut self, model: ModelId) -> (JobId, CallId, ConnectionId) {
        let job = self.submit(model);
        if self.open.iter().any(|action| matches!(action, Action::Load { .. })) {
            let (load, ..) = self.take_load();
            self.finish(load);
        }
        let (run, connection, jobs) = self.take_run();
        assert_eq!(jobs, [job]);
        (job, run, connection)
    }
}

#[test]
fn a_job_loads_runs_and_completes() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let job = world.submit(model);
    let (load, connection, backend) = world.take_load();
    assert_eq!(backend, Backend::Wasm);
    world.finish(load);
    let (run, on, jobs) = world.take_run();
    assert_eq!((on, jobs.as_slice()), (connection, &[job][..]));
    world.finish(run);
    let end = JobEnd::Completed { call: run, connection, backend, model, attempt: 1 };
    assert_eq!(world.ends, [(job, end)]);
    assert_eq!(world.pool.stats().n_jobs, 0);
}

#[test]
fn a_resident_model_is_not_loaded_again() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (_, run, _) = world.submit_loaded(model);
    world.finish(run);
    world.submit(model);
    world.take_run();
    assert!(world.open.is_empty(), "{:?}", world.open);
}

#[test]
fn a_crash_respawns_the_worker_and_the_job_succeeds_elsewhere() {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (job, run, first) = world.submit_loaded(model);
    world.fail(run, FaultCategory::WorkerCrash);
    world.pass(Duration::from_millis(200));
    let respawned = world.take(|action| match action {
        Action::Respawn { connection, scope, .. } => Some((*connection, *scope)),
        _ => None,
    });
    assert_eq!(respawned, (first, crate::Scope::Worker));
    let (load, second, _) = world.take_load();
    assert_ne!(second, first);
    world.finish(load);
    let (run, ..) = world.take_run();
    world.finish(run);
    let end = JobEnd::Completed { call: run, connection: second, backend: Backend::Wasm, model, attempt: 2 };
    assert_eq!(world.ends, [(job, end)]);
}

#[test]
fn a_late_answer_changes_nothing() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (_, run, connection) = world.submit_loaded(model);
    world.pool.on_connection_lost(world.now, connection, FaultCategory::ConnectionLost);
    world.drain();
    world.finish(run);
    assert!(world.ends.is_empty(), "{:?}", world.ends);
}

#[test]
fn a_hung_worker_is_replaced_and_its_job_retried() {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (job, run, first) = world.submit_loaded(model);
    world.pass(Config::default().run_timeout + Duration::from_millis(500));
    let aborted = world.take(|action| match action {
        Action::Abort { call, .. } => Some(*call),
        _ => None,
    });
    assert_eq!(aborted, run);
    let (load, second, _) = world.take_load();
    assert_ne!(second, first);
    world.finish(load);
    let (run, ..) = world.take_run();
    world.finish(run);
    assert!(matches!(world.ends[..], [(ended, JobEnd::Completed { .. })] if ended == job));
    world.pass(Duration::from_secs(1));
    world.take(|action| {
        matches!(action, Action::Respawn { connection, .. } if *connection == first).then_some(())
    });
}

#[test]
fn a_silent_idle_worker_is_pinged_and_replaced() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    world.answers_pings = false;
    world.pass(Duration::from_secs(5));
    world.take(|action| matches!(action, Action::Ping { .. }).then_some(()));
    world.pass(Duration::from_secs(6));
    world.take(|action| matches!(action, Action::Respawn { .. }).then_some(()));
}

#[test]
fn cancelling_ends_a_job_wherever_it_is() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (running, run, _) = world.submit_loaded(model);
    let queued = world.submit(model);
    for job in [queued, running] {
        world.pool.cancel(world.now, job);
    }
    world.drain();
    assert_eq!(world.ends, [(queued, JobEnd::Cancelled), (running, JobEnd::Cancelled)]);
    let aborted = world.take(|action| match action {
        Action::Abort { call, .. } => Some(*call),
        _ => None,
    });
    assert_eq!(aborted, run);
    world.fail(run, FaultCategory::Cancelled);
    world.submit(model);
    world.take_run();
}

#[test]
fn a_deadline_ends_a_waiting_job() {
    let mut world = World::new(Config::default());
    let model = world.model("minilm");
    let deadline = Some(world.now + Duration::from_millis(300));
    let job = world.pool.submit(world.now, Job { deadline, ..Job::new(model) }).expect("there is room");
    world.pass(Duration::from_secs(1));
    let end = JobEnd::Failed {
        cause: FaultCategory::Timeout,
        call: None,
        n_attempts: 0,
        verdict: Verdict::Deadline,
    };
    assert_eq!(world.ends, [(job, end)]);
}

#[test]
fn a_full_queue_refuses_and_suggests_a_wait() {
    let mut world = World::new(Config { queue_capacity: 2, ..Config::default() });
    let model = world.model("minilm");
    world.submit(model);
    world.submit(model);
    let refusal = world.pool.submit(world.now, Job::new(model)).expect_err("there is no room");
    assert!(
        matches!(refusal, crate::Refusal::QueueFull { n_queued: 2, retry_after } if !retry_after.is_zero())
    );
}

#[test]
fn a_backend_that_lacks_an_operator_is_left_for_one_that_has_it() {
    let mut world = World::with_workers(1, &[Backend::Webgpu, Backend::Wasm]);
    let model = world.model("minilm");
    let job = world.submit(model);
    let (load, _, backend) = world.take_load();
    assert_eq!(backend, Backend::Webgpu);
    world.fail(load, FaultCategory::UnsupportedOperator);
    world.pass(Duration::from_millis(1));
    let (load, _, backend) = world.take_load();
    assert_eq!(backend, Backend::Wasm);
    world.fail(load, FaultCategory::UnsupportedOperator);
    let verdict = match world.ends[..] {
        [(ended, JobEnd::Failed { verdict, .. })] if ended == job => verdict,
        _ => panic!("{:?}", world.ends),
    };
    assert_eq!(verdict, Verdict::NoCandidate);
    let breaker = world.pool.connection(ConnectionId(0)).expect("it is there").breaker(Component::Webgpu);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_lost_device_is_recreated_and_its_models_loaded_again() {
    let mut world = World::with_workers(1, &[Backend::Webgpu]);
    let model = world.model("minilm");
    let (job, run, _) = world.submit_loaded(model);
    world.fail(run, FaultCategory::DeviceLost);
    let recreate = world.take(|action| match action {
        Action::RecreateDevice { call, backend: Backend::Webgpu, .. } => Some(*call),
        _ => None,
    });
    world.pass(Duration::from_secs(1));
    assert!(world.open.is_empty(), "{:?}", world.open);
    world.finish(recreate);
    let (load, ..) = world.take_load();
    world.finish(load);
    let (run, ..) = world.take_run();
    world.finish(run);
    assert!(matches!(world.ends[..], [(ended, JobEnd::Completed { attempt: 2, .. })] if ended == job));
}

#[test]
fn draining_finishes_calls_first() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (_, run, connection) = world.submit_loaded(model);
    world.pool.remove_connection(world.now, connection);
    world.drain();
    assert!(world.open.is_empty(), "{:?}", world.open);
    world.finish(run);
    world.take(|action| matches!(action, Action::Close { .. }).then_some(()));
    assert!(world.pool.connection(connection).is_none());
}

#[test]
fn a_validation_fault_is_not_retried_and_blames_nobody() {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("minilm");
    for _ in 0..20 {
        let (_, run, _) = world.submit_loaded(model);
        world.fail(run, FaultCategory::Validation);
    }
    assert_eq!(world.pool.stats().n_attempts, 20);
    assert!(world.pool.connections().all(|c| c.breaker(Component::Wasm).state() == BreakerState::Closed));
}

#[test]
fn failures_open_the_breaker_of_one_backend_only() {
    let mut world = World::with_workers(1, &[Backend::Webgpu, Backend::Wasm]);
    let model = world.model("minilm");
    for _ in 0..10 {
        world.submit(model);
        for _ in 0..8 {
            world.pass(Duration::from_millis(300));
            for action in core::mem::take(&mut world.open) {
                match action {
                    Action::Run { call, backend: Backend::Webgpu, .. } => {
                        world.fail(call, FaultCategory::Internal)
                    }
                    Action::Run { call, .. } | Action::Load { call, .. } | Action::Ping { call, .. } => {
                        world.finish(call)
                    }
                    _ => {}
                }
            }
        }
    }
    let connection = world.pool.connection(ConnectionId(0)).expect("it is there");
    assert_eq!(connection.breaker(Component::Webgpu).state(), BreakerState::Open);
    assert_eq!(connection.breaker(Component::Wasm).state(), BreakerState::Closed);
    assert!(world.ends.iter().all(|(_, end)| matches!(end, JobEnd::Completed { .. })), "{:?}", world.ends);
    assert_eq!(world.ends.len(), 10);
}

#[test]
fn jobs_of_one_model_and_shape_share_a_call() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let spec = ModelSpec { max_batch: 3, ..ModelSpec::new("minilm", "vision", crate::Precision::F32) };
    let model = world.pool.register_model(spec);
    let (_, first, _) = world.submit_loaded(model);
    let batchable = Job { is_batchable: true, ..Job::new(model) };
    let mut submit = |shape: u32| {
        let job = Job { shape: ShapeClass(shape), ..batchable.clone() };
        world.pool.submit(world.now, job).expect("there is room")
    };
    let (a, b, other, c, d) = (submit(1), submit(1), submit(2), submit(1), submit(1));
    let mut run = first;
    for expected in [&[a, b, c][..], &[other], &[d]] {
        world.finish(run);
        let (next, _, jobs) = world.take_run();
        assert_eq!(jobs, expected);
        run = next;
    }
}

#[test]
fn a_batch_waits_for_company_only_so_long() {
    let config = Config { batch_delay: Duration::from_millis(5), ..Config::default() };
    let mut world = World::new(config);
    world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
    world.drain();
    world.open_all(&[Backend::Wasm]);
    let spec = ModelSpec { max_batch: 2, ..ModelSpec::new("minilm", "vision", crate::Precision::F32) };
    let model = world.pool.register_model(spec);
    let (_, run, _) = world.submit_loaded(model);
    world.finish(run);
    let batchable = Job { is_batchable: true, ..Job::new(model) };
    world.pool.submit(world.now, batchable).expect("there is room");
    world.drain();
    assert!(world.open.is_empty(), "{:?}", world.open);
    world.pass(Duration::from_millis(5));
    world.take_run();
}

#[test]
fn the_least_recently_used_model_makes_room() {
    let mut world = World::new(Config::default());
    world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
    world.drain();
    let open = world.take(|action| match action {
        Action::Open { call, .. } => Some(*call),
        _ => None,
    });
    let wasm = Capabilities::new(BackendSet::of(&[Backend::Wasm]));
    world.pool.on_ready(world.now, open, Capabilities { memory_limit_bytes: 250, ..wasm });
    world.drain();
    let mut models = Vec::new();
    for name in ["a", "b", "c", "huge"] {
        let memory_bytes = if name == "huge" { 1000 } else { 100 };
        let spec = ModelSpec { memory_bytes, ..ModelSpec::new(name, "vision", crate::Precision::F32) };
        models.push(world.pool.register_model(spec));
    }
    for &model in &models[..3] {
        world.now = world.now + Duration::from_millis(1);
        let (_, run, _) = world.submit_loaded(model);
        world.finish(run);
    }
    let unloaded = world.take(|action| match action {
        Action::Unload { model, .. } => Some(*model),
        _ => None,
    });
    assert_eq!(unloaded, models[0]);
    let job = world.submit(models[3]);
    assert!(
        matches!(world.ends.last(), Some((ended, JobEnd::Failed { cause: FaultCategory::OutOfMemory, verdict: Verdict::NoCandidate, .. })) if *ended == job),
        "{:?}",
        world.ends.last()
    );
}

/// Runs `n` jobs of 20 ms on whatever connection takes them.
fn train(world: &mut World, model: ModelId, n: u32) {
    for _ in 0..n {
        let (_, run, _) = world.submit_loaded(model);
        world.now = world.now + Duration::from_millis(20);
        world.finish(run);
    }
}

#[test]
fn a_slow_call_is_hedged_and_the_loser_stopped() {
    let mut config = Config::default();
    config.hedging.is_enabled = true;
    let mut world = World::new(config);
    for _ in 0..2 {
        world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
    }
    world.drain();
    world.open_all(&[Backend::Wasm]);
    let model = world.model("minilm");
    let pinned: Vec<ConnectionId> = world.pool.connections().map(Connection::id).collect();
    for connection in pinned {
        let job = Job { pinned: Some(connection), ..Job::new(model) };
        world.pool.submit(world.now, job).expect("there is room");
        world.drain();
        let (load, ..) = world.take_load();
        world.finish(load);
        let (run, ..) = world.take_run();
        world.finish(run);
    }
    train(&mut world, model, 40);
    let (job, first, slow) = world.submit_loaded(model);
    world.pass(Duration::from_millis(500));
    let (second, other, jobs) = world.take_run();
    assert_eq!(jobs, [job]);
    assert_ne!(other, slow);
    world.finish(second);
    assert!(
        matches!(world.ends.last(), Some((ended, JobEnd::Completed { call, .. })) if *ended == job && *call == second)
    );
    let stopped = world.take(|action| match action {
        Action::Abort { call, .. } => Some(*call),
        _ => None,
    });
    assert_eq!(stopped, first);
}

#[test]
fn golden_inferences_decide_whether_a_backend_returns() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let spec = ModelSpec { has_golden: true, ..ModelSpec::new("minilm", "vision", crate::Precision::F32) };
    let model = world.pool.register_model(spec);
    for _ in 0..5 {
        let (job, run, _) = world.submit_loaded(model);
        world.fail(run, FaultCategory::Internal);
        world.pool.cancel(world.now, job);
        world.drain();
    }
    let state = |world: &World| {
        world.pool.connection(ConnectionId(0)).map(|connection| connection.breaker(Component::Wasm).state())
    };
    assert_eq!(state(&world), Some(BreakerState::Open));
    world.pass(Duration::from_secs(31));
    let waiting = world.submit(model);
    let probe = |world: &mut World| {
        world.take(|action| match action {
            Action::Probe { call, .. } => Some(*call),
            _ => None,
        })
    };
    // One that answers wrongly keeps it open; the job is not tried on it.
    let call = probe(&mut world);
    world.fail(call, FaultCategory::Numeric);
    assert_eq!(state(&world), Some(BreakerState::Open));
    assert!(world.pool.job(waiting).is_some());
}

#[test]
fn an_explanation_names_every_place_and_its_terms() {
    let mut world = World::with_workers(2, &[Backend::Webgpu, Backend::Wasm]);
    let model = world.model("minilm");
    let job = Job { backends: BackendSet::of(&[Backend::Wasm]), ..Job::new(model) };
    world.pool.submit(world.now, job.clone()).expect("there is room");
    world.drain();
    let (load, loaded, _) = world.take_load();
    world.finish(load);
    let candidates = world.pool.explain(world.now, &job);
    assert_eq!(candidates.len(), 6);
    let allowed: Vec<_> = candidates.iter().filter(|candidate| candidate.exclusion.is_none()).collect();
    assert_eq!(allowed.len(), 2);
    for candidate in allowed {
        assert_eq!(candidate.load.is_zero(), candidate.connection == loaded, "{candidate:?}");
        assert_eq!(candidate.wait.is_zero(), candidate.connection != loaded, "{candidate:?}");
        assert!(candidate.total >= candidate.run + candidate.load, "{candidate:?}");
    }
}

#[test]
fn what_was_learnt_survives_a_reload() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    train(&mut world, model, 10);
    for _ in 0..5 {
        let (job, run, _) = world.submit_loaded(model);
        world.fail(run, FaultCategory::Internal);
        world.pool.cancel(world.now, job);
        world.drain();
    }
    let breakers = world.pool.breakers(world.now);
    assert_eq!(breakers.len(), 1);
    let mut reloaded = World::with_workers(1, &[Backend::Wasm]);
    assert_eq!(reloaded.model("minilm"), model);
    for evidence in &breakers {
        reloaded.pool.seed_breaker(reloaded.now, evidence);
    }
    for evidence in world.pool.latencies().collect::<Vec<_>>() {
        reloaded.pool.seed_latency(reloaded.now, &evidence);
    }
    assert_eq!(reloaded.pool.breakers(reloaded.now), breakers);
    let same = world.pool.latencies().zip(reloaded.pool.latencies());
    assert!(same.into_iter().all(|(a, b)| a.estimate.mean_ln == b.estimate.mean_ln));
    reloaded.submit(model);
    assert!(reloaded.open.is_empty(), "the backend is open: {:?}", reloaded.open);
}

#[test]
fn a_driver_that_slept_does_not_lose_its_calls() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let deadline = Some(world.now + Duration::from_secs(100_000));
    world.pool.submit(world.now, Job { deadline, ..Job::new(model) }).expect("there is room");
    world.drain();
    let (load, ..) = world.take_load();
    world.finish(load);
    let (run, ..) = world.take_run();
    world.now = world.now + Duration::from_secs(3600);
    world.pool.handle_timeout(world.now);
    world.drain();
    assert!(world.open.is_empty(), "{:?}", world.open);
    world.finish(run);
    assert!(matches!(world.ends[..], [(_, JobEnd::Completed { .. })]), "{:?}", world.ends);
}

#[test]
fn the_pool_grows_and_shrinks_with_its_load() {
    let mut config = Config::default();
    config.scaling.templates = vec![ConnectionSpec::worker("chromium")];
    config.scaling.max_connections = 3;
    let mut world = World::new(config);
    world.pool.start(world.now);
    world.drain();
    world.open_all(&[Backend::Wasm]);
    let model = world.model("minilm");
    for _ in 0..200 {
        world.pool.submit(world.now, Job::new(model)).expect("there is room");
    }
    let mut largest = 0;
    for _ in 0..300 {
        world.open_all(&[Backend::Wasm]);
        for action in core::mem::take(&mut world.open) {
            if let Action::Load { call, .. } | Action::Run { call, .. } = action {
                world.finish(call);
            }
        }
        world.pass(Duration::from_millis(900));
        largest = largest.max(world.pool.stats().n_connections);
    }
    assert_eq!(largest, 3);
    assert_eq!(world.pool.stats().n_connections, 1, "idle again");
    let reasons: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Scaled { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect();
    assert!(
        reasons.contains(&crate::ScaleReason::Minimum) && reasons.contains(&crate::ScaleReason::Idle),
        "{reasons:?}"
    );
}

#[test]
fn a_family_that_fails_leaves_room_for_others() {
    let mut world = World::with_workers(4, &[Backend::Wasm]);
    let bad = world.model("bad");
    let good = world.pool.register_model(ModelSpec::new("good", "audio", crate::Precision::F32));
    for _ in 0..40 {
        let (job, run, _) = world.submit_loaded(bad);
        world.fail(run, FaultCategory::Internal);
        world.pool.cancel(world.now, job);
        world.drain();
        if world.pool.connections().all(|c| c.breaker(Component::Wasm).state() == BreakerState::Closed) {
            continue;
        }
        for id in 0..4 {
            world.pool.set_breaker_mode(world.now, ConnectionId(id), Component::Wasm, BreakerMode::Disabled);
        }
        world.drain();
    }
    world.pool.submit(world.now, Job { deadline: None, ..Job::new(good) }).expect("there is room");
    for _ in 0..8 {
        world.pool.submit(world.now, Job::new(bad)).expect("there is room");
    }
    world.drain();
    let n_bad = world.open.iter().filter(|action| match action {
        Action::Load { model, .. } | Action::Run { model, .. } => *model == bad,
        _ => false,
    });
    assert!(n_bad.count() <= 2, "half of four: {:?}", world.open);
}

#[test]
fn a_quarantined_input_is_refused_until_its_time_is_over() {
    let mut world = World::with_workers(4, &[Backend::Wasm]);
    let model = world.model("minilm");
    let poison = Job { fingerprint: 7, ..Job::new(model) };
    world.pool.submit(world.now, poison.clone()).expect("nothing is known of it");
    world.drain();
    for _ in 0..20 {
        for action in core::mem::take(&mut world.open) {
            match action {
                Action::Load { call, .. } => world.finish(call),
                Action::Run { call, .. } => world.fail(call, FaultCategory::WorkerCrash),
                _ => {}
            }
        }
        world.pass(Duration::from_millis(100));
    }
    assert!(
        matches!(world.ends[..], [(_, JobEnd::Failed { verdict: Verdict::Poison, .. })]),
        "{:?}",
        world.ends
    );
    let refused = world.pool.submit(world.now, poison.clone());
    assert!(matches!(refused, Err(crate::Refusal::Quarantined { cause: FaultCategory::WorkerCrash, .. })));
    world.now = world.now + Duration::from_secs(601);
    assert!(world.pool.submit(world.now, poison).is_ok());
}
