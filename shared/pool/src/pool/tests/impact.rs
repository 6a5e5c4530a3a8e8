//! What recoveries cost other jobs, measured.

use std::time::Duration;

use super::world::World;
use crate::{
    Action, Backend, Config, ConnectionSpec, Event, FaultCategory, Job, ModelSpec, Precision, RetryConfig,
    Strategy,
};

/// Impacts of the recoveries that have ended, with their strategies.
fn impacts(world: &World) -> Vec<(Strategy, f64)> {
    let all = world.events.iter().filter_map(|event| match event {
        Event::Recovered { strategy, impact, .. } => Some((*strategy, *impact)),
        _ => None,
    });
    all.collect()
}

#[track_caller]
fn check(world: &World, expected: &[(Strategy, f64)]) {
    let found = impacts(world);
    let is_close = |(a, b): (&(Strategy, f64), &(Strategy, f64))| a.0 == b.0 && (a.1 - b.1).abs() < 0.01;
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(is_close), "{found:?}");
}

fn passes(world: &mut World, seconds: u64) {
    world.now = world.now + Duration::from_secs(seconds);
}

#[test]
fn a_retry_costs_the_slot_time_of_its_load_and_run() {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (_, run, _) = world.submit_loaded(model);
    passes(&mut world, 9);
    world.fail(run, FaultCategory::Internal);
    world.pass(Duration::from_millis(100));
    let (load, ..) = world.take_load();
    passes(&mut world, 2);
    world.finish(load);
    let (run, ..) = world.take_run();
    passes(&mut world, 1);
    world.finish(run);
    check(&world, &[(Strategy::RetryElsewhere, 3.0 / 30.0)]);
}

#[test]
fn a_result_of_another_model_costs_as_much_as_can_be() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let small = world.model("small");
    let spec =
        ModelSpec { lower_precision: Some(small), ..ModelSpec::new("large", "vision", Precision::F32) };
    let large = world.pool.register_model(spec);
    let (_, run, _) = world.submit_loaded(large);
    world.fail(run, FaultCategory::OutOfMemory);
    world.pass(Duration::from_millis(100));
    let (load, ..) = world.take_load();
    world.finish(load);
    let (run, ..) = world.take_run();
    world.finish(run);
    check(&world, &[(Strategy::LowerPrecision, 1.0)]);
}

/// Crashes an idle worker and lets its successor open five seconds after the fault, with `n_jobs` waiting for it.
fn respawn(n_jobs: u32) -> World {
    // The back-off before the respawn is a part of what it costs.
    let retry = RetryConfig {
        backoff: Duration::from_secs(2),
        max_backoff: Duration::from_secs(2),
        ..RetryConfig::default()
    };
    let mut world = World::new(Config { retry, ..Config::default() });
    world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
    world.drain();
    world.open_all(&[Backend::Wasm]);
    let id = world.pool.connections().next().expect("it is there").id();
    world.pool.on_connection_lost(world.now, id, FaultCategory::WorkerCrash);
    let model = world.model("minilm");
    for _ in 0..n_jobs {
        world.submit(model);
    }
    world.pass(Duration::from_secs(3));
    passes(&mut world, 2);
    world.open_all(&[Backend::Wasm]);
    world
}

#[test]
fn a_respawn_costs_the_time_that_its_slots_were_wanted() {
    check(&respawn(4), &[(Strategy::RespawnWorker, 5.0 / 30.0)]);
    check(&respawn(0), &[(Strategy::RespawnWorker, 0.0)]);
}

#[test]
fn a_device_beside_others_that_serve_costs_nothing_while_it_is_made_anew() {
    for (backends, expected) in
        [(&[Backend::Webgpu, Backend::Wasm][..], 0.0), (&[Backend::Webgpu], 6.0 / 30.0)]
    {
        let mut world = World::with_workers(1, backends);
        let model = world.model("minilm");
        let (_, run, _) = world.submit_loaded(model);
        world.pool.submit(world.now, Job::new(model)).expect("there is room");
        world.fail(run, FaultCategory::DeviceLost);
        let recreate = world.take(|action| match action {
            Action::RecreateDevice { call, .. } => Some(*call),
            _ => None,
        });
        passes(&mut world, 6);
        world.finish(recreate);
        let repair = impacts(&world).into_iter().find(|(strategy, _)| *strategy == Strategy::RecreateDevice);
        let (_, impact) = repair.expect("it was measured");
        assert!((impact - expected).abs() < 0.01, "{impact} beside {backends:?}");
    }
}

#[test]
fn a_reload_costs_its_load() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (_, run, _) = world.submit_loaded(model);
    world.fail(run, FaultCategory::Numeric);
    world.submit(model);
    let (load, ..) = world.take_load();
    passes(&mut world, 3);
    world.finish(load);
    let (run, ..) = world.take_run();
    passes(&mut world, 10);
    world.finish(run);
    check(&world, &[(Strategy::ReloadModel, 3.0 / 30.0)]);
}
