//! One event of each kind, two recoveries, and three launches.

use wire::{Adapter, Backend, FaultCategory};

use super::*;
use crate::store::{Ending, Store};
use crate::testing::{browser, campaign, event_record, scaled};

fn events() -> Vec<PoolEvent> {
    let text = str::to_owned;
    let (category, component) = (FaultCategory::DeviceLost, text("webgpu"));
    let recovered = |strategy, is_success, took_micros| PoolEvent::Recovered {
        category,
        component: text("webgpu"),
        strategy: text(strategy),
        is_success,
        took_micros,
        impact: None,
    };
    vec![
        PoolEvent::Breaker {
            component: component.clone(),
            from: text("closed"),
            to: text("open"),
            reason: text("5 failures in a row"),
            health: 10.0,
        },
        PoolEvent::Connection { to: text("ready"), cause: None },
        PoolEvent::Connection { to: text("closed"), cause: Some(FaultCategory::WorkerCrash) },
        PoolEvent::Recovering {
            category,
            component: component.clone(),
            strategy: text("recreate_device"),
            after_micros: 250_000,
        },
        recovered("recreate_device", true, 900_000),
        recovered("recreate_device", true, 1_100_000),
        recovered("retry_in_place", false, 40_000),
        PoolEvent::Incident { domain: 3, category, component, n_members: 4, phase: text("opened") },
        PoolEvent::RootCause {
            category,
            n_faults: 14,
            sentence: text("all 14 device_lost faults: webgpu on firefox"),
            factors: Vec::new(),
        },
        PoolEvent::Quarantined { model: text("tiny"), cause: FaultCategory::WorkerCrash, n_connections: 1 },
        PoolEvent::BackendChosen {
            model: text("tiny"),
            backend: Backend::Wasm,
            sentence: text("wasm at 1.20 ms, webgpu at 9.40 ms"),
        },
        scaled("queue_delay"),
        PoolEvent::Placed {
            model: text("tiny"),
            backend: Backend::Webgpu,
            n_jobs: 1,
            expected_micros: 80_000,
            load_micros: 60_000,
            is_exploration: true,
            is_probe: false,
            is_hedge: false,
        },
        PoolEvent::Called {
            call: text("load"),
            component: text("loader"),
            model: Some(text("tiny")),
            latency_micros: 63_000,
            is_probe: false,
            fault: None,
        },
        PoolEvent::Called {
            call: text("open"),
            component: text("transport"),
            model: None,
            latency_micros: 60_000_000,
            is_probe: true,
            fault: Some(FaultCategory::Timeout),
        },
        PoolEvent::Refused { model: text("tiny"), reason: text("queue is full with 3 jobs") },
        PoolEvent::Ended {
            model: text("tiny"),
            verdict: text("no_candidate"),
            cause: FaultCategory::OutOfMemory,
            took_micros: 900,
        },
        PoolEvent::Unloaded { model: text("tiny"), backend: Backend::Wasm, reason: text("pressure") },
        PoolEvent::BreakerMode { component: text("webgpu"), mode: text("forced_open") },
    ]
}

fn history() -> Store {
    let store = Store::in_memory().unwrap();
    let records = events().into_iter().enumerate();
    let records: Vec<_> = records.map(|(index, event)| event_record(index as i64, event)).collect();
    store.insert_events(&records, 0).unwrap();
    store
}

#[test]
fn every_kind_of_event_has_a_sentence() {
    let mut rows = history().events(&EventFilter::default(), 99).unwrap();
    rows.iter_mut().for_each(|row| row.time = "[time]".to_owned());
    insta::assert_snapshot!(event_table(&rows, &Printer::plain()));
    for kind in PoolEvent::KINDS {
        assert!(events().iter().any(|event| event.kind() == kind), "{kind}");
    }
}

#[test]
fn recoveries_are_summed_up() {
    let recoveries = history().recoveries(&EventFilter::default()).unwrap();
    insta::assert_snapshot!(recovery_table(&recoveries, &Printer::plain()));
}

#[test]
fn launches() {
    let store = Store::in_memory().unwrap();
    let id = store.begin_campaign(&campaign()).unwrap();
    store.begin_session("a", id, &browser(), 1_000_000).unwrap();
    store.note_ready("a", 2_200_000, None).unwrap();
    store.end_session("a", Ending::ConnectionLost, 0, 9_000_000).unwrap();
    store.begin_session("b", id, &browser(), 9_000_000).unwrap();
    let adapter = Adapter { vendor: "google".to_owned(), is_fallback: true, ..Adapter::default() };
    let capabilities = Capabilities {
        wasm_build: "relaxed-simd".to_owned(),
        backends: vec![Backend::Wasm],
        adapter: Some(adapter),
        ..Capabilities::default()
    };
    store.begin_launch("c", None, "doctor", &browser(), 10_000_000).unwrap();
    store.note_ready("c", 10_800_000, Some(&capabilities)).unwrap();
    store.end_session("c", Ending::Finished, 0, 11_000_000).unwrap();
    let mut rows = store.sessions(&[], None, 9).unwrap();
    rows.iter_mut().for_each(|row| row.time = "[time]".to_owned());
    insta::assert_snapshot!(session_table(&rows, &Printer::plain()));
}
