//! One model in several precisions: how much faster, and at what price in its outputs.

use std::collections::BTreeMap;

use serde::Serialize;
use stats::probability_lowest;

use super::{Advice, N_DRAWS, SEED, SURE, expected};
use crate::golden::{Case, Golden};

/// Endings of ids that name a precision; without one the id is that of the model itself.
const ENDINGS: [&str; 7] = ["-f32", "-f16", "-fp16", "-int8", "-int4", "-int3", "-int2"];

/// The precisions of one model for one case on one machine, each where it is fastest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Precisions {
    /// The model without a precision, e.g. `minilm-l6`.
    pub(crate) model: String,
    /// Golden case, or shapes.
    pub(crate) case: String,
    /// Host name; empty for visitors of pages.
    pub(crate) host: String,
    /// The first is the fastest with at least 95 % probability.
    pub(crate) is_sure: bool,
    /// The fastest first.
    pub(crate) choices: Vec<PrecisionChoice>,
}

/// One precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PrecisionChoice {
    /// Model id.
    pub(crate) model: String,
    /// Precision of the weights.
    pub(crate) precision: String,
    /// Where it is fastest: browser and backend.
    pub(crate) place: String,
    /// Expected time there, microseconds.
    pub(crate) expected_micros: f64,
    /// Its time divided by that of the fastest.
    pub(crate) times_best: f64,
    /// Probability that it is the fastest, 0–1.
    pub(crate) probability_best: f64,
    /// Cosine between its expected outputs and those of full precision for the same inputs; none for full precision, and where
    /// no such outputs are stored.
    pub(crate) cosine_to_f32: Option<f64>,
}

/// Compares the precisions of every model that was measured in more than one, each in its best choice.
pub(crate) fn precisions(advice: &[Advice], goldens: &[Golden]) -> Vec<Precisions> {
    let mut groups: BTreeMap<[&str; 4], Vec<&Advice>> = BTreeMap::new();
    for one in advice.iter().filter(|one| one.choices.first().and_then(expected).is_some()) {
        let key = [base(&one.model), &one.case, &one.host, &one.cpu_model];
        groups.entry(key).or_default().push(one);
    }
    let is_comparison = |group: &&Vec<&Advice>| group.iter().any(|one| one.precision != group[0].precision);
    groups.values().filter(is_comparison).map(|group| compare(group, goldens)).collect()
}

/// The id without the ending that names a precision.
fn base(model: &str) -> &str {
    ENDINGS.iter().find_map(|ending| model.strip_suffix(ending)).unwrap_or(model)
}

fn compare(group: &[&Advice], goldens: &[Golden]) -> Precisions {
    let levels: Vec<_> = group.iter().filter_map(|one| one.choices.first().and_then(expected)).collect();
    let probabilities = probability_lowest(&levels, N_DRAWS, SEED);
    let full = group.iter().find(|one| one.precision == "f32");
    let mut choices: Vec<PrecisionChoice> = group
        .iter()
        .zip(probabilities)
        .filter_map(|(one, probability_best)| {
            let best = one.choices.first()?;
            Some(PrecisionChoice {
                model: one.model.clone(),
                precision: one.precision.clone(),
                place: format!("{} {}", best.browser, best.backend),
                expected_micros: best.expected_micros?,
                times_best: 1.0,
                probability_best,
                cosine_to_f32: full
                    .filter(|full| full.model != one.model)
                    .and_then(|full| cosine(goldens, [&full.model, &one.model], &one.case)),
            })
        })
        .collect();
    choices.sort_by(|left, right| left.expected_micros.total_cmp(&right.expected_micros));
    let best = choices.first().map_or(1.0, |choice| choice.expected_micros);
    choices.iter_mut().for_each(|choice| choice.times_best = choice.expected_micros / best);
    Precisions {
        model: base(&group[0].model).to_owned(),
        case: group[0].case.clone(),
        host: group[0].host.clone(),
        is_sure: choices.first().is_some_and(|choice| choice.probability_best >= SURE),
        choices,
    }
}

/// Cosine between the stored outputs of two models for a case whose inputs are the same.
fn cosine(goldens: &[Golden], models: [&str; 2], case: &str) -> Option<f64> {
    let find = |model: &str| -> Option<&Case> {
        goldens.iter().find(|golden| golden.model == model)?.cases.iter().find(|one| one.id == case)
    };
    let [left, right] = models.map(find);
    let (left, right) = (left?, right?);
    let outputs = |case: &Case| -> Vec<f64> {
        case.outputs.iter().flat_map(|output| output.values.iter().copied()).collect()
    };
    let is_same_question = left.inputs == right.inputs
        && left.outputs.len() == right.outputs.len()
        && left
            .outputs
            .iter()
            .zip(&right.outputs)
            .all(|(one, other)| (&one.header, one.stride) == (&other.header, other.stride));
    let (left, right) = (outputs(left), outputs(right));
    let product = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(x, y)| x * y).sum::<f64>();
    is_same_question
        .then(|| product(&left, &right) / (product(&left, &left) * product(&right, &right)).sqrt())
}
