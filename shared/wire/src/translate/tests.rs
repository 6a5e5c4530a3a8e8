//! Names that both crates have must be the same ones: they meet in the database.

use super::*;

#[test]
fn categories_keep_their_names() {
    for category in FaultCategory::ALL {
        let translated = to_pool_category(category);
        assert_eq!(translated.as_str(), category.as_str());
        assert_eq!(to_wire_category(translated), category);
    }
    assert_eq!(pool::FaultCategory::ALL.len(), FaultCategory::ALL.len());
}

#[test]
fn backends_keep_their_names() {
    for &backend in pool::Backend::ALL {
        let translated = to_wire_backend(backend);
        assert_eq!(translated.as_str(), backend.as_str());
        assert_eq!(to_pool_backend(translated), backend);
    }
}

#[test]
fn precisions_keep_their_names() {
    for precision in Precision::ALL {
        let translated = to_pool_precision(precision);
        assert_eq!(
            translated.map(pool::Precision::as_str),
            Some(precision.as_str()).filter(|_| precision != Precision::Unknown)
        );
    }
}

fn placed(is_hedge: bool) -> Event {
    Event::Placed {
        n_jobs: 1,
        model: ModelId(0),
        connection: pool::ConnectionId(0),
        backend: pool::Backend::Wasm,
        expected: Duration::ZERO,
        load: Duration::ZERO,
        is_exploration: false,
        is_probe: false,
        is_hedge,
    }
}

#[test]
fn ordinary_placements_are_sampled() {
    let mut sampler = Sampler::default();
    let n_kept = |sampler: &mut Sampler, is_hedge| {
        (0..1000).filter(|_| sampler.keeps(Timestamp::ZERO, &placed(is_hedge))).count()
    };
    assert_eq!(n_kept(&mut sampler, false), 10);
    assert_eq!(n_kept(&mut sampler, true), 1000);
}

#[test]
fn the_first_refusal_of_a_second_stands_for_the_others() {
    let full = Event::Refused {
        model: ModelId(0),
        refusal: pool::Refusal::QueueFull { n_queued: 3, retry_after: Duration::ZERO },
    };
    let closing = Event::Refused { model: ModelId(0), refusal: pool::Refusal::Closing };
    let mut sampler = Sampler::default();
    let at = Timestamp::from_micros;
    let kept = [(0, &full), (10, &full), (20, &closing), (999_999, &full), (1_000_000, &full)]
        .map(|(micros, event)| sampler.keeps(at(micros), event));
    assert_eq!(kept, [true, false, true, false, true]);
}

#[test]
fn ends_are_told_when_no_run_tells_them() {
    let ended = |end| {
        let event = Event::Ended { job: pool::JobId(1), model: ModelId(0), end, took: Duration::ZERO };
        to_wire_event(&event, |_| "tiny".to_owned()).is_some()
    };
    let failed = |n_attempts| JobEnd::Failed {
        cause: pool::FaultCategory::OutOfMemory,
        call: None,
        n_attempts,
        verdict: pool::Verdict::NoCandidate,
    };
    assert_eq!([ended(JobEnd::Cancelled), ended(failed(0)), ended(failed(1))], [true, true, false]);
}
