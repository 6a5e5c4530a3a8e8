//! Memory: what makes way, what is refused, and what an emergency does.

use std::time::Duration;

use super::world::World;
use crate::{
    Action, Backend, BackendSet, Capabilities, Config, Connection, ConnectionId, ConnectionSpec, Event,
    FaultCategory, Job, JobEnd, Measured, ModelId, ModelSpec, Precision, ScaleReason, ScalingConfig,
    UnloadReason, Verdict,
};

fn model(world: &mut World, name: &str, memory_bytes: u64) -> ModelId {
    world.pool.register_model(ModelSpec { memory_bytes, ..ModelSpec::new(name, "vision", Precision::F32) })
}

/// One worker that holds three models of 100 bytes, `a` the least recently used; its own limit is 350 bytes.
fn one_worker() -> (World, Vec<ModelId>) {
    let mut world = World::with_memory(350);
    let models = ["a", "b", "c"].map(|name| model(&mut world, name, 100)).to_vec();
    for &model in &models {
        world.now = world.now + Duration::from_millis(1);
        let (_, run, _) = world.submit_loaded(model);
        world.finish(run);
    }
    (world, models)
}

fn unloaded(world: &mut World) -> Vec<(ModelId, UnloadReason)> {
    let n_actions = world.open.iter().filter(|action| matches!(action, Action::Unload { .. })).count();
    world.open.retain(|action| !matches!(action, Action::Unload { .. }));
    let mut all = Vec::new();
    world.events.retain(|event| match event {
        Event::Unloaded { model, reason, .. } => {
            all.push((*model, *reason));
            false
        }
        _ => true,
    });
    assert_eq!(all.len(), n_actions, "each is a record");
    all
}

fn report(world: &mut World, connection: u32, memory_bytes: u64) {
    world.pool.on_memory(world.now, ConnectionId(connection), memory_bytes);
    world.drain();
}

#[test]
fn a_connection_above_its_limit_unloads_what_was_not_used_for_longest() {
    let (mut world, models) = one_worker();
    let (_, run, _) = world.submit_loaded(models[0]);
    report(&mut world, 0, 350);
    assert_eq!(unloaded(&mut world), []);
    // `a` is in use now, so `b` is next.
    report(&mut world, 0, 400);
    assert_eq!(unloaded(&mut world), [(models[1], UnloadReason::Pressure)]);
    // Wasm memory is never given back: the same figure again is no news, a higher one is.
    report(&mut world, 0, 400);
    assert_eq!(unloaded(&mut world), []);
    world.pool.on_finished(world.now, run, Measured { memory_bytes: Some(450) });
    world.drain();
    assert_eq!(unloaded(&mut world), [(models[2], UnloadReason::Pressure)]);
    assert_eq!(world.pool.stats().memory_bytes, 450);
}

#[test]
fn a_model_takes_its_memory_once_however_many_calls_use_it() {
    let wasm = Capabilities::new(BackendSet::of(&[Backend::Wasm]));
    let mut world = World::with_worker(Capabilities { capacity: 5, memory_limit_bytes: 250, ..wasm });
    let [used, other, third] = ["used", "other", "third"].map(|name| model(&mut world, name, 100));
    for _ in 0..3 {
        world.submit_loaded(used);
    }
    world.submit_loaded(other);
    // These two fill it, so that there is no room beside them.
    world.submit(third);
    assert!(world.open.is_empty(), "{:?}", world.open);
}

#[test]
fn a_call_that_ran_out_of_memory_unloads_what_is_idle() {
    let (mut world, models) = one_worker();
    let (_, run, _) = world.submit_loaded(models[2]);
    world.fail(run, FaultCategory::OutOfMemory);
    let reason = UnloadReason::OutOfMemory;
    assert_eq!(unloaded(&mut world), models.iter().map(|&model| (model, reason)).collect::<Vec<_>>());
}

/// Workers that the pool scales between one and three, with one common limit of 1,000 bytes.
fn scaled(min_connections: u32) -> World {
    let scaling = ScalingConfig {
        min_connections,
        max_connections: 3,
        templates: vec![ConnectionSpec::worker("chromium")],
        memory_limit_bytes: 1000,
        ..ScalingConfig::default()
    };
    let mut world = World::new(Config { scaling, ..Config::default() });
    world.pool.start(world.now);
    for _ in min_connections..3 {
        world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
    }
    world.drain();
    world.open_all(&[Backend::Wasm]);
    world.events.clear();
    world
}

fn closed(world: &mut World) -> Vec<ConnectionId> {
    let mut all = Vec::new();
    world.open.retain(|action| match action {
        Action::Close { connection } => {
            all.push(*connection);
            false
        }
        _ => true,
    });
    all
}

#[test]
fn an_emergency_closes_the_idle_connection_that_uses_most_whatever_the_cooldown() {
    let mut world = scaled(1);
    let model = world.model("minilm");
    let (_, run, busy) = world.submit_loaded(model);
    let idle: Vec<ConnectionId> =
        world.pool.connections().map(Connection::id).filter(|&id| id != busy).collect();
    report(&mut world, busy.0, 400);
    report(&mut world, idle[0].0, 150);
    assert_eq!(closed(&mut world), []);
    report(&mut world, idle[1].0, 300);
    assert_eq!(closed(&mut world), [idle[1]]);
    let scalings = |world: &World| {
        let all = world.events.iter().filter_map(|event| match event {
            Event::Scaled { from, to, reason, memory_ratio, .. } => {
                Some((*from, *to, *reason, *memory_ratio))
            }
            _ => None,
        });
        all.collect::<Vec<_>>()
    };
    assert_eq!(scalings(&world), [(3, 2, ScaleReason::Memory, 0.85)]);
    // At once again, in the middle of the cooldown.
    report(&mut world, idle[0].0, 500);
    assert_eq!(closed(&mut world), [idle[0]]);
    // One must stay: its models go, once they are idle.
    report(&mut world, busy.0, 900);
    assert_eq!((closed(&mut world), unloaded(&mut world)), (vec![], vec![]));
    assert_eq!(scalings(&world).len(), 2, "nothing was done");
    world.pool.on_finished(world.now, run, Measured { memory_bytes: Some(950) });
    world.drain();
    assert_eq!(unloaded(&mut world), [(model, UnloadReason::Pressure)]);
}

#[test]
fn what_is_closing_does_not_count() {
    let mut world = scaled(1);
    let model = world.model("minilm");
    let (_, run, busy) = world.submit_loaded(model);
    report(&mut world, busy.0, 400);
    world.pool.remove_connection(world.now, busy);
    world.drain();
    assert_eq!(world.pool.stats().memory_bytes, 0);
    report(&mut world, busy.0, 950);
    assert_eq!((world.pool.stats().memory_bytes, closed(&mut world)), (0, vec![]));
    world.finish(run);
    assert_eq!(closed(&mut world), [busy]);
}

#[test]
fn no_second_copy_is_loaded_above_the_common_limit() {
    let mut world = scaled(3);
    let (small, other) = (model(&mut world, "small", 300), model(&mut world, "other", 300));
    let (_, first, holder) = world.submit_loaded(small);
    report(&mut world, holder.0, 790);
    world.submit(small);
    assert!(world.open.is_empty(), "the second job waits for the first copy: {:?}", world.open);
    let why = world.pool.explain(world.now, &Job::new(small));
    assert!(why.iter().any(|candidate| candidate.exclusion == Some(crate::Exclusion::NoMemory)), "{why:?}");
    // A model that nobody holds is loaded all the same: nothing else lets its jobs run.
    world.submit(other);
    world.take_load();
    world.finish(first);
    world.take_run();
}

#[test]
fn a_model_larger_than_the_common_limit_is_refused() {
    let mut world = scaled(1);
    let huge = model(&mut world, "huge", 1001);
    let job = world.submit(huge);
    let [(ended, JobEnd::Failed { cause, verdict, .. })] = world.ends[..] else { panic!("{:?}", world.ends) };
    assert_eq!((ended, cause, verdict), (job, FaultCategory::OutOfMemory, Verdict::NoCandidate));
}
