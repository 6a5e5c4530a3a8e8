//! Values that several unit tests need.

use std::sync::Arc;

use wire::{
    Backend, BenchCase, Browser, DType, EventRecord, EventSource, Outcome, Phases, PoolEvent, Precision,
    RunRecord, TensorHeader,
};

use crate::bench::plan::PlannedCase;
use crate::golden::{Case, Limits, Output};
use crate::store::{Ending, NewCampaign, Series, Store};

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

/// An event of a page's pool in [`SESSION`], `at` microseconds after the epoch.
pub(crate) fn event_record(at: i64, event: PoolEvent) -> EventRecord {
    EventRecord {
        id: format!("event {at}"),
        session: Some(SESSION.to_owned()),
        at_unix_micros: at,
        source: EventSource::Page,
        browser: browser(),
        connection: Some(1),
        event,
    }
}

/// A pool that grew by one, for `reason`.
pub(crate) fn scaled(reason: &str) -> PoolEvent {
    PoolEvent::Scaled {
        from: 1,
        to: 2,
        reason: reason.to_owned(),
        utilization: 1.0,
        n_queued: 7,
        queue_delay_micros: 2_500_000,
        memory_ratio: 0.41,
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
        branch: Some("main".to_owned()),
        host: "h".to_owned(),
        cpu_model: "c".to_owned(),
        n_cpus: 2,
        load_before: Some(0.5),
        is_experiment: false,
    }
}

/// A series of no history.
pub(crate) fn series(model: &str) -> Series {
    Series {
        id: 1,
        model: model.to_owned(),
        model_sha256: String::new(),
        case: "1".to_owned(),
        precision: "f32".to_owned(),
        browser: "chromium".to_owned(),
        backend: "wasm simd128".to_owned(),
        adapter: String::new(),
        host: "h".to_owned(),
        cpu_model: "c".to_owned(),
    }
}

/// `n` made-up times around `level` microseconds with a relative spread, the same ones for the same seed.
pub(crate) fn synthetic_micros(seed: u64, n: usize, level: f64, spread: f64) -> Vec<f64> {
    let mut random = stats::Random::new(seed);
    (0..n).map(|_| level * (1.0 + spread * random.normal())).collect()
}

/// A history with one finished campaign of made-up warm runs of `tiny` per list, an hour apart, since the epoch.
pub(crate) fn synthetic_history(campaigns: &[Vec<f64>]) -> Store {
    let store = Store::in_memory().expect("a store");
    for (index, micros) in campaigns.iter().enumerate() {
        add_synthetic_campaign(&store, "test", index, &[("tiny", micros)]);
    }
    store
}

/// Adds a campaign `hours` after the epoch with made-up warm runs of models, and returns its id. An empty label is none.
pub(crate) fn add_synthetic_campaign(
    store: &Store,
    label: &str,
    hours: usize,
    models: &[(&str, &[f64])],
) -> i64 {
    let start = hours as i64 * 3_600_000_000 + 1;
    let label = (!label.is_empty()).then(|| label.to_owned());
    let id = store
        .begin_campaign(&NewCampaign { started_unix_micros: start, label, ..campaign() })
        .expect("a campaign");
    let session = format!("{id}-chromium-1");
    store.begin_session(&session, id, &browser(), start).expect("a session");
    for (model, micros) in models {
        let record = |(index, micros): (usize, &f64)| {
            let started = start + 1_000_000 * (1 + index as i64);
            RunRecord { session: Some(session.clone()), ..record(model, started, *micros as u64) }
        };
        let records: Vec<RunRecord> = micros.iter().enumerate().map(record).collect();
        store.insert(&records, start).expect("records");
    }
    store.end_session(&session, Ending::Finished, 0, start + 3_000_000_000).expect("a session");
    store.end_campaign(id, start + 3_000_000_000, None).expect("a campaign");
    id
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
            outputs: vec![Output {
                header: TensorHeader { name: "y".to_owned(), dtype: DType::Float32, dims: vec![1] },
                stride: 1,
                values: vec![0.0],
            }],
            limits: Limits { max_abs_ratio: 0.0, cosine: 1.0 },
        }),
        case: "1".to_owned(),
        sha256: String::new(),
        precision: Precision::F32,
    }
}
