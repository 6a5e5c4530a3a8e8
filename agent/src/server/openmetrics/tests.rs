//! Both formats, of made-up runs.

use wire::{Fault, FaultCategory, Outcome, Phases, RunRecord};

use super::*;
use crate::store::Store;
use crate::testing::{add_synthetic_campaign, record};

fn meters() -> Vec<Meter> {
    let store = Store::in_memory().unwrap();
    add_synthetic_campaign(&store, "test", 0, &[("tiny", &[900.0, 5_000.0, 20_000_000.0])]);
    let fault = Fault::new(FaultCategory::Timeout, "run-timeout", "run took too long");
    let odd = RunRecord {
        session: None,
        case: None,
        shapes: "x:\"1\\\n".to_owned(),
        outcome: Outcome::Failed { fault },
        phases: Phases::default(),
        ..record("tiny", 9, 0)
    };
    store.insert(&[odd], 0).unwrap();
    store.meters().unwrap()
}

#[test]
fn formats() {
    insta::assert_snapshot!("openmetrics", render(&meters(), 4096, Format::OpenMetrics));
    insta::assert_snapshot!("prometheus", render(&meters(), 4096, Format::Prometheus));
}

#[test]
fn an_empty_history_has_families_without_samples() {
    let text = render(&[], 4096, Format::OpenMetrics);
    assert!(text.ends_with("tabpool_history_bytes 4096\n# EOF\n") && !text.contains("tabpool_runs_total"));
}
