//! Which cases a command line means.

use super::*;
use crate::exit::{Exit, verdict};
use crate::zoo::Cache;

const REPETITIONS: Repetitions = Repetitions { n_warmup: 1, n_runs: 2 };

fn plan_of(models: &[&str], backends: &[Backend]) -> anyhow::Result<Vec<PlannedCase>> {
    let folder = tempfile::tempdir()?;
    let zoo = Zoo::open(&Cache::at(folder.path()))?;
    let models: Vec<String> = models.iter().map(|&id| id.to_owned()).collect();
    plan(&zoo, &golden::built_in()?, &models, backends, REPETITIONS)
}

#[track_caller]
fn check(models: &[&str], backends: &[Backend], expected: &[&str]) {
    let planned = plan_of(models, backends).unwrap();
    assert_eq!(planned.iter().map(|case| case.bench.id.as_str()).collect::<Vec<_>>(), expected);
}

#[test]
fn named_models_run_all_their_cases_on_each_backend() {
    check(&["oww-mel"], &[Backend::Wasm], &["oww-mel/1x16000/wasm"]);
    check(
        &["oww-embedding"],
        &[Backend::Wasm, Backend::Webgpu],
        &[
            "oww-embedding/1x76x32x1/wasm",
            "oww-embedding/1x76x32x1/webgpu",
            "oww-embedding/4x76x32x1/wasm",
            "oww-embedding/4x76x32x1/webgpu",
        ],
    );
}

#[test]
fn without_names_each_model_runs_its_first_case() {
    let planned = plan_of(&[], &[Backend::Wasm]).unwrap();
    let models: std::collections::BTreeSet<&str> =
        planned.iter().map(|case| case.bench.model.as_str()).collect();
    assert_eq!(models.len(), planned.len());
    assert!(models.len() >= 12);
    assert_eq!(planned[0].bench.id, "minilm-l3/1x16/wasm");
    assert_eq!(
        (planned[0].n_rounds(), planned[0].shapes().as_str()),
        (4, "input_ids:1x16,attention_mask:1x16")
    );
}

#[test]
fn unknown_models_and_assets_are_usage_errors() {
    for id in ["nothing", "minilm-tokenizer", "read-text"] {
        let error = plan_of(&[id], &[Backend::Wasm]).unwrap_err();
        assert_eq!(verdict(&error).0, Exit::Usage, "{id}");
    }
}
