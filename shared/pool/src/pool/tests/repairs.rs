//! What repairs lead to: how soon what was made anew is tried, and that each repair counts.

use std::time::Duration;

use super::world::World;
use crate::{
    Action, Backend, BreakerState, Component, ConnectionId, Event, FaultCategory, ModelId, Strategy,
    StrategyEvidence,
};

/// Lets the only worker crash on every run until its breaker opens, and opens it again each time.
fn crash_until_open(world: &mut World, model: ModelId) {
    for _ in 0..20 {
        if !world.open.iter().any(|action| matches!(action, Action::Run { .. } | Action::Load { .. })) {
            world.submit(model);
        }
        if let Some(load) = world.open.iter().position(|action| matches!(action, Action::Load { .. })) {
            let Action::Load { call, .. } = world.open.remove(load) else { unreachable!("it is a load") };
            world.finish(call);
        }
        let (run, ..) = world.take_run();
        world.fail(run, FaultCategory::WorkerCrash);
        let connection = world.pool.connection(ConnectionId(0)).expect("it is there");
        if connection.breaker(Component::Wasm).state() == BreakerState::Open {
            return;
        }
        world.pass(Duration::from_secs(6));
        world.open_all(&[Backend::Wasm]);
        world.pass(Duration::from_secs(6));
    }
    panic!("the breaker never opened");
}

#[test]
fn a_new_worker_is_tried_at_once() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    crash_until_open(&mut world, model);
    // The back-off before a new worker is at most 5 s; the breaker alone would wait for 30 s.
    world.pass(Duration::from_secs(6));
    world.open_all(&[Backend::Wasm]);
    world.submit_loaded(model);
}

#[test]
fn a_new_worker_that_crashed_before_is_trusted_less() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    crash_until_open(&mut world, model);
    for pause in [0, 1, 2, 4] {
        world.pass(Duration::from_secs(6));
        world.open_all(&[Backend::Wasm]);
        let connection = world.pool.connection(ConnectionId(0)).expect("it is there");
        let left = connection.breaker(Component::Wasm).open_for(world.now).unwrap_or_default();
        assert_eq!(left, Duration::from_secs(pause));
        world.pass(left);
        crash_until_open(&mut world, model);
    }
}

#[test]
fn a_new_worker_shows_on_golden_inputs_that_it_works() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    crash_until_open(&mut world, model);
    world.pool.set_golden(world.now, model);
    world.pass(Duration::from_secs(6));
    world.open_all(&[Backend::Wasm]);
    world.submit(model);
    let (load, ..) = world.take_load();
    world.finish(load);
    for _ in 0..3 {
        let probe = world.take(|action| match action {
            Action::Probe { call, .. } => Some(*call),
            _ => None,
        });
        assert!(world.open.is_empty(), "a job is tried as well: {:?}", world.open);
        world.finish(probe);
    }
    world.take_run();
}

/// Lets one run give wrong numbers, and gives what was done for the connection.
fn wrong_numbers(world: &mut World, model: ModelId) -> Strategy {
    let (_, run, _) = world.submit_loaded(model);
    world.events.clear();
    world.fail(run, FaultCategory::Numeric);
    let repair = world.events.iter().find_map(|event| match event {
        Event::Recovering { job: None, strategy, .. } => Some(*strategy),
        _ => None,
    });
    repair.expect("something is done")
}

fn reloads(world: &World) -> Option<StrategyEvidence> {
    world.pool.strategies().find(|known| known.strategy == Strategy::ReloadModel)
}

#[test]
fn a_reload_that_helps_counts() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    assert_eq!(wrong_numbers(&mut world, model), Strategy::ReloadModel);
    assert_eq!(reloads(&world), None, "nothing is known before the model ran again");
    world.train(model, 1);
    let known = reloads(&world).expect("it counts").record;
    assert_eq!((known.n_helped, known.n_failed), (1.0, 0.0));
}

#[test]
fn a_worker_whose_reloads_do_not_help_is_replaced() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let mut n_reloads = 0;
    while wrong_numbers(&mut world, model) == Strategy::ReloadModel {
        n_reloads += 1;
        assert!(n_reloads < 20, "reloads that never helped go on");
        world.pass(Duration::from_secs(40));
    }
    let known = reloads(&world).expect("it counts").record;
    assert_eq!((known.n_helped, known.n_failed), (0.0, f64::from(n_reloads)));
}
