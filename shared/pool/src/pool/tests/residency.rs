//! Models held without a run.

use super::world::World;
use crate::{Action, Backend, BackendSet, FaultCategory, Job, JobEnd, JobId, ModelId};

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
