//! Placing by shape class: what is fast for small inputs may be slow for large ones.

use std::time::Duration;

use super::world::World;
use crate::{
    Action, Backend, BackendSet, Candidate, Config, ConnectionId, ConnectionSpec, Job, ModelId,
    RoutingConfig, ShapeClass,
};

const SMALL: ShapeClass = ShapeClass(1);
const LARGE: ShapeClass = ShapeClass(2);

fn gpu_and_worker() -> (World, ModelId) {
    two_browsers([Backend::Webgpu, Backend::Wasm])
}

fn two_browsers(backends: [Backend; 2]) -> (World, ModelId) {
    // Nothing is tried out: what is measured decides.
    let routing = RoutingConfig { exploration_ratio: 0.0, ..RoutingConfig::default() };
    let mut world = World::new(Config { routing, ..Config::default() });
    for (browser, backend) in ["chromium", "firefox"].into_iter().zip(backends) {
        world.pool.add_connection(world.now, ConnectionSpec::worker(browser));
        world.drain();
        world.open_all(&[backend]);
    }
    let model = world.model("minilm");
    (world, model)
}

fn train(world: &mut World, model: ModelId, connection: u32, shape: ShapeClass, millis: u64) {
    let pinned = Some(ConnectionId(connection));
    for _ in 0..10 {
        world.pool.submit(world.now, Job { shape, pinned, ..Job::new(model) }).expect("there is room");
        world.drain();
        if world.open.iter().any(|action| matches!(action, Action::Load { .. })) {
            let (load, ..) = world.take_load();
            world.finish(load);
        }
        let (run, ..) = world.take_run();
        world.now = world.now + Duration::from_millis(millis);
        world.finish(run);
    }
}

#[track_caller]
fn check(world: &mut World, model: ModelId, shape: ShapeClass, expected: u32) {
    let job = Job { shape, ..Job::new(model) };
    let candidates = world.pool.explain(world.now, &job);
    let best = candidates.first().expect("there are places");
    assert_eq!(best.connection, ConnectionId(expected), "{candidates:?}");
    world.pool.submit(world.now, job).expect("there is room");
    world.drain();
    let (run, connection, _) = world.take_run();
    assert_eq!(connection, ConnectionId(expected));
    world.finish(run);
}

#[test]
fn each_shape_goes_where_it_is_fast() {
    let (mut world, model) = gpu_and_worker();
    train(&mut world, model, 0, SMALL, 40);
    train(&mut world, model, 0, LARGE, 50);
    train(&mut world, model, 1, SMALL, 5);
    train(&mut world, model, 1, LARGE, 400);
    for _ in 0..5 {
        check(&mut world, model, SMALL, 1);
        check(&mut world, model, LARGE, 0);
    }
}

fn median_millis(world: &mut World, model: ModelId, connection: u32, shape: ShapeClass) -> u64 {
    let candidates = world.pool.explain(world.now, &Job { shape, ..Job::new(model) });
    let is_place = |candidate: &&Candidate| {
        candidate.connection == ConnectionId(connection) && candidate.exclusion.is_none()
    };
    candidates.iter().find(is_place).expect("it is a place").run.as_millis() as u64
}

#[test]
fn a_shape_that_a_place_has_not_seen_costs_what_it_costs_elsewhere() {
    let (mut world, model) = two_browsers([Backend::Wasm; 2]);
    train(&mut world, model, 0, SMALL, 10);
    train(&mut world, model, 0, LARGE, 40);
    // It is twice as slow; that large inputs take longer than others is known from the first.
    train(&mut world, model, 1, SMALL, 20);
    let (small, large) =
        (median_millis(&mut world, model, 1, SMALL), median_millis(&mut world, model, 1, LARGE));
    assert!((19..=20).contains(&small), "{small} ms");
    assert!(large > 30, "{large} ms");
}

#[test]
fn an_explanation_is_for_the_shape_of_its_job() {
    let (mut world, model) = gpu_and_worker();
    train(&mut world, model, 1, SMALL, 5);
    train(&mut world, model, 1, LARGE, 400);
    let (small, large) =
        (median_millis(&mut world, model, 1, SMALL), median_millis(&mut world, model, 1, LARGE));
    assert!(small.abs_diff(5) <= 1 && large.abs_diff(400) <= 4, "{small} ms and {large} ms");
}

#[test]
fn a_job_behind_one_of_another_shape_does_not_wait_for_its_place() {
    let (mut world, model) = gpu_and_worker();
    for connection in [0, 1] {
        train(&mut world, model, connection, SMALL, 20);
    }
    train(&mut world, model, 0, LARGE, 20);
    train(&mut world, model, 1, LARGE, 2000);
    let submit = |world: &mut World, shape| {
        let backends = BackendSet::of(&[Backend::Webgpu, Backend::Wasm]);
        world.pool.submit(world.now, Job { shape, backends, ..Job::new(model) }).expect("there is room");
        world.drain();
    };
    submit(&mut world, LARGE);
    let (_, gpu, _) = world.take_run();
    assert_eq!(gpu, ConnectionId(0));
    // The next large one waits for the GPU; the small one need not.
    submit(&mut world, LARGE);
    assert!(world.open.is_empty(), "{:?}", world.open);
    submit(&mut world, SMALL);
    let (_, worker, _) = world.take_run();
    assert_eq!(worker, ConnectionId(1));
}

#[test]
fn however_many_shapes_there_are_the_estimates_are_bounded() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    for shape in 0..10_000 {
        world
            .pool
            .submit(world.now, Job { shape: ShapeClass(shape), ..Job::new(model) })
            .expect("there is room");
        world.drain();
        if shape == 0 {
            let (load, ..) = world.take_load();
            world.finish(load);
        }
        let (run, ..) = world.take_run();
        world.now = world.now + Duration::from_millis(20);
        world.finish(run);
    }
    assert!(world.pool.latencies().count() <= 8192);
}
