//! Calls that take much longer than expected: nobody waits for them where another place would do.

use std::time::Duration;

use super::world::World;
use crate::{Action, Backend, ConnectionId, ModelId};

const SLOW_LOAD: Duration = Duration::from_millis(500);

/// Two workers, and a model that only the first holds: loading it takes 500 ms, running it 20 ms.
fn one_of_two_holds_it() -> (World, ModelId) {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("minilm");
    world.submit(model);
    let (load, ..) = world.take_load();
    world.now = world.now + SLOW_LOAD;
    world.finish(load);
    let (run, ..) = world.take_run();
    world.finish(run);
    world.train(model, 10);
    let holds = |connection: u32| {
        let connection = world.pool.connection(ConnectionId(connection)).expect("it is there");
        connection.residents().count()
    };
    assert_eq!((holds(0), holds(1)), (1, 0), "one worker holds the model");
    (world, model)
}

#[test]
fn a_hung_run_is_not_waited_for() {
    let (mut world, model) = one_of_two_holds_it();
    world.submit_loaded(model);
    let next = world.submit(model);
    world.pass(SLOW_LOAD / 2);
    assert!(world.open.is_empty(), "a run of 20 ms is waited for: {:?}", world.open);
    world.pass(SLOW_LOAD);
    let (load, connection, _) = world.take_load();
    assert_eq!(connection, ConnectionId(1));
    world.finish(load);
    let (run, _, jobs) = world.take_run();
    assert_eq!(jobs, [next]);
    world.finish(run);
    assert_eq!(world.ends.last().map(|(job, _)| *job), Some(next));
}

#[test]
fn a_hung_load_is_not_waited_for() {
    let (mut world, _) = one_of_two_holds_it();
    let other = world.model("magika");
    world.submit(other);
    world.take_load();
    world.submit(other);
    assert!(world.open.is_empty(), "the load under way is waited for: {:?}", world.open);
    world.pass(Duration::from_secs(15));
    let (_, connection, _) = world.take_load();
    assert_eq!(connection, ConnectionId(0), "the other one hangs");
}

#[test]
fn a_cancelled_run_may_take_as_long_as_any_other() {
    let (mut world, model) = one_of_two_holds_it();
    let job = world.submit(model);
    let (run, connection, _) = world.take_run();
    world.pool.cancel(world.now, job);
    world.drain();
    world.take(|action| matches!(action, Action::Abort { .. }).then_some(()));
    world.pass(SLOW_LOAD * 2);
    assert!(world.open.is_empty(), "its worker was replaced: {:?}", world.open);
    world.finish(run);
    let connection = world.pool.connection(connection).expect("it is there");
    assert_eq!(connection.incarnation(), 1);
}
