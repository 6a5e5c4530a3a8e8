//! One more place for a model that is waited for: bought when the waiting has cost as much as a load, and not before.

use std::time::Duration;

use super::world::World;
use crate::{
    Action, Backend, BackendSet, CallId, Capabilities, Config, ConnectionId, ConnectionSpec, Job, ModelId,
    ModelSpec, Precision, Timestamp,
};

const LOAD_MILLIS: u64 = 100;
const RUN_MILLIS: u64 = 4;

/// Workers whose loads and runs take constant times, and have the memory for `n_models` models.
struct Fleet {
    world: World,
    calls: Vec<(Timestamp, CallId)>,
    /// When each load started, in milliseconds since the last [`Fleet::serve`] began, and where.
    loads: Vec<(u64, ModelId, ConnectionId)>,
    n_unloads: usize,
    load_millis: u64,
    /// Runs take fifty times as long there.
    slow: Option<ConnectionId>,
}

impl Fleet {
    fn new(n_workers: usize, n_models: u64) -> Self {
        Self::of_browsers(&vec!["chromium"; n_workers], n_models)
    }

    fn of_browsers(browsers: &[&str], n_models: u64) -> Self {
        let mut world = World::new(Config::default());
        for browser in browsers {
            world.pool.add_connection(world.now, ConnectionSpec::worker(browser));
        }
        world.drain();
        let capabilities = Capabilities {
            memory_limit_bytes: n_models * 100,
            ..Capabilities::new(BackendSet::of(&[Backend::Wasm]))
        };
        for action in core::mem::take(&mut world.open) {
            if let Action::Open { call, .. } = action {
                world.pool.on_ready(world.now, call, capabilities.clone());
            }
        }
        world.drain();
        Self {
            world,
            calls: Vec::new(),
            loads: Vec::new(),
            n_unloads: 0,
            load_millis: LOAD_MILLIS,
            slow: None,
        }
    }

    fn model(&mut self, name: &str) -> ModelId {
        let spec = ModelSpec { memory_bytes: 100, ..ModelSpec::new(name, "vision", Precision::F32) };
        self.world.pool.register_model(spec)
    }

    /// Keeps so many jobs of each model in flight for a while, then lets them end; gives how many ended.
    fn serve(&mut self, millis: u64, loads: &[(ModelId, usize)]) -> usize {
        self.loads.clear();
        let mut in_flight: Vec<(ModelId, crate::JobId)> = Vec::new();
        let n_before = self.world.ends.len();
        for at in 0..millis + 2 * LOAD_MILLIS {
            for &(model, n_jobs) in loads.iter().filter(|_| at < millis) {
                for _ in in_flight.iter().filter(|(other, _)| *other == model).count()..n_jobs {
                    in_flight.push((model, self.world.submit(model)));
                }
            }
            self.start_calls(at);
            self.world.pass(Duration::from_millis(1));
            let now = self.world.now;
            for (_, call) in self.calls.extract_if(.., |(due, _)| *due <= now).collect::<Vec<_>>() {
                self.world.finish(call);
                self.start_calls(at);
            }
            let ends = &self.world.ends[n_before..];
            in_flight.retain(|(_, job)| !ends.iter().any(|(ended, _)| ended == job));
        }
        assert!(in_flight.is_empty(), "{in_flight:?}");
        self.world.ends.len() - n_before
    }

    /// Serves so many jobs that may run on one connection only.
    fn serve_pinned(&mut self, model: ModelId, id: ConnectionId, n_jobs: usize) {
        for _ in 0..n_jobs {
            let job = Job { pinned: Some(id), ..Job::new(model) };
            self.world.pool.submit(self.world.now, job).expect("there is room");
        }
        self.world.drain();
        for _ in 0..n_jobs {
            self.serve(50 * RUN_MILLIS, &[]);
        }
    }

    fn start_calls(&mut self, at: u64) {
        for action in core::mem::take(&mut self.world.open) {
            match action {
                Action::Load { call, model, connection, .. } => {
                    self.loads.push((at, model, connection));
                    self.calls.push((self.world.now + Duration::from_millis(self.load_millis), call));
                }
                Action::Run { call, connection, .. } => {
                    let factor = if self.slow == Some(connection) { 50 } else { 1 };
                    self.calls.push((self.world.now + Duration::from_millis(factor * RUN_MILLIS), call));
                }
                Action::Unload { .. } => self.n_unloads += 1,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_sustained_load_gets_a_second_place() {
    let mut fleet = Fleet::new(2, 0);
    let model = fleet.model("minilm");
    fleet.serve(200, &[(model, 1)]);
    assert_eq!(fleet.loads.len(), 1, "one job at a time needs one place: {:?}", fleet.loads);
    fleet.serve(500, &[(model, 3)]);
    let [(at, ..)] = fleet.loads[..] else { panic!("{:?}", fleet.loads) };
    assert!((LOAD_MILLIS / 2..=2 * LOAD_MILLIS).contains(&at), "loaded after {at} ms");
    let n_ended = fleet.serve(1000, &[(model, 3)]);
    assert!(n_ended >= 480, "{n_ended} of 500 in a second");
    assert!(fleet.loads.is_empty(), "{:?}", fleet.loads);
}

#[test]
fn a_load_that_outgrows_its_places_spreads_as_far_as_it_is_used() {
    let mut fleet = Fleet::new(6, 0);
    let model = fleet.model("minilm");
    fleet.serve(200, &[(model, 1)]);
    fleet.serve(3000, &[(model, 3)]);
    assert_eq!(fleet.loads.len(), 2, "three jobs in flight use three places: {:?}", fleet.loads);
}

#[test]
fn no_job_waits_for_the_load_of_a_second_place() {
    let mut fleet = Fleet::new(2, 0);
    let model = fleet.model("minilm");
    fleet.serve(200, &[(model, 1)]);
    fleet.world.events.clear();
    fleet.serve(500, &[(model, 3)]);
    for event in &fleet.world.events {
        if let crate::Event::Called(called) = event {
            assert!(called.queued < Duration::from_millis(5 * RUN_MILLIS), "{called:?}");
        }
    }
}

#[test]
fn a_short_burst_is_served_where_the_model_is() {
    let mut fleet = Fleet::new(2, 0);
    let model = fleet.model("minilm");
    fleet.serve(200, &[(model, 1)]);
    // Each waits for 16 ms, ten loads apart from the next: all of them together never make up for one.
    for _ in 0..20 {
        let n_ended = fleet.serve(1, &[(model, 5)]);
        assert_eq!(n_ended, 5);
        assert!(fleet.loads.is_empty(), "{:?}", fleet.loads);
        fleet.world.pass(Duration::from_secs(1));
        fleet.world.open.clear();
    }
}

#[test]
fn a_cold_burst_loads_once() {
    let mut fleet = Fleet::new(2, 0);
    let model = fleet.model("minilm");
    fleet.serve(200, &[(model, 1)]);
    fleet.world.pool.retire_model(fleet.world.now, model);
    fleet.model("minilm");
    fleet.world.drain();
    // All wait for the load; another one would have ended no sooner.
    fleet.serve(1, &[(model, 5)]);
    assert_eq!(fleet.loads.len(), 1, "{:?}", fleet.loads);
}

#[test]
fn models_in_use_do_not_drive_each_other_out() {
    let mut fleet = Fleet::new(2, 1);
    let (first, second) = (fleet.model("minilm"), fleet.model("ocr-det"));
    fleet.serve(200, &[(first, 1), (second, 1)]);
    assert_eq!(fleet.loads.len(), 2, "{:?}", fleet.loads);
    fleet.serve(5000, &[(first, 3), (second, 1)]);
    assert!(fleet.loads.is_empty(), "{:?}", fleet.loads);
    assert_eq!(fleet.n_unloads, 0);
    // What is not used for long makes way.
    fleet.serve(5000, &[(first, 3)]);
    assert_eq!((fleet.loads.len(), fleet.n_unloads), (1, 1), "{:?}", fleet.loads);
}

#[test]
fn a_place_too_slow_to_be_used_is_not_bought() {
    let mut fleet = Fleet::of_browsers(&["chromium", "firefox"], 0);
    let model = fleet.model("minilm");
    let ids: Vec<ConnectionId> = fleet.world.pool.connections().map(crate::Connection::id).collect();
    fleet.slow = Some(ids[1]);
    for &id in &ids {
        fleet.serve_pinned(model, id, 5);
    }
    fleet.world.pool.retire_model(fleet.world.now, model);
    fleet.model("minilm");
    fleet.world.drain();
    fleet.serve_pinned(model, ids[0], 1);
    fleet.serve(3000, &[(model, 3)]);
    assert!(fleet.loads.is_empty(), "{:?}", fleet.loads);
}

#[test]
fn a_load_that_takes_its_time_is_not_bought_twice() {
    let mut fleet = Fleet::new(3, 0);
    let model = fleet.model("minilm");
    fleet.serve(200, &[(model, 1)]);
    fleet.load_millis = 3 * LOAD_MILLIS;
    fleet.serve(1000, &[(model, 2)]);
    assert_eq!(fleet.loads.len(), 1, "{:?}", fleet.loads);
}

#[test]
fn a_job_that_gave_up_waiting_is_not_counted_on() {
    let mut fleet = Fleet::new(2, 0);
    let model = fleet.model("minilm");
    fleet.serve(200, &[(model, 1)]);
    let _running = fleet.world.submit(model);
    let waiting = fleet.world.submit(model);
    fleet.world.pool.cancel(fleet.world.now, waiting);
    fleet.world.drain();
    fleet.serve(0, &[]);
    fleet.world.pass(Duration::from_secs(10));
    fleet.serve(1, &[(model, 5)]);
    assert!(fleet.loads.is_empty(), "{:?}", fleet.loads);
}

#[test]
fn jobs_that_insist_on_a_place_regret_nothing() {
    let mut fleet = Fleet::new(2, 0);
    let model = fleet.model("minilm");
    fleet.serve_pinned(model, ConnectionId(0), 1);
    for _ in 0..100 {
        fleet.serve_pinned(model, ConnectionId(0), 3);
        assert!(fleet.loads.is_empty(), "{:?}", fleet.loads);
    }
}
