//! Chooses the cases of a benchmark: golden cases of the zoo's models, on each backend.

use std::sync::Arc;

use wire::{Backend, BenchCase, Precision};

use crate::exit::Failure;
use crate::golden::{self, Golden};
use crate::zoo::Zoo;
use crate::zoo::manifest::{Entry, EntryKind};

/// One case with everything known about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedCase {
    /// What the page is asked for.
    pub(crate) bench: BenchCase,
    /// Inputs and expected outputs.
    pub(crate) golden: Arc<golden::Case>,
    /// Id of the golden case, e.g. `1x16`.
    pub(crate) case: String,
    /// Lower-case hex SHA-256 of the model.
    pub(crate) sha256: String,
    /// Precision of the model's weights.
    pub(crate) precision: Precision,
}

/// How often each case runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repetitions {
    /// Runs after the cold one that are no part of the summary.
    pub(crate) n_warmup: u32,
    /// Measured runs.
    pub(crate) n_runs: u32,
}

impl PlannedCase {
    /// The same case, loaded and run once.
    pub(crate) fn cold(&self) -> Self {
        let mut cold = self.clone();
        (cold.bench.n_warmup, cold.bench.n_runs) = (0, 0);
        cold
    }

    /// Runs of one engine: the cold one, the warm-up, the measured ones.
    pub(crate) fn n_rounds(&self) -> u32 {
        1 + self.bench.n_warmup + self.bench.n_runs
    }

    /// Input shapes as records have them, e.g. `input_ids:1x16,attention_mask:1x16`.
    pub(crate) fn shapes(&self) -> String {
        self.bench.inputs.iter().map(wire::TensorHeader::shape_text).collect::<Vec<_>>().join(",")
    }
}

/// The cases to run: every golden case of the named models, or the first one of each model of the zoo.
///
/// # Errors
/// A name that no model has, or a model whose outputs nothing could be compared with.
pub(crate) fn plan(
    zoo: &Zoo,
    goldens: &[Golden],
    models: &[String],
    backends: &[Backend],
    repetitions: Repetitions,
) -> anyhow::Result<Vec<PlannedCase>> {
    let mut chosen: Vec<(&Entry, &[golden::Case])> = Vec::new();
    if models.is_empty() {
        for entry in zoo.entries() {
            if let Some(golden) = goldens.iter().find(|golden| golden.model == entry.id) {
                chosen.push((entry, golden.cases.get(..1).unwrap_or_default()));
            }
        }
    }
    for id in models {
        let entry =
            zoo.entry(id).filter(|entry| matches!(entry.kind, EntryKind::Model(_))).ok_or_else(|| {
                Failure::usage(format!("there is no model {id:?}")).hint("see `tabpool model list`")
            })?;
        let golden = goldens.iter().find(|golden| golden.model == *id).ok_or_else(|| {
            Failure::usage(format!("{id} has no golden outputs to compare with"))
                .hint("of the zoo bench only measures what it can check; goldens are in agent/goldens")
        })?;
        chosen.push((entry, &golden.cases));
    }
    let mut planned = Vec::new();
    for (entry, cases) in chosen {
        let EntryKind::Model(facts) = &entry.kind else { continue };
        for case in cases {
            for &backend in backends {
                planned.push(PlannedCase {
                    bench: BenchCase {
                        id: format!("{}/{}/{}", entry.id, case.id, backend.as_str()),
                        model: entry.id.clone(),
                        backend,
                        inputs: case.inputs.iter().map(|input| input.header.clone()).collect(),
                        n_warmup: repetitions.n_warmup,
                        n_runs: repetitions.n_runs,
                    },
                    golden: Arc::new(case.clone()),
                    case: case.id.clone(),
                    sha256: entry.sha256.clone(),
                    precision: facts.precision,
                });
            }
        }
    }
    Ok(planned)
}

#[cfg(test)]
mod tests;
