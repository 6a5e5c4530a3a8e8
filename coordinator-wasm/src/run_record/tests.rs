//! What serde reads of a record. Runs in a browser: it needs JavaScript objects.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use wasm_bindgen_test::wasm_bindgen_test;
use wire::{FaultCategory, Outcome, RunRecord};

use super::*;
use crate::object::to_json;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

fn read(attempt: &Attempt, fault: Option<&Fault>) -> RunRecord {
    let [name, version, user_agent] = ["firefox", "153", "Mozilla"].map(str::to_owned);
    let origin = Origin { session: Some("s".to_owned()), browser: Browser { name, version, user_agent } };
    let subject = Subject {
        model: "m".to_owned(),
        sha256: "ab".to_owned(),
        precision: Precision::F32,
        backend: Backend::Webgpu,
        case: None,
        shapes: "x:1x16".to_owned(),
        started_unix_micros: 1_700_000_000_000_000,
    };
    let record = run_record(&origin, &subject, attempt, 9, fault);
    serde_json::from_str(&to_json(&record).unwrap()).unwrap()
}

#[wasm_bindgen_test]
fn every_field_is_read() {
    let adapter = Adapter { vendor: "google".to_owned(), is_fallback: true, ..Adapter::default() };
    let attempt = Attempt {
        number: 2,
        connection: 3,
        backend: Some(Backend::Wasm),
        variant: None,
        n_jobs: 1,
        backend_detail: "relaxed-simd".to_owned(),
        adapter: Some(adapter.clone()),
        cold: Some(Phases { load_micros: Some(4), ..Phases::default() }),
        queue_micros: Some(5),
        run_micros: Some(6),
        memory_bytes: 7,
    };
    let record = read(&attempt, None);
    assert_eq!(record.id.len(), 36);
    assert_eq!(
        record,
        RunRecord {
            id: record.id.clone(),
            session: Some("s".to_owned()),
            case: None,
            started_unix_micros: 1_700_000_000_000_000,
            browser: record.browser.clone(),
            engine: "tabpool".to_owned(),
            engine_version: env!("CARGO_PKG_VERSION").to_owned(),
            backend: Backend::Wasm,
            backend_detail: "relaxed-simd".to_owned(),
            adapter: Some(adapter),
            precision: Precision::F32,
            model: "m".to_owned(),
            model_sha256: "ab".to_owned(),
            shapes: "x:1x16".to_owned(),
            cold: true,
            connection: 3,
            attempt: 2,
            phases: Phases {
                queue_micros: Some(5),
                load_micros: Some(4),
                run_micros: Some(6),
                total_micros: Some(9),
                ..Phases::default()
            },
            memory_bytes: 7,
            outcome: Outcome::Ok,
        }
    );
}

#[wasm_bindgen_test]
fn shared_calls_and_variants_are_told() {
    let variant = Some(("small".to_owned(), "cd".to_owned(), Precision::Int8));
    let fault = Fault::new(FaultCategory::OutOfMemory, "out-of-memory", "no room");
    let record = read(&Attempt { n_jobs: 4, variant, ..Attempt::default() }, Some(&fault));
    assert_eq!((record.shapes.as_str(), record.model.as_str()), ("x:1x16@4", "small"));
    assert_eq!((record.model_sha256.as_str(), record.precision), ("cd", Precision::Int8));
    assert_eq!((record.backend, record.adapter, record.cold), (Backend::Webgpu, None, false));
    assert_eq!(record.outcome, Outcome::Failed { fault });
}
