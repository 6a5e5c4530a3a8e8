//! A model that cannot be loaded: its own breaker, its records, and what an explanation says.

use std::time::Duration;

use super::world::World;
use crate::{
    Action, Backend, BreakerState, Component, Connection, ConnectionId, Event, Exclusion, FaultCategory, Job,
    ModelId, TransitionReason,
};

/// Fails every load of a model for 50 s, or until its breaker opens; tells whether it did.
fn fail_loads(world: &mut World, model: ModelId) -> bool {
    (0..50).any(|_| {
        if world.pool.stats().n_jobs == 0 {
            world.submit(model);
        }
        world.pass(Duration::from_secs(1));
        if world.open.iter().any(|action| matches!(action, Action::Load { .. })) {
            let (load, ..) = world.take_load();
            world.fail(load, FaultCategory::ModelLoad);
        }
        transitions(world, model).last().is_some_and(|(to, _)| *to == BreakerState::Open)
    })
}

fn transitions(world: &World, of: ModelId) -> Vec<(BreakerState, TransitionReason)> {
    let all = world.events.iter().filter_map(|event| match event {
        Event::ModelBreaker { model, transition, health } => {
            assert!((0.0..=100.0).contains(health));
            (*model == of).then_some((transition.to, transition.reason))
        }
        _ => None,
    });
    all.collect()
}

fn exclusions(world: &mut World, model: ModelId) -> Vec<Option<Exclusion>> {
    let candidates = world.pool.explain(world.now, &Job::new(model));
    candidates.iter().filter(|one| one.backend == Backend::Wasm).map(|one| one.exclusion).collect()
}

#[test]
fn every_change_of_a_models_breaker_is_a_record() {
    let mut world = World::with_workers(3, &[Backend::Wasm]);
    let model = world.model("broken");
    assert!(fail_loads(&mut world, model));
    let is_closed =
        |connection: &Connection| connection.breaker(Component::Loader).state() == BreakerState::Closed;
    assert!(world.pool.connections().all(is_closed), "it costs no connection its loader");
    assert_eq!(exclusions(&mut world, model), [Some(Exclusion::ModelHeld); 3]);
    assert!(world.open.is_empty(), "{:?}", world.open);
    // Half-open, it lets one load pass, which decides.
    world.pass(Duration::from_secs(31));
    for _ in 0..3 {
        world.submit(model);
    }
    let (load, ..) = world.take_load();
    assert!(world.open.is_empty(), "{:?}", world.open);
    world.finish(load);
    let changes = transitions(&world, model);
    let states: Vec<BreakerState> = changes.iter().map(|&(to, _)| to).collect();
    assert_eq!(states, [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed]);
    assert!(
        matches!(changes[2].1, TransitionReason::ProbesPassed { n_passed: 1, n_probes: 1 }),
        "{changes:?}"
    );
}

#[test]
fn a_load_that_fails_while_half_open_opens_it_again() {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("broken");
    assert!(fail_loads(&mut world, model));
    world.pass(Duration::from_secs(31));
    assert!(fail_loads(&mut world, model));
    let states: Vec<BreakerState> = transitions(&world, model).iter().map(|&(to, _)| to).collect();
    assert_eq!(states[..3], [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Open]);
}

#[test]
fn a_load_that_fails_while_half_open_opens_it_at_once_wherever_it_is() {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("broken");
    assert!(fail_loads(&mut world, model));
    for connection in [0, 1].map(ConnectionId) {
        let job = Job { pinned: Some(connection), ..Job::new(model) };
        world.pool.submit(world.now, job).expect("there is room");
        let is_probed = (0..2_000).any(|_| {
            world.pass(Duration::from_secs(1));
            if !world.open.iter().any(|action| matches!(action, Action::Load { .. })) {
                return false;
            }
            let (load, on, _) = world.take_load();
            world.fail(load, FaultCategory::ModelLoad);
            on == connection
        });
        assert!(is_probed, "{connection:?}");
        let changes = transitions(&world, model);
        let is_by_probe = |&(to, reason): &(BreakerState, TransitionReason)| {
            to == BreakerState::Open && matches!(reason, TransitionReason::ProbesFailed { .. })
        };
        assert!(changes.last().is_some_and(is_by_probe), "{changes:?}");
    }
}

#[test]
fn a_probing_load_that_is_lost_with_its_worker_may_be_repeated() {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("broken");
    assert!(fail_loads(&mut world, model));
    world.pass(Duration::from_secs(31));
    world.submit(model);
    let (_, connection, _) = world.take_load();
    world.pool.on_connection_lost(world.now, connection, FaultCategory::ConnectionLost);
    world.drain();
    world.pass(Duration::from_secs(1));
    world.take_load();
}

#[test]
fn an_explanation_tells_a_broken_loader_from_a_full_memory() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    assert!(!fail_loads(&mut world, model));
    // One connection alone cannot show that it is the model.
    assert_eq!(exclusions(&mut world, model), [Some(Exclusion::LoaderDown)]);
}
