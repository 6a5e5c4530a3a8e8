//! Every record, written here, is what serde reads. Runs in a browser: it needs JavaScript objects.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen_test::wasm_bindgen_test;
use wire::Backend;

use super::*;
use crate::object::to_json;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(data: &T, from: fn(&T) -> JsValue) {
    let read: T = serde_json::from_str(&to_json(&from(data)).unwrap()).unwrap();
    assert_eq!(&read, data);
}

fn adapter() -> Adapter {
    Adapter {
        vendor: "google".to_owned(),
        architecture: "swiftshader".to_owned(),
        description: String::new(),
        is_fallback: true,
    }
}

#[wasm_bindgen_test]
fn parts_of_records() {
    for category in FaultCategory::ALL {
        check(&Fault::new(category, "code", "message"), from_fault);
        let fault = Fault::new(category, "code", "message").with_hint("hint");
        check(&Fault { retry_after_ms: Some(40), ..fault }, from_fault);
    }
    let [name, version, user_agent] = ["firefox", "153", "Mozilla"].map(str::to_owned);
    check(&Browser { name, version, user_agent }, from_browser);
    check(&adapter(), from_adapter);
    check(&Phases::default(), from_phases);
    let phases = Phases {
        queue_micros: Some(1),
        download_micros: Some(2),
        verify_micros: Some(3),
        load_micros: Some(4),
        run_micros: Some(5),
        total_micros: Some(1 << 52),
    };
    check(&phases, from_phases);
    check(&Capabilities::default(), from_capabilities);
    let capabilities = Capabilities {
        wasm_build: "relaxed-simd".to_owned(),
        backends: Backend::ALL.to_vec(),
        adapter: Some(adapter()),
        webgpu_reason: Some("blocked".to_owned()),
        webnn_devices: vec!["cpu".to_owned(), "npu".to_owned()],
        webnn_reason: Some("missing".to_owned()),
        webnn_notes: vec!["gpu: missing".to_owned()],
        cross_origin_isolated: true,
    };
    check(&capabilities, from_capabilities);
}

#[wasm_bindgen_test]
fn events_of_every_kind() {
    let factor = SharedFactor {
        factor: "browser".to_owned(),
        value: "webkit".to_owned(),
        n_failed_with: 1,
        n_failed_without: 2,
        n_ok_with: 3,
        n_ok_without: 4,
        p_value: 1e-9,
    };
    let word = || "word".to_owned();
    let category = FaultCategory::WorkerCrash;
    let events = [
        PoolEvent::Breaker { component: word(), from: word(), to: word(), reason: word(), health: 12.5 },
        PoolEvent::Connection { to: word(), cause: None },
        PoolEvent::Connection { to: word(), cause: Some(category) },
        PoolEvent::Recovering { category, component: word(), strategy: word(), after_micros: 7 },
        PoolEvent::Recovered {
            category,
            component: word(),
            strategy: word(),
            is_success: true,
            took_micros: 8,
            impact: Some(0.25),
        },
        PoolEvent::Incident { domain: 1, category, component: word(), n_members: 2, phase: word() },
        PoolEvent::RootCause { category, n_faults: 3, sentence: word(), factors: vec![factor] },
        PoolEvent::Quarantined { model: word(), cause: category, n_connections: 2 },
        PoolEvent::BackendChosen { model: word(), backend: Backend::Webgpu, sentence: word() },
        PoolEvent::Scaled {
            from: 1,
            to: 2,
            reason: word(),
            utilization: 0.75,
            n_queued: 9,
            queue_delay_micros: 10,
            memory_ratio: 0.5,
        },
        PoolEvent::Placed {
            model: word(),
            backend: Backend::Wasm,
            n_jobs: 4,
            expected_micros: 5,
            load_micros: 6,
            is_exploration: true,
            is_probe: false,
            is_hedge: true,
        },
        PoolEvent::Called {
            call: word(),
            component: word(),
            model: Some(word()),
            latency_micros: 3,
            is_probe: true,
            fault: Some(category),
        },
        PoolEvent::Refused { model: word(), reason: word() },
        PoolEvent::Ended { model: word(), verdict: word(), cause: category, took_micros: 2 },
        PoolEvent::Unloaded { model: word(), backend: Backend::Wasm, reason: word() },
        PoolEvent::BreakerMode { component: word(), mode: word() },
    ];
    for kind in PoolEvent::KINDS {
        assert!(events.iter().any(|event| event.kind() == kind), "{kind}");
    }
    for event in &events {
        check(event, from_event);
    }
}
