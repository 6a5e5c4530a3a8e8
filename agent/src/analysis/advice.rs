//! Advice: which browser and backend should run a model, and is that sure?

mod precision;
mod profile;

use std::collections::BTreeMap;

use serde::Serialize;
use stats::severity::DEFAULT_NOISE_FLOOR;
use stats::{History, Level, Sample, Spread, StatsError, probability_lowest};

use crate::analysis::trend::{Block, blocks, medians};
use crate::analysis::words;
use crate::bench::summary::LEVEL;
use crate::store::{Point, Series};
pub(crate) use precision::{Precisions, precisions};
pub(crate) use profile::{Profile, profiles};

/// Latest campaigns of a choice, or days of visitors, that count, so that what was long ago does not outvote what is.
const MAX_BLOCKS: usize = 10;

/// Fewest runs of a choice that is compared.
const MIN_RUNS: usize = 5;

/// Probability of being best from which a choice is recommended.
const SURE: f64 = 0.95;

/// Draws behind a probability, and their seed.
const N_DRAWS: usize = 4_000;
const SEED: u64 = 1;

/// Share of failed runs from which a choice is no fallback either.
const UNRELIABLE: f64 = 0.5;

/// Age from which advice is called stale, microseconds: two weeks, in which every browser ships a version.
const STALE_MICROS: i64 = 14 * 86_400_000_000;

/// What was measured of one way to run one case.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Measured {
    /// The way and the case.
    pub(crate) series: Series,
    /// Warm runs that succeeded, oldest first.
    pub(crate) points: Vec<Point>,
    /// Medians of what was rolled up, by campaign and day, oldest first.
    pub(crate) rolled_up: Vec<Point>,
    /// Runs that succeeded behind those.
    pub(crate) n_rolled_up: usize,
    /// Runs that failed, also those that were rolled up.
    pub(crate) n_failed: usize,
    /// What was found to be the fastest for this browser and adapter: variants of kernels, by kernel and class of shapes.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Measured {
    fn succeeded(&self) -> bool {
        !self.points.is_empty() || self.n_rolled_up > 0
    }
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
    /// Variants of kernels that are the fastest there, by kernel and class of shapes; empty where nothing was tuned.
    pub(crate) settings: BTreeMap<String, String>,
    /// Runs that succeeded.
    pub(crate) n: usize,
    /// Campaigns, or days of visitors, whose runs count: the latest.
    pub(crate) n_campaigns: usize,
    /// Runs that failed.
    pub(crate) n_failed: usize,
    /// Share of runs that failed, 0–1.
    pub(crate) failure_ratio: f64,
    /// Median time, microseconds; of several campaigns the geometric mean of their medians.
    pub(crate) median_micros: Option<f64>,
    /// Its 95 % interval, which allows for the noise between campaigns; none for too few runs.
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
    /// Doubts about its latest runs.
    pub(crate) warnings: Vec<String>,
    #[serde(skip)]
    pub(crate) level: Option<Level>,
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

impl Advice {
    /// True when the first choice is recommended.
    fn is_sure(&self) -> bool {
        self.confidence == Confidence::Sure
    }
}

/// Advice for every case, in the order of the cases' names.
///
/// # Errors
/// A time that is not positive.
pub(crate) fn advise(
    measured: Vec<Measured>,
    family_of: impl Fn(&str) -> String,
    now_unix_micros: i64,
) -> Result<Vec<Advice>, StatsError> {
    let mut cases: BTreeMap<[String; 6], Vec<Measured>> = BTreeMap::new();
    for one in measured {
        let Series { model, case, precision, host, cpu_model, model_sha256, .. } = one.series.clone();
        cases.entry([model, case, precision, host, cpu_model, model_sha256]).or_default().push(one);
    }
    let advice = |(key, measured): ([String; 6], Vec<Measured>)| {
        let [model, case, precision, host, cpu_model, _] = key;
        let (confidence, n_missing, choices) = rank(attribute_failures(measured), now_unix_micros)?;
        let family = family_of(&model);
        Ok(Advice { model, family, precision, case, host, cpu_model, confidence, n_missing, choices })
    };
    cases.into_iter().map(advice).collect()
}

/// A run that never came back does not tell the finer description of its backend: its failure belongs to the choice of the
/// same browser and backend that does.
fn attribute_failures(mut measured: Vec<Measured>) -> Vec<Measured> {
    let backend = |one: &Measured| one.series.backend.split(' ').next().unwrap_or_default().to_owned();
    for index in 0..measured.len() {
        if measured[index].succeeded() {
            continue;
        }
        let failed = &measured[index];
        let owner = measured.iter().position(|one| {
            one.succeeded() && one.series.browser == failed.series.browser && backend(one) == backend(failed)
        });
        if let Some(owner) = owner {
            measured[owner].n_failed += std::mem::take(&mut measured[index].n_failed);
        }
    }
    measured.retain(|one| one.succeeded() || one.n_failed > 0);
    measured
}

fn rank(
    measured: Vec<Measured>,
    now_unix_micros: i64,
) -> Result<(Confidence, usize, Vec<Choice>), StatsError> {
    let mut ranked = Vec::with_capacity(measured.len());
    for one in measured {
        ranked.push(choice(one, now_unix_micros)?);
    }
    ranked.sort_by(|left, right| {
        let cost = |choice: &Choice| choice.expected_micros.unwrap_or(f64::INFINITY);
        left.is_unreliable.cmp(&right.is_unreliable).then(cost(left).total_cmp(&cost(right)))
    });
    let n_missing = ranked.iter().map(|choice| MIN_RUNS.saturating_sub(choice.n)).max().unwrap_or(MIN_RUNS);
    // Choices that fail, or of which too little is known, are listed but not compared.
    let is_comparable = |choice: &Choice| !choice.is_unreliable && choice.n >= MIN_RUNS;
    let (comparable, levels): (Vec<usize>, Vec<Level>) = ranked
        .iter()
        .enumerate()
        .filter(|(_, choice)| is_comparable(choice))
        .filter_map(|(index, choice)| Some((index, expected(choice)?)))
        .unzip();
    for (&index, probability) in comparable.iter().zip(probability_lowest(&levels, N_DRAWS, SEED)) {
        ranked[index].probability_best = Some(probability);
    }
    let confidence = match comparable.as_slice() {
        [] => Confidence::NotEnoughData,
        [_] if ranked.len() == 1 => Confidence::OnlyChoice,
        [0, second, ..] if is_sure(&ranked[0], &ranked[*second]) && n_missing == 0 => Confidence::Sure,
        [0] if ranked[1..].iter().all(|choice| choice.is_unreliable) => Confidence::Sure,
        _ if n_missing > 0 => Confidence::NotEnoughData,
        _ => Confidence::Undecided,
    };
    Ok((confidence, n_missing, ranked))
}

/// True when the first choice is better than the second by probability, and by enough to matter.
fn is_sure(first: &Choice, second: &Choice) -> bool {
    let gap = second.expected_micros.zip(first.expected_micros).map(|(second, first)| second / first - 1.0);
    first.probability_best.is_some_and(|probability| probability >= SURE)
        && gap.is_some_and(|gap| gap > DEFAULT_NOISE_FLOOR)
}

fn choice(measured: Measured, now_unix_micros: i64) -> Result<Choice, StatsError> {
    let Measured { series, points, rolled_up, n_rolled_up, n_failed, settings } = measured;
    let measured = blocks(&points)?;
    let n_latest = measured.last().map_or(0, |block| block.n);
    let mut blocks = [blocks(&rolled_up)?, measured].concat();
    // Campaigns with a label are never rolled up: they may be older than what is.
    blocks.sort_by_key(|block| block.started_unix_micros);
    let n_succeeded = points.len() + n_rolled_up;
    let failure_ratio = n_failed as f64 / (n_failed + n_succeeded).max(1) as f64;
    let latest = &blocks[blocks.len().saturating_sub(MAX_BLOCKS)..];
    let level = level(&blocks, latest)?;
    let interval = level.map(|level| level.interval(LEVEL)).transpose()?;
    let median = interval.map(|interval| interval.estimate);
    let last = points.last().or(rolled_up.last());
    let last = last.map(|point| point.started_unix_micros);
    let runs: Vec<f64> = points[points.len() - n_latest..].iter().map(|point| point.micros).collect();
    let warnings: Vec<_> = Sample::new(&runs).iter().flat_map(stats::warnings).collect();
    Ok(Choice {
        browser: series.browser,
        backend: series.backend,
        adapter: series.adapter,
        settings,
        n: n_succeeded,
        n_campaigns: latest.len(),
        n_failed,
        failure_ratio,
        median_micros: median,
        interval_micros: interval
            .filter(|_| n_succeeded >= MIN_RUNS)
            .map(|interval| [interval.low, interval.high]),
        expected_micros: median.map(|median| median / (1.0 - failure_ratio)),
        probability_best: None,
        last_unix_micros: last,
        is_stale: last.is_none_or(|last| now_unix_micros - last > STALE_MICROS),
        is_unreliable: failure_ratio >= UNRELIABLE,
        warnings: words(&warnings),
        level,
    })
}

/// The level of the latest blocks; how far blocks lie apart is what all of them tell.
fn level(all: &[Block], latest: &[Block]) -> Result<Option<Level>, StatsError> {
    if latest.is_empty() {
        return Ok(None);
    }
    let spread = Spread::of(&History::of(&medians(all))?, &[]);
    Ok(Some(Level::of(&medians(latest), spread)?))
}

/// The level of times that include the repetition of failed runs.
fn expected(choice: &Choice) -> Option<Level> {
    Some(choice.level?.times(1.0 / (1.0 - choice.failure_ratio)))
}

#[cfg(test)]
mod tests;
