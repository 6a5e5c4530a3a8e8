//! Advice: which browser and backend should run a model, and is that sure?

use std::collections::BTreeMap;

use serde::Serialize;
use stats::interval::{MIN_BOOTSTRAP, median_interval};
use stats::severity::DEFAULT_NOISE_FLOOR;
use stats::{Bootstrap, Method, Sample, probability_lowest};

use crate::analysis::trend::{block_noise, blocks};
use crate::bench::summary::LEVEL;
use crate::store::{Point, Series};

/// Latest runs of a choice that count, so that what was long ago does not outvote what is.
const MAX_RUNS: usize = 200;

/// Probability of being best from which a choice is recommended.
const SURE: f64 = 0.95;

/// Share of failed runs from which a choice is no fallback either.
const UNRELIABLE: f64 = 0.5;

/// Times the best choice's time up to which a browser and backend is strong, and from which it is weak.
const STRONG: f64 = 1.05;
const WEAK: f64 = 1.5;

/// Share of failed runs from which it is unreliable.
const OFTEN_FAILS: f64 = 0.02;

/// Age from which advice is called stale, microseconds: two weeks, in which every browser ships a version.
const STALE_MICROS: i64 = 14 * 86_400_000_000;

/// What was measured of one way to run one case.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    /// The way and the case.
    pub(crate) series: Series,
    /// Warm runs that succeeded, oldest first.
    pub(crate) points: Vec<Point>,
    /// Runs that failed.
    pub(crate) n_failed: usize,
}

/// One way to run a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Choice {
    /// Browser name.
    pub(crate) browser: String,
    /// Backend, with its finer description.
    pub(crate) backend: String,
    /// Adapter; empty without one.
    pub(crate) adapter: String,
    /// Runs that succeeded and count.
    pub(crate) n: usize,
    /// Runs that failed.
    pub(crate) n_failed: usize,
    /// Share of runs that failed, 0–1.
    pub(crate) failure_ratio: f64,
    /// Median time, microseconds.
    pub(crate) median_micros: Option<f64>,
    /// Its 95 % interval.
    pub(crate) interval_micros: Option<[f64; 2]>,
    /// Expected time of a run that is repeated until it succeeds, microseconds: what choices are ranked by.
    pub(crate) expected_micros: Option<f64>,
    /// Probability that its expected time is the lowest, 0–1.
    pub(crate) probability_best: Option<f64>,
    /// Start of the latest run, microseconds since the Unix epoch.
    pub(crate) last_unix_micros: Option<i64>,
    /// No run within two weeks.
    pub(crate) is_stale: bool,
    /// Half of its runs failed or more: no fallback.
    pub(crate) is_unreliable: bool,
}

/// What the advice comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Confidence {
    /// The first choice is the best with at least 95 % probability, by more than the noise.
    Sure,
    /// The first ones cannot be told apart.
    Undecided,
    /// Nothing to compare it with.
    OnlyChoice,
    /// Too few runs.
    NotEnoughData,
}

/// Advice for one case on one machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Advice {
    /// Model or pipeline id.
    pub(crate) model: String,
    /// Job family; empty for a model outside the zoo.
    pub(crate) family: String,
    /// Precision of the weights.
    pub(crate) precision: String,
    /// Golden case, or shapes.
    pub(crate) case: String,
    /// Host name; empty for visitors of pages.
    pub(crate) host: String,
    /// CPU model.
    pub(crate) cpu_model: String,
    /// What it comes to.
    pub(crate) confidence: Confidence,
    /// Further runs that some choice needs to be compared at all.
    pub(crate) n_missing: usize,
    /// Best first; what follows the first is the order to fall back in.
    pub(crate) choices: Vec<Choice>,
}

/// How a browser and backend does with a family of models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Profile {
    /// Job family.
    pub(crate) family: String,
    /// Browser name.
    pub(crate) browser: String,
    /// Backend, with its finer description.
    pub(crate) backend: String,
    /// Cases measured here and elsewhere.
    pub(crate) n_cases: usize,
    /// Geometric mean of its expected time over that of the best choice; 1 is always the best.
    pub(crate) times_best: f64,
    /// Runs that succeeded.
    pub(crate) n: usize,
    /// Runs that failed.
    pub(crate) n_failed: usize,
    /// What it is good or bad for, as far as it was compared: `strong`, `weak`, `unreliable`.
    pub(crate) traits: Vec<&'static str>,
}

impl Profile {
    fn find_traits(&mut self) {
        let failure_ratio = self.n_failed as f64 / (self.n + self.n_failed).max(1) as f64;
        let traits = [
            ("strong", self.n_cases > 0 && self.times_best <= STRONG),
            ("weak", self.n_cases > 0 && self.times_best >= WEAK),
            ("unreliable", failure_ratio >= OFTEN_FAILS),
        ];
        self.traits = traits.into_iter().filter(|(_, is_so)| *is_so).map(|(name, _)| name).collect();
    }
}

/// Advice for every case, in the order of the cases' names.
pub(crate) fn advise(
    measured: Vec<Measured>,
    family_of: impl Fn(&str) -> String,
    now_unix_micros: i64,
) -> Vec<Advice> {
    let mut cases: BTreeMap<[String; 6], Vec<Measured>> = BTreeMap::new();
    for one in measured {
        let Series { model, case, precision, host, cpu_model, model_sha256, .. } = one.series.clone();
        cases.entry([model, case, precision, host, cpu_model, model_sha256]).or_default().push(one);
    }
    let advice = |(key, measured): ([String; 6], Vec<Measured>)| {
        let [model, case, precision, host, cpu_model, _] = key;
        let (confidence, n_missing, choices) = rank(attribute_failures(measured), now_unix_micros);
        let family = family_of(&model);
        Advice { model, family, precision, case, host, cpu_model, confidence, n_missing, choices }
    };
    cases.into_iter().map(advice).collect()
}

/// How each browser and backend does with each family, from the advice for their cases.
pub(crate) fn profiles(advice: &[Advice]) -> Vec<Profile> {
    let mut profiles: BTreeMap<(&str, &str, &str), (Profile, f64)> = BTreeMap::new();
    for one in advice.iter().filter(|one| one.choices.len() > 1) {
        let best = one.choices.first().and_then(|choice| choice.expected_micros);
        for choice in &one.choices {
            let key = (one.family.as_str(), choice.browser.as_str(), choice.backend.as_str());
            let (profile, logarithms) = profiles.entry(key).or_insert_with(|| {
                let profile = Profile {
                    family: one.family.clone(),
                    browser: choice.browser.clone(),
                    backend: choice.backend.clone(),
                    n_cases: 0,
                    times_best: 1.0,
                    n: 0,
                    n_failed: 0,
                    traits: Vec::new(),
                };
                (profile, 0.0)
            });
            profile.n += choice.n;
            profile.n_failed += choice.n_failed;
            if let (Some(best), Some(expected)) = (best, choice.expected_micros) {
                profile.n_cases += 1;
                *logarithms += (expected / best).ln();
                profile.times_best = (*logarithms / profile.n_cases as f64).exp();
            }
        }
    }
    let mut profiles: Vec<Profile> = profiles.into_values().map(|(profile, _)| profile).collect();
    profiles.iter_mut().for_each(Profile::find_traits);
    profiles
}

/// A run that never came back does not tell the finer description of its backend: its failure belongs to the choice of the
/// same browser and backend that does.
fn attribute_failures(mut measured: Vec<Measured>) -> Vec<Measured> {
    let backend = |one: &Measured| one.series.backend.split(' ').next().unwrap_or_default().to_owned();
    for index in 0..measured.len() {
        if !measured[index].points.is_empty() {
            continue;
        }
        let failed = &measured[index];
        let owner = measured.iter().position(|one| {
            !one.points.is_empty()
                && one.series.browser == failed.series.browser
                && backend(one) == backend(failed)
        });
        if let Some(owner) = owner {
            measured[owner].n_failed += std::mem::take(&mut measured[index].n_failed);
        }
    }
    measured.retain(|one| !one.points.is_empty() || one.n_failed > 0);
    measured
}

fn rank(measured: Vec<Measured>, now_unix_micros: i64) -> (Confidence, usize, Vec<Choice>) {
    let mut ranked: Vec<(Choice, Vec<Point>)> =
        measured.into_iter().map(|one| choice(one, now_unix_micros)).collect();
    ranked.sort_by(|(left, _), (right, _)| {
        let cost = |choice: &Choice| choice.expected_micros.unwrap_or(f64::INFINITY);
        left.is_unreliable.cmp(&right.is_unreliable).then(cost(left).total_cmp(&cost(right)))
    });
    let n_missing = ranked
        .iter()
        .map(|(choice, _)| MIN_BOOTSTRAP.saturating_sub(choice.n))
        .max()
        .unwrap_or(MIN_BOOTSTRAP);
    // Choices that fail, or of which too little is known, are listed but not compared.
    let comparable: Vec<usize> = (0..ranked.len())
        .filter(|&index| !ranked[index].0.is_unreliable && ranked[index].0.n >= MIN_BOOTSTRAP)
        .collect();
    let samples: Vec<Sample> =
        comparable.iter().filter_map(|&index| Sample::new(&expected(&ranked[index])).ok()).collect();
    let references: Vec<&Sample> = samples.iter().collect();
    if let Ok(probabilities) = probability_lowest(&references, Bootstrap::default()) {
        for (&index, probability) in comparable.iter().zip(probabilities) {
            ranked[index].0.probability_best = Some(probability);
        }
    }
    let confidence = match comparable.as_slice() {
        [] => Confidence::NotEnoughData,
        [_] if ranked.len() == 1 => Confidence::OnlyChoice,
        [0, second, ..] if is_sure(&ranked[0], &ranked[*second]) && n_missing == 0 => Confidence::Sure,
        [0] if ranked[1..].iter().all(|(choice, _)| choice.is_unreliable) => Confidence::Sure,
        _ if n_missing > 0 => Confidence::NotEnoughData,
        _ => Confidence::Undecided,
    };
    (confidence, n_missing, ranked.into_iter().map(|(choice, _)| choice).collect())
}

/// True when the first choice is better than the second by probability, and by more than campaigns differ anyway.
fn is_sure(first: &(Choice, Vec<Point>), second: &(Choice, Vec<Point>)) -> bool {
    let noise = |points: &[Point]| {
        let blocks = blocks(points).unwrap_or_default();
        block_noise(&blocks, (blocks.len(), blocks.len())).unwrap_or(0.0)
    };
    let floor = noise(&first.1).max(noise(&second.1)).max(DEFAULT_NOISE_FLOOR);
    let gap =
        second.0.expected_micros.zip(first.0.expected_micros).map(|(second, first)| second / first - 1.0);
    first.0.probability_best.is_some_and(|probability| probability >= SURE)
        && gap.is_some_and(|gap| gap > floor)
}

fn choice(measured: Measured, now_unix_micros: i64) -> (Choice, Vec<Point>) {
    let Measured { series, points, n_failed } = measured;
    let n_succeeded = points.len();
    let failure_ratio = n_failed as f64 / (n_failed + n_succeeded).max(1) as f64;
    let latest = points[n_succeeded.saturating_sub(MAX_RUNS)..].to_vec();
    let micros: Vec<f64> = latest.iter().map(|point| point.micros).collect();
    let sample = Sample::new(&micros).ok();
    let median = sample.as_ref().map(Sample::median);
    let interval = sample
        .and_then(|sample| median_interval(&sample, LEVEL, Method::Bootstrap(Bootstrap::default())).ok());
    let last = points.last().map(|point| point.started_unix_micros);
    let choice = Choice {
        browser: series.browser,
        backend: series.backend,
        adapter: series.adapter,
        n: latest.len(),
        n_failed,
        failure_ratio,
        median_micros: median,
        interval_micros: interval.map(|interval| [interval.low, interval.high]),
        expected_micros: median.map(|median| median / (1.0 - failure_ratio)),
        probability_best: None,
        last_unix_micros: last,
        is_stale: last.is_none_or(|last| now_unix_micros - last > STALE_MICROS),
        is_unreliable: failure_ratio >= UNRELIABLE,
    };
    (choice, latest)
}

/// Times that include the repetition of failed runs, microseconds.
fn expected((choice, points): &(Choice, Vec<Point>)) -> Vec<f64> {
    points.iter().map(|point| point.micros / (1.0 - choice.failure_ratio)).collect()
}

#[cfg(test)]
mod tests;
