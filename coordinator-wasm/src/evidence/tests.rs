//! What serde writes is read back, and what is damaged is refused. Runs in a browser: it needs JavaScript objects.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

fn evidence() -> Evidence {
    let breaker = BreakerEvidence {
        connection: 1,
        browser: "firefox".to_owned(),
        component: "wasm".to_owned(),
        n_openings: 2,
        open_micros: Some(1_500_000),
    };
    let latency = LatencyEvidence {
        model: "minilm|wasm|ab".to_owned(),
        backend: Backend::Wasm,
        place: Some(("firefox".to_owned(), "relaxed-simd".to_owned())),
        shape: Some((5, 0)),
        weight: 31.5,
        mean_ln: 10.25,
        variance_ln: 0.5,
        age_micros: 7,
    };
    let strategy = StrategyEvidence {
        category: FaultCategory::WorkerCrash,
        component: "transport".to_owned(),
        strategy: "respawn_worker".to_owned(),
        n_helped: 3.0,
        n_failed: 0.0,
        mean_seconds: 0.25,
        impact: Some(0.5),
        stability: 1.0,
    };
    Evidence {
        version: EVIDENCE_VERSION,
        saved_unix_micros: 1_700_000_000_000_000,
        breakers: vec![breaker.clone(), BreakerEvidence { open_micros: None, ..breaker }],
        latencies: vec![latency.clone(), LatencyEvidence { place: None, shape: None, ..latency }],
        strategies: vec![strategy],
    }
}

#[wasm_bindgen_test]
fn evidence_is_kept() {
    let drawer = Drawer::new("tabpool-test-kept".to_owned());
    assert_eq!(drawer.open(), Ok(None));
    drawer.put(&evidence()).unwrap();
    assert_eq!(drawer.open(), Ok(Some(evidence())));
}

#[track_caller]
fn check_refused(json: &str, reason: &str) {
    let refused = read(json).unwrap_err();
    assert!(refused.contains(reason), "{refused}");
}

#[wasm_bindgen_test]
fn damaged_evidence_is_refused() {
    let json = serde_json::to_string(&evidence()).unwrap();
    check_refused(&json[..json.len() / 2], "not JSON");
    check_refused("null", "'version' is missing");
    check_refused(&json.replace("\"version\":1", "\"version\":2"), "its version is 2");
    check_refused(&json.replace("31.5", "null"), "'weight' is missing");
    check_refused(&json.replace("[5,0]", "[5,null]"), "not a pair");
    check_refused(&json.replace("worker_crash", "sunspots"), "'sunspots' is not known");
}
