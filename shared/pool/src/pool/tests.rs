//! The pool as a driver sees it: jobs, calls and connections, one fault at a time.

#![expect(clippy::wildcard_enum_match_arm, reason = "tests look for one action among many")]

use std::time::Duration;

use crate::{
    Action, Backend, BreakerState, Component, Config, ConnectionId, FaultCategory, Job, JobEnd, Refusal,
    Scope, Verdict,
};
use world::World;

mod batches;
mod impact;
mod loads;
mod memory;
mod overdue;
mod policies;
mod regret;
mod repairs;
mod residency;
mod shapes;
mod world;

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
    assert_eq!(respawned, (first, Scope::Worker));
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
    assert!(matches!(refusal, Refusal::QueueFull { n_queued: 2, retry_after } if !retry_after.is_zero()));
}

#[test]
fn backends_that_refuse_a_run_one_after_another_are_all_avoided() {
    let mut world = World::with_workers(1, &[Backend::Webnn, Backend::WebnnGpu, Backend::Wasm]);
    let model = world.model("minilm");
    world.submit(model);
    for backend in [Backend::Webnn, Backend::WebnnGpu, Backend::Wasm] {
        let (load, _, on) = world.take_load();
        assert_eq!(on, backend);
        world.finish(load);
        let (run, _, _) = world.take_run();
        world.fail(run, FaultCategory::UnsupportedOperator);
        world.pass(Duration::from_millis(1));
    }
    assert!(matches!(world.ends[..], [(_, JobEnd::Failed { n_attempts: 3, .. })]), "{:?}", world.ends);
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
