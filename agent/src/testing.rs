//! Values that several unit tests need.

use std::sync::Arc;

use wire::{Backend, BenchCase, Browser, Outcome, Phases, Precision, RunRecord};

use crate::bench::plan::PlannedCase;
use crate::golden::{Case, Limits};
use crate::store::NewCampaign;

/// A golden file with one case, whose output keeps every second element.
pub(crate) const GOLDEN: &str = r#"{
  "model": "tiny", "made_by": "test",
  "sha256": "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16",
  "cases": [{
    "id": "1x2",
    "inputs": [{"name": "x", "dtype": "int64", "dims": [1, 2], "fill": {"values": [1, 2]}}],
    "outputs": [{"name": "y", "dtype": "float32", "dims": [1, 5], "stride": 2, "values": [0.5, 1.5, 2.5]}],
    "limits": {"max_abs_ratio": 1e-4, "cosine": 0.9999}
  }]
}"#;

/// The session of [`record`].
pub(crate) const SESSION: &str = "1-chromium-1";

/// A successful warm run of `model` in [`SESSION`] that started `started` microseconds after the epoch.
pub(crate) fn record(model: &str, started: i64, run_micros: u64) -> RunRecord {
    RunRecord {
        id: format!("{model} {started}"),
        session: Some(SESSION.to_owned()),
        case: Some(format!("{model}/1/wasm")),
        started_unix_micros: started,
        browser: browser(),
        engine: "tabpool".to_owned(),
        engine_version: "0".to_owned(),
        backend: Backend::Wasm,
        backend_detail: "simd128".to_owned(),
        adapter: None,
        precision: Precision::F32,
        model: model.to_owned(),
        model_sha256: String::new(),
        shapes: "x:1".to_owned(),
        cold: false,
        connection: 1,
        attempt: 1,
        phases: Phases {
            run_micros: Some(run_micros),
            total_micros: Some(run_micros + 7),
            ..Phases::default()
        },
        memory_bytes: 65_536,
        outcome: Outcome::Ok,
    }
}

/// The browser of [`record`].
pub(crate) fn browser() -> Browser {
    Browser { name: "chromium".to_owned(), version: "1.2.3".to_owned(), user_agent: String::new() }
}

/// A campaign on a machine without a name.
pub(crate) fn campaign() -> NewCampaign {
    NewCampaign {
        started_unix_micros: 1,
        label: Some("test".to_owned()),
        git_commit: None,
        host: "h".to_owned(),
        cpu_model: "c".to_owned(),
        n_cpus: 2,
        load_before: Some(0.5),
    }
}

/// A case of `model` with one warm-up and two measured runs.
pub(crate) fn planned_case(model: &str) -> PlannedCase {
    PlannedCase {
        bench: BenchCase {
            id: format!("{model}/1/wasm"),
            model: model.to_owned(),
            backend: Backend::Wasm,
            inputs: Vec::new(),
            n_warmup: 1,
            n_runs: 2,
        },
        golden: Arc::new(Case {
            id: "1".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            limits: Limits { max_abs_ratio: 0.0, cosine: 1.0 },
        }),
        case: "1".to_owned(),
        sha256: String::new(),
        precision: Precision::F32,
    }
}
