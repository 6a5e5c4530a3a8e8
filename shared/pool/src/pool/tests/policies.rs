//! Batching, memory, hedging, golden inferences, scaling, bulkheads, quarantine, and what survives a reload.

use std::time::Duration;

use super::world::World;
use crate::{
    Action, Backend, BackendSet, BreakerEvidence, BreakerMode, BreakerState, Component, Config, Connection,
    ConnectionId, ConnectionSpec, Estimate, Event, FaultCategory, Job, JobEnd, ModelSpec, Precision, Refusal,
    RetryConfig, ScaleReason, ShapeClass, Verdict,
};

#[test]
fn jobs_of_one_model_and_shape_share_a_call() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let spec = ModelSpec { max_batch: 3, ..ModelSpec::new("minilm", "vision", Precision::F32) };
    let model = world.pool.register_model(spec);
    let (_, first, _) = world.submit_loaded(model);
    let batchable = Job { is_batchable: true, ..Job::new(model) };
    let mut submit = |shape: u32| {
        let job = Job { shape: ShapeClass(shape), ..batchable.clone() };
        world.pool.submit(world.now, job).expect("there is room")
    };
    let (a, b, other, c, d) = (submit(1), submit(1), submit(2), submit(1), submit(1));
    let mut run = first;
    for expected in [&[a, b, c][..], &[other], &[d]] {
        world.finish(run);
        let (next, _, jobs) = world.take_run();
        assert_eq!(jobs, expected);
        run = next;
    }
}

#[test]
fn a_batch_waits_for_company_only_so_long() {
    let config = Config { batch_delay: Duration::from_millis(5), ..Config::default() };
    let mut world = World::new(config);
    world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
    world.drain();
    world.open_all(&[Backend::Wasm]);
    let spec = ModelSpec { max_batch: 2, ..ModelSpec::new("minilm", "vision", Precision::F32) };
    let model = world.pool.register_model(spec);
    let (_, run, _) = world.submit_loaded(model);
    world.finish(run);
    let batchable = Job { is_batchable: true, ..Job::new(model) };
    world.pool.submit(world.now, batchable).expect("there is room");
    world.drain();
    assert!(world.open.is_empty(), "{:?}", world.open);
    world.pass(Duration::from_millis(5));
    world.take_run();
}

#[test]
fn the_least_recently_used_model_makes_room() {
    let mut world = World::with_memory(250);
    let mut models = Vec::new();
    for name in ["a", "b", "c", "huge"] {
        let memory_bytes = if name == "huge" { 1000 } else { 100 };
        let spec = ModelSpec { memory_bytes, ..ModelSpec::new(name, "vision", Precision::F32) };
        models.push(world.pool.register_model(spec));
    }
    for &model in &models[..3] {
        world.now = world.now + Duration::from_millis(1);
        let (_, run, _) = world.submit_loaded(model);
        world.finish(run);
    }
    let unloaded = world.take(|action| match action {
        Action::Unload { model, .. } => Some(*model),
        _ => None,
    });
    assert_eq!(unloaded, models[0]);
    let job = world.submit(models[3]);
    assert!(
        matches!(world.ends.last(), Some((ended, JobEnd::Failed { cause: FaultCategory::OutOfMemory, verdict: Verdict::NoCandidate, .. })) if *ended == job),
        "{:?}",
        world.ends.last()
    );
}

#[test]
fn a_slow_call_is_hedged_and_the_loser_stopped() {
    let mut config = Config::default();
    config.hedging.is_enabled = true;
    let mut world = World::new(config);
    for _ in 0..2 {
        world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
    }
    world.drain();
    world.open_all(&[Backend::Wasm]);
    let model = world.model("minilm");
    let pinned: Vec<ConnectionId> = world.pool.connections().map(Connection::id).collect();
    for connection in pinned {
        let job = Job { pinned: Some(connection), ..Job::new(model) };
        world.pool.submit(world.now, job).expect("there is room");
        world.drain();
        let (load, ..) = world.take_load();
        world.finish(load);
        let (run, ..) = world.take_run();
        world.finish(run);
    }
    world.train(model, 40);
    let (job, first, slow) = world.submit_loaded(model);
    world.pass(Duration::from_millis(500));
    let (second, other, jobs) = world.take_run();
    assert_eq!(jobs, [job]);
    assert_ne!(other, slow);
    world.finish(second);
    assert!(
        matches!(world.ends.last(), Some((ended, JobEnd::Completed { call, .. })) if *ended == job && *call == second)
    );
    let stopped = world.take(|action| match action {
        Action::Abort { call, .. } => Some(*call),
        _ => None,
    });
    assert_eq!(stopped, first);
}

#[test]
fn the_first_run_after_a_load_teaches_nothing() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (_, run, _) = world.submit_loaded(model);
    world.now = world.now + Duration::from_secs(3);
    world.finish(run);
    assert_eq!(world.pool.latencies().count(), 0);
    world.train(model, 1);
    let medians: Vec<Duration> = world.pool.latencies().map(|evidence| evidence.estimate.median()).collect();
    let is_close = |median: &Duration| median.abs_diff(Duration::from_millis(20)) < Duration::from_millis(1);
    assert!(!medians.is_empty() && medians.iter().all(is_close), "{medians:?}");
}

#[test]
fn golden_inferences_decide_whether_a_backend_returns() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let spec = ModelSpec { has_golden: true, ..ModelSpec::new("minilm", "vision", Precision::F32) };
    let model = world.pool.register_model(spec);
    for _ in 0..5 {
        let (job, run, _) = world.submit_loaded(model);
        world.fail(run, FaultCategory::Internal);
        world.pool.cancel(world.now, job);
        world.drain();
    }
    let state = |world: &World| {
        world.pool.connection(ConnectionId(0)).map(|connection| connection.breaker(Component::Wasm).state())
    };
    assert_eq!(state(&world), Some(BreakerState::Open));
    world.pass(Duration::from_secs(31));
    let waiting = world.submit(model);
    let probe = |world: &mut World| {
        world.take(|action| match action {
            Action::Probe { call, .. } => Some(*call),
            _ => None,
        })
    };
    // One that answers wrongly keeps it open; the job is not tried on it.
    let call = probe(&mut world);
    world.fail(call, FaultCategory::Numeric);
    assert_eq!(state(&world), Some(BreakerState::Open));
    assert!(world.pool.job(waiting).is_some());
}

#[test]
fn an_explanation_names_every_place_and_its_terms() {
    let mut world = World::with_workers(2, &[Backend::Webgpu, Backend::Wasm]);
    let model = world.model("minilm");
    let job = Job { backends: BackendSet::of(&[Backend::Wasm]), ..Job::new(model) };
    world.pool.submit(world.now, job.clone()).expect("there is room");
    world.drain();
    let (load, loaded, _) = world.take_load();
    world.finish(load);
    let candidates = world.pool.explain(world.now, &job);
    assert_eq!(candidates.len(), 2 * Backend::ALL.len());
    let allowed: Vec<_> = candidates.iter().filter(|candidate| candidate.exclusion.is_none()).collect();
    assert_eq!(allowed.len(), 2);
    for candidate in allowed {
        assert_eq!(candidate.load.is_zero(), candidate.connection == loaded, "{candidate:?}");
        assert_eq!(candidate.wait.is_zero(), candidate.connection != loaded, "{candidate:?}");
        assert!(candidate.total >= candidate.run + candidate.load, "{candidate:?}");
    }
}

#[test]
fn what_was_learnt_survives_a_reload() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    world.train(model, 10);
    for _ in 0..5 {
        let (job, run, _) = world.submit_loaded(model);
        world.fail(run, FaultCategory::Internal);
        world.pool.cancel(world.now, job);
        world.drain();
    }
    let breakers = world.pool.breakers(world.now);
    assert_eq!(breakers.len(), 1);
    let mut reloaded = World::with_workers(1, &[Backend::Wasm]);
    assert_eq!(reloaded.model("minilm"), model);
    for evidence in &breakers {
        reloaded.pool.seed_breaker(reloaded.now, evidence);
    }
    for evidence in world.pool.latencies().collect::<Vec<_>>() {
        reloaded.pool.seed_latency(reloaded.now, &evidence);
    }
    assert_eq!(reloaded.pool.breakers(reloaded.now), breakers);
    let same = world.pool.latencies().zip(reloaded.pool.latencies());
    assert!(same.into_iter().all(|(a, b)| a.estimate.mean_ln == b.estimate.mean_ln));
    reloaded.submit(model);
    assert!(reloaded.open.is_empty(), "the backend is open: {:?}", reloaded.open);
}

#[test]
fn a_half_open_breaker_is_still_half_open_after_a_reload() {
    // WebKit's half-opens after three failures, before it has ever opened.
    for (browser, n_openings) in [("webkit", 0), ("chromium", 1)] {
        let config =
            Config { retry: RetryConfig { max_retries: 0, ..RetryConfig::default() }, ..Config::default() };
        let with_worker = || {
            let mut world = World::new(config.clone());
            world.pool.add_connection(world.now, ConnectionSpec::worker(browser));
            world.drain();
            world.open_all(&[Backend::Wasm]);
            world
        };
        let state = |world: &World| {
            let connection = world.pool.connection(ConnectionId(0)).expect("it is there");
            connection.breaker(Component::Wasm).state()
        };
        let mut world = with_worker();
        let model = world.model("minilm");
        while state(&world) == BreakerState::Closed {
            let (_, run, _) = world.submit_loaded(model);
            world.fail(run, FaultCategory::Internal);
        }
        if n_openings > 0 {
            world.pass(Duration::from_secs(31));
        }
        assert_eq!(state(&world), BreakerState::HalfOpen, "{browser}");
        let breakers = world.pool.breakers(world.now);
        let kept: Vec<_> = breakers.iter().map(|kept| (kept.n_openings, kept.open_for)).collect();
        assert_eq!(kept, [(n_openings, Some(Duration::ZERO))], "{browser}");
        let mut reloaded = with_worker();
        reloaded.pool.seed_breaker(reloaded.now, &breakers[0]);
        assert_ne!(state(&reloaded), BreakerState::Closed, "{browser}");
        reloaded.pass(Duration::ZERO);
        assert_eq!(state(&reloaded), BreakerState::HalfOpen, "{browser}");
    }
}

#[test]
fn a_link_that_was_open_before_a_reload_is_used_once_it_opens() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let evidence = BreakerEvidence {
        connection: ConnectionId(0),
        browser: "chromium".to_owned(),
        component: Component::Transport,
        n_openings: 2,
        open_for: Some(Duration::from_secs(60)),
    };
    world.pool.seed_breaker(world.now, &evidence);
    world.submit_loaded(model);
}

#[test]
fn an_estimate_fades_while_nobody_measures() {
    let routing = Config::default().routing;
    let measured = Estimate::of(Duration::from_millis(20), 0.1, 16.0);
    let faded = measured.faded(2 * routing.half_life, &routing);
    assert_eq!((faded.weight, faded.median()), (4.0, measured.median()));
}

#[test]
fn a_driver_that_slept_does_not_lose_its_calls() {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let model = world.model("minilm");
    let deadline = Some(world.now + Duration::from_secs(100_000));
    world.pool.submit(world.now, Job { deadline, ..Job::new(model) }).expect("there is room");
    world.drain();
    let (load, ..) = world.take_load();
    world.finish(load);
    let (run, ..) = world.take_run();
    world.now = world.now + Duration::from_secs(3600);
    world.pool.handle_timeout(world.now);
    world.drain();
    assert!(world.open.is_empty(), "{:?}", world.open);
    world.finish(run);
    assert!(matches!(world.ends[..], [(_, JobEnd::Completed { .. })]), "{:?}", world.ends);
}

#[test]
fn the_pool_grows_and_shrinks_with_its_load() {
    let mut config = Config::default();
    config.scaling.templates = vec![ConnectionSpec::worker("chromium")];
    config.scaling.max_connections = 3;
    let mut world = World::new(config);
    world.pool.start(world.now);
    world.drain();
    world.open_all(&[Backend::Wasm]);
    let model = world.model("minilm");
    for _ in 0..200 {
        world.pool.submit(world.now, Job::new(model)).expect("there is room");
    }
    let mut largest = 0;
    for _ in 0..300 {
        world.open_all(&[Backend::Wasm]);
        for action in core::mem::take(&mut world.open) {
            if let Action::Load { call, .. } | Action::Run { call, .. } = action {
                world.finish(call);
            }
        }
        world.pass(Duration::from_millis(900));
        largest = largest.max(world.pool.stats().n_connections);
    }
    assert_eq!(largest, 3);
    assert_eq!(world.pool.stats().n_connections, 1, "idle again");
    let reasons: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Scaled { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect();
    assert!(reasons.contains(&ScaleReason::Minimum) && reasons.contains(&ScaleReason::Idle), "{reasons:?}");
}

#[test]
fn a_family_that_fails_leaves_room_for_others() {
    let mut world = World::with_workers(4, &[Backend::Wasm]);
    let bad = world.model("bad");
    let good = world.pool.register_model(ModelSpec::new("good", "audio", Precision::F32));
    for _ in 0..40 {
        let (job, run, _) = world.submit_loaded(bad);
        world.fail(run, FaultCategory::Internal);
        world.pool.cancel(world.now, job);
        world.drain();
        if world.pool.connections().all(|c| c.breaker(Component::Wasm).state() == BreakerState::Closed) {
            continue;
        }
        for id in 0..4 {
            world.pool.set_breaker_mode(world.now, ConnectionId(id), Component::Wasm, BreakerMode::Disabled);
        }
        world.drain();
    }
    world.pool.submit(world.now, Job { deadline: None, ..Job::new(good) }).expect("there is room");
    for _ in 0..8 {
        world.pool.submit(world.now, Job::new(bad)).expect("there is room");
    }
    world.drain();
    let n_bad = world.open.iter().filter(|action| match action {
        Action::Load { model, .. } | Action::Run { model, .. } => *model == bad,
        _ => false,
    });
    assert!(n_bad.count() <= 2, "half of four: {:?}", world.open);
}

/// Submits inputs that crash every worker they run on; the number of runs and how the job ended.
fn run_poison(world: &mut World, poison: &Job) -> (u32, Option<Verdict>) {
    world.pool.submit(world.now, poison.clone()).expect("nothing is known of it");
    world.drain();
    let mut n_runs = 0;
    for _ in 0..200 {
        for action in core::mem::take(&mut world.open) {
            match action {
                Action::Load { call, .. } => world.finish(call),
                Action::Run { call, .. } => {
                    n_runs += 1;
                    world.fail(call, FaultCategory::WorkerCrash);
                }
                other => world.open.push(other),
            }
        }
        world.open_all(&[Backend::Wasm]);
        world.pass(Duration::from_millis(100));
    }
    let verdict = match world.ends[..] {
        [(_, JobEnd::Failed { verdict, .. })] => Some(verdict),
        _ => None,
    };
    (n_runs, verdict)
}

#[test]
fn inputs_are_quarantined_after_as_many_workers_as_there_are_up_to_three() {
    for (n_workers, n_failed_on) in [(1, None), (2, Some(2)), (3, Some(3)), (5, Some(3))] {
        let mut world = World::with_workers(n_workers, &[Backend::Wasm]);
        let poison = Job { fingerprint: 7, ..Job::new(world.model("minilm")) };
        let (n_runs, verdict) = run_poison(&mut world, &poison);
        let is_refused = matches!(world.pool.submit(world.now, poison), Err(Refusal::Quarantined { .. }));
        assert_eq!(is_refused, n_failed_on.is_some(), "{n_workers} workers: {verdict:?} after {n_runs} runs");
        assert!(n_failed_on.is_none_or(|n| n_runs >= n), "{n_workers} workers: {n_runs} runs");
    }
}

#[test]
fn a_quarantined_input_is_refused_until_its_time_is_over() {
    let mut world = World::with_workers(4, &[Backend::Wasm]);
    let model = world.model("minilm");
    let poison = Job { fingerprint: 7, ..Job::new(model) };
    assert_eq!(run_poison(&mut world, &poison).1, Some(Verdict::Poison));
    let refused = world.pool.submit(world.now, poison.clone());
    assert!(matches!(refused, Err(Refusal::Quarantined { cause: FaultCategory::WorkerCrash, .. })));
    world.now = world.now + Duration::from_secs(601);
    assert!(world.pool.submit(world.now, poison).is_ok());
}

#[test]
fn inputs_that_are_told_after_their_first_fault_are_quarantined_as_well() {
    let mut world = World::with_workers(2, &[Backend::Wasm]);
    let model = world.model("minilm");
    let (job, run, _) = world.submit_loaded(model);
    world.fail(run, FaultCategory::WorkerCrash);
    assert!(!world.pool.has_quarantined(world.now, model));
    world.pool.set_fingerprint(job, 7);
    world.pass(Duration::from_millis(200));
    let (load, ..) = world.take_load();
    world.finish(load);
    let (run, ..) = world.take_run();
    world.fail(run, FaultCategory::WorkerCrash);
    assert!(matches!(world.ends[..], [(_, JobEnd::Failed { verdict: Verdict::Poison, .. })]));
    assert!(world.pool.has_quarantined(world.now, model));
    let again = world.pool.submit(world.now, Job { fingerprint: 7, ..Job::new(model) });
    assert!(matches!(again, Err(Refusal::Quarantined { .. })));
    assert!(!world.pool.has_quarantined(world.now + Duration::from_secs(601), model));
}
