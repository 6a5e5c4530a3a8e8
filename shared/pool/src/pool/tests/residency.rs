//! Models held without a run.

use std::time::Duration;

use super::world::World;
use crate::{
    Action, Backend, BackendSet, Capabilities, Config, ConnectionSpec, Estimate, FaultCategory, Job, JobEnd,
    JobId, LatencyEvidence, ModelId, ModelSpec, Precision, RoutingConfig, ShapeClass,
};

fn submit_load(world: &mut World, model: ModelId) -> JobId {
    let job = Job { is_load_only: true, ..Job::new(model) };
    let job = world.pool.submit(world.now, job).expect("there is room");
    world.drain();
    job
}

#[test]
fn a_load_only_job_ends_when_its_model_is_resident() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let first = submit_load(&mut world, model);
    let second = submit_load(&mut world, model);
    let (load, connection, backend) = world.take_load();
    assert!(world.ends.is_empty());
    world.finish(load);
    let end = JobEnd::Loaded { connection, backend };
    assert_eq!(world.ends, [(first, end), (second, end)]);
    assert!(world.open.is_empty(), "{:?}", world.open);
    let (_, run, _) = world.submit_loaded(model);
    let third = submit_load(&mut world, model);
    assert_eq!(world.ends[2..], [(third, end)], "a busy connection holds it just as well");
    world.finish(run);
    assert_eq!(world.pool.stats().n_jobs, 0);
}

#[test]
fn a_load_only_job_fails_as_its_load_does() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let job = submit_load(&mut world, model);
    let (load, ..) = world.take_load();
    world.fail(load, FaultCategory::Validation);
    let [(ended, JobEnd::Failed { call: Some(call), .. })] = world.ends[..] else {
        panic!("{:?}", world.ends);
    };
    assert_eq!((ended, call), (job, load));
}

#[test]
fn a_retired_model_leaves_when_its_runs_have_ended() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (_, run, connection) = world.submit_loaded(model);
    world.pool.retire_model(world.now, model);
    world.drain();
    assert!(world.open.is_empty(), "{:?}", world.open);
    world.finish(run);
    assert_eq!(world.open, [Action::Unload { connection, model, backend: Backend::Wasm }]);
    world.open.clear();
    assert_eq!(world.model("minilm"), model);
    let (_, run, _) = world.submit_loaded(model);
    world.finish(run);
    assert!(world.open.is_empty(), "{:?}", world.open);
}

#[test]
fn a_pinned_load_is_for_its_connection_alone() {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (_, run, holder) = world.submit_loaded(model);
    world.finish(run);
    world.ends.clear();
    let other = world.pool.connections().map(crate::Connection::id).find(|&id| id != holder).expect("two");
    let load = Job { is_load_only: true, pinned: Some(other), ..Job::new(model) };
    let job = world.pool.submit(world.now, load).expect("there is room");
    world.drain();
    let (load, connection, backend) = world.take_load();
    assert_eq!(connection, other);
    world.finish(load);
    assert_eq!(world.ends, [(job, JobEnd::Loaded { connection, backend })]);
}

#[test]
fn a_run_that_is_refused_says_nothing_about_other_inputs() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (_, run, _) = world.submit_loaded(model);
    world.fail(run, FaultCategory::UnsupportedOperator);
    assert!(matches!(world.ends[..], [(_, JobEnd::Failed { .. })]), "{:?}", world.ends);
    let (_, run, _) = world.submit_loaded(model);
    world.finish(run);
    assert!(matches!(world.ends[1..], [(_, JobEnd::Completed { .. })]), "{:?}", world.ends);
}

#[test]
fn a_model_is_taken_off_the_backends_that_it_may_not_use_any_more() {
    let mut world = World::with_workers(1, &[Backend::Webgpu, Backend::Wasm]);
    let model = world.model("minilm");
    for backend in [Backend::Webgpu, Backend::Wasm] {
        let job = Job { backends: BackendSet::of(&[backend]), ..Job::new(model) };
        world.pool.submit(world.now, job).expect("there is room");
        world.drain();
        let (load, ..) = world.take_load();
        world.finish(load);
        let (run, ..) = world.take_run();
        world.finish(run);
    }
    world.pool.restrict_model(world.now, model, BackendSet::of(&[Backend::Wasm]));
    world.drain();
    let unloaded = world.take(|action| match action {
        Action::Unload { backend, .. } => Some(*backend),
        _ => None,
    });
    assert_eq!(unloaded, Backend::Webgpu);
    world.submit(model);
    let (_, connection, _) = world.take_run();
    let held: Vec<_> = world.pool.connection(connection).expect("it is there").residents().collect();
    assert_eq!(held, [(model, Backend::Wasm)]);
}

/// One worker with a GPU that is known to take a fortieth of the time, and a model that only wasm holds there.
fn known_better_gpu(memory_limit_bytes: u64) -> (World, ModelId) {
    // Nothing is tried out: what is known decides.
    let routing = RoutingConfig { exploration_ratio: 0.0, ..RoutingConfig::default() };
    let mut world = World::new(Config { routing, ..Config::default() });
    world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
    world.drain();
    let both = BackendSet::of(&[Backend::Webgpu, Backend::Wasm]);
    let (open, ..) = world.take(|action| match action {
        Action::Open { call, connection } => Some((*call, *connection)),
        _ => None,
    });
    world.pool.on_ready(world.now, open, Capabilities { memory_limit_bytes, ..Capabilities::new(both) });
    world.drain();
    let spec = ModelSpec { memory_bytes: 60, ..ModelSpec::new("minilm", "text_embedding", Precision::F32) };
    let model = world.pool.register_model(spec);
    for (backend, millis) in [(Backend::Webgpu, 10), (Backend::Wasm, 400)] {
        let place = Some(("chromium".to_owned(), String::new()));
        let estimate = Estimate::of(Duration::from_millis(millis), 0.1, 20.0);
        let shape = Some((ShapeClass(0), 0));
        world.pool.seed_latency(world.now, &LatencyEvidence { model, backend, place, shape, estimate });
    }
    world
        .pool
        .submit(world.now, Job { backends: BackendSet::of(&[Backend::Wasm]), ..Job::new(model) })
        .expect("there is room");
    world.drain();
    let (load, _, backend) = world.take_load();
    assert_eq!(backend, Backend::Wasm);
    world.now = world.now + Duration::from_millis(400);
    world.finish(load);
    let (run, ..) = world.take_run();
    world.finish(run);
    (world, model)
}

/// Whether one of the next `n` jobs, one after another, leads to a load onto the GPU.
fn moves_to_the_gpu(world: &mut World, model: ModelId, n: u32) -> bool {
    (0..n).any(|_| {
        world.submit(model);
        if world.open.iter().any(|action| matches!(action, Action::Load { .. })) {
            return world.take_load().2 == Backend::Webgpu;
        }
        let (run, ..) = world.take_run();
        world.now = world.now + Duration::from_millis(400);
        world.finish(run);
        false
    })
}

#[test]
fn a_backend_that_is_known_to_be_better_gets_the_model() {
    let (mut world, model) = known_better_gpu(0);
    assert!(moves_to_the_gpu(&mut world, model, 40));
    assert_eq!(world.pool.stats().n_explorations, 0);
}

#[test]
fn what_is_in_use_does_not_make_way_for_a_better_place() {
    let (mut world, model) = known_better_gpu(100);
    assert!(!moves_to_the_gpu(&mut world, model, 40));
}
