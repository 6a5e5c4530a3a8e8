//! Batches that fail, and what becomes of their members.

use std::time::Duration;

use super::world::World;
use crate::{
    Action, Backend, Event, FaultCategory, Job, JobEnd, JobId, ModelId, ModelSpec, Precision, Strategy,
    Verdict,
};

/// A batch of three under way, alone.
fn batch_of_three() -> (World, crate::CallId, Vec<JobId>) {
    let mut world = World::with_workers(1, &[Backend::Wasm]);
    let spec = ModelSpec { max_batch: 3, ..ModelSpec::new("minilm", "vision", Precision::F32) };
    let model = world.pool.register_model(spec);
    let (_, first, _) = world.submit_loaded(model);
    let jobs: Vec<JobId> = (0..3).map(|_| submit(&mut world, model)).collect();
    world.finish(first);
    world.ends.clear();
    let (batch, _, members) = world.take_run();
    assert_eq!(members, jobs);
    (world, batch, jobs)
}

fn submit(world: &mut World, model: ModelId) -> JobId {
    let job = Job { is_batchable: true, ..Job::new(model) };
    let id = world.pool.submit(world.now, job).expect("there is room");
    world.drain();
    id
}

/// Lets the jobs that follow run one by one; gives what each of them was.
fn run_singly(world: &mut World, n_jobs: usize) -> Vec<JobId> {
    let mut ran = Vec::new();
    for _ in 0..n_jobs {
        world.pass(Duration::from_millis(100));
        // Out of memory, the model was unloaded as well.
        if world.open.iter().any(|action| matches!(action, Action::Load { .. })) {
            let (load, ..) = world.take_load();
            world.finish(load);
        }
        let (run, _, jobs) = world.take_run();
        assert_eq!(jobs.len(), 1);
        ran.extend(jobs);
        world.finish(run);
    }
    ran
}

#[test]
fn members_of_a_batch_that_failed_are_tried_singly() {
    for category in [FaultCategory::Internal, FaultCategory::OutOfMemory, FaultCategory::Overload] {
        let (mut world, batch, jobs) = batch_of_three();
        world.fail(batch, category);
        let mut ran = run_singly(&mut world, 3);
        ran.sort_unstable();
        assert_eq!(ran, jobs, "{category}");
        assert!(world.ends.iter().all(|(_, end)| matches!(end, JobEnd::Completed { attempt: 2, .. })));
        assert_eq!(world.pool.stats().n_free_retries, 0, "{category}: each paid for its own");
    }
}

#[test]
fn inputs_of_one_member_do_not_fail_the_others() {
    let (mut world, batch, jobs) = batch_of_three();
    world.fail(batch, FaultCategory::Validation);
    assert!(world.ends.is_empty(), "{:?}", world.ends);
    world.pass(Duration::from_millis(1));
    let (run, _, culprit) = world.take_run();
    world.fail(run, FaultCategory::Validation);
    let [(ended, JobEnd::Failed { cause: FaultCategory::Validation, verdict: Verdict::NotRetryable, .. })] =
        world.ends[..]
    else {
        panic!("{:?}", world.ends);
    };
    assert_eq!(culprit, [ended]);
    world.ends.clear();
    run_singly(&mut world, 2);
    let mut others: Vec<JobId> = world.ends.iter().map(|&(job, _)| job).collect();
    others.push(ended);
    others.sort_unstable();
    assert_eq!(others, jobs);
    let stats = world.pool.stats();
    assert_eq!((stats.n_retries, stats.n_free_retries), (3, 3), "they paid for another's inputs");
    let split = |event: &&Event| {
        matches!(
            event,
            Event::Recovering { strategy: Strategy::SmallerBatch, category: FaultCategory::Validation, .. }
        )
    };
    assert_eq!(world.events.iter().filter(split).count(), 3);
}

#[test]
fn a_member_that_left_is_not_tried_again() {
    let (mut world, batch, jobs) = batch_of_three();
    world.pool.cancel(world.now, jobs[1]);
    world.drain();
    assert!(world.open.is_empty(), "the others' call goes on: {:?}", world.open);
    world.fail(batch, FaultCategory::Internal);
    let mut ran = run_singly(&mut world, 2);
    ran.sort_unstable();
    assert_eq!(ran, [jobs[0], jobs[2]]);
    assert_eq!(world.pool.stats().n_jobs, 0);
}
