//! Values that several unit tests need.

use wire::{Backend, Browser, Outcome, Phases, Precision, RunRecord};

/// A record that differs from others in its id only.
pub(crate) fn record(id: &str) -> RunRecord {
    RunRecord {
        id: id.to_owned(),
        session: None,
        case: None,
        started_unix_micros: 0,
        browser: Browser::default(),
        engine: "tabpool".to_owned(),
        engine_version: "0".to_owned(),
        backend: Backend::Wasm,
        backend_detail: String::new(),
        adapter: None,
        precision: Precision::F32,
        model: "m".to_owned(),
        model_sha256: String::new(),
        shapes: "x:1".to_owned(),
        cold: false,
        connection: 0,
        attempt: 1,
        phases: Phases::default(),
        memory_bytes: 0,
        outcome: Outcome::Ok,
    }
}
