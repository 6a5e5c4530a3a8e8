//! Order, fairness, and that nobody waits for ever.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::BackendSet;

fn key(model: u32) -> LaneKey {
    LaneKey {
        model: ModelId(model),
        backends: BackendSet::ALL,
        pinned: None,
        shape: ShapeClass(0),
        is_batch: false,
        solo: None,
    }
}

/// Pops the next job of any lane.
fn pop(queue: &mut Queue) -> Option<JobId> {
    let (key, _) = queue.next()?;
    queue.pop(&key)
}

fn push(queue: &mut Queue, job: u64, model: u32, priority: Priority, cost_micros: u64) {
    let tag = queue.tag(ModelId(model), priority, cost_micros);
    queue.push(key(model), tag, JobId(job));
}

#[test]
fn one_flow_is_first_in_first_out() {
    let mut queue = Queue::default();
    for job in 0..10 {
        push(&mut queue, job, 0, Priority::Normal, 1000);
    }
    let order: Vec<u64> = core::iter::from_fn(|| pop(&mut queue)).map(|job| job.0).collect();
    assert_eq!(order, (0..10).collect::<Vec<_>>());
}

#[test]
fn models_share_by_time_not_by_count() {
    let mut queue = Queue::default();
    for job in 0..100 {
        push(&mut queue, job, 0, Priority::Normal, 1000);
        push(&mut queue, 1000 + job, 1, Priority::Normal, 4000);
    }
    let first: Vec<u64> = (0..50).filter_map(|_| pop(&mut queue)).map(|job| job.0).collect();
    let n_slow = first.iter().filter(|&&job| job >= 1000).count();
    assert_eq!(n_slow, 10, "a fifth of the starts is half of the time");
}

#[test]
fn a_low_job_is_served_however_many_high_ones_come() {
    let mut queue = Queue::default();
    for job in 0..100 {
        push(&mut queue, job, 0, Priority::High, 1000);
    }
    push(&mut queue, 9999, 0, Priority::Low, 1000);
    let mut n_before = 0;
    while let Some(job) = pop(&mut queue) {
        if job == JobId(9999) {
            break;
        }
        n_before += 1;
        for extra in 0..3 {
            push(&mut queue, 10_000 + n_before * 3 + extra, 0, Priority::High, 1000);
        }
        assert!(n_before <= 17, "the weights are 16 to 1");
    }
}

#[test]
fn blocked_lanes_are_passed_over_until_something_changes() {
    let mut queue = Queue::default();
    push(&mut queue, 1, 0, Priority::High, 1000);
    push(&mut queue, 2, 1, Priority::Low, 1000);
    queue.block(&key(0));
    assert_eq!(queue.next().map(|(_, job)| job), Some(JobId(2)));
    queue.unblock_all();
    assert_eq!(queue.next().map(|(_, job)| job), Some(JobId(1)));
}

#[derive(Debug, Clone)]
enum Step {
    Push { model: u32, priority: usize, cost_micros: u64 },
    Pop,
    Remove { index: usize },
    Block { model: u32 },
    Unblock,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u32, 0..3usize, 1..100_000u64)
            .prop_map(|(model, priority, cost_micros)| Step::Push { model, priority, cost_micros }),
        3 => Just(Step::Pop),
        1 => any::<usize>().prop_map(|index| Step::Remove { index }),
        1 => (0..4u32).prop_map(|model| Step::Block { model }),
        1 => Just(Step::Unblock),
    ]
}

proptest! {
    /// Against a list that is searched from end to end.
    #[test]
    fn agrees_with_a_naive_queue(steps in proptest::collection::vec(step(), 0..300)) {
        let mut queue = Queue::default();
        let mut naive: Vec<(u64, u32, JobId)> = Vec::new();
        let mut blocked: BTreeSet<u32> = BTreeSet::new();
        for (job, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push { model, priority, cost_micros } => {
                    let tag = queue.tag(ModelId(model), Priority::ALL[priority], cost_micros);
                    queue.push(key(model), tag, JobId(job as u64));
                    naive.push((tag, model, JobId(job as u64)));
                    blocked.remove(&model);
                }
                Step::Pop => {
                    let open = naive.iter().filter(|(_, model, _)| !blocked.contains(model));
                    // Equal tags go by lane and then by job.
                    let expected = open.min_by_key(|&&(tag, model, job)| (tag, model, job)).copied();
                    prop_assert_eq!(pop(&mut queue), expected.map(|(.., job)| job));
                    naive.retain(|entry| Some(*entry) != expected);
                }
                Step::Remove { index } if !naive.is_empty() => {
                    let (tag, model, job) = naive.swap_remove(index % naive.len());
                    prop_assert!(queue.remove(&key(model), tag, job));
                    prop_assert!(!queue.remove(&key(model), tag, job));
                }
                Step::Remove { .. } => {}
                Step::Block { model } => {
                    queue.block(&key(model));
                    if naive.iter().any(|(_, other, _)| *other == model) {
                        blocked.insert(model);
                    }
                }
                Step::Unblock => {
                    queue.unblock_all();
                    blocked.clear();
                }
            }
            blocked.retain(|blocked| naive.iter().any(|(_, model, _)| model == blocked));
            prop_assert_eq!(queue.len(), naive.len());
        }
    }
}
