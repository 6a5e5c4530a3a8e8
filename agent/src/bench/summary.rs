//! What a benchmark means: medians with their intervals, cold starts, verdicts, and ratios to a peer.

use serde::Serialize;
use stats::{Bootstrap, Method, Sample, StatsError, Summary, interval};
use wire::Fault;

use crate::bench::browser_run::BrowserRun;
use crate::bench::plan::PlannedCase;
use crate::golden::compare::Check;
use crate::store::{SessionRun, Store, StoreError};

/// Confidence level of every interval, 0–1.
pub(crate) const LEVEL: f64 = 0.95;

/// Our engine's name in records.
pub(crate) const OURS: &str = "tabpool";

/// One case of one engine in one browser.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// Model id.
    pub(crate) model: String,
    /// Golden case, e.g. `1x16`.
    pub(crate) case: String,
    /// Browser name.
    pub(crate) browser: String,
    /// Browser version; empty when unknown.
    pub(crate) browser_version: String,
    /// `tabpool` or a peer.
    pub(crate) engine: String,
    /// Engine version; empty when no run succeeded.
    pub(crate) engine_version: String,
    /// Backend.
    pub(crate) backend: &'static str,
    /// E.g. `relaxed-simd`; empty when no run succeeded.
    pub(crate) backend_detail: String,
    /// Warm runs.
    pub(crate) warm: Option<Warm>,
    /// Cold starts.
    pub(crate) n_cold: usize,
    /// Load and first run, microseconds: the median of the cold starts.
    pub(crate) cold_micros: Option<f64>,
    /// The part of it that decodes and prepares the model, microseconds: its median.
    pub(crate) load_micros: Option<f64>,
    /// The other part, the first run, microseconds: its median.
    pub(crate) first_run_micros: Option<f64>,
    /// The most that the browser's processes held during a cold start over what they held before, bytes: the median of
    /// the cold starts in launches of their own.
    pub(crate) peak_memory_bytes: Option<f64>,
    /// Largest wasm memory after a run, bytes; 0 when unknown.
    pub(crate) memory_bytes: i64,
    /// False for a model that nobody has golden outputs of.
    pub(crate) has_golden: bool,
    /// Comparison of the first run's outputs with the golden ones.
    pub(crate) check: Option<Check>,
    /// Why it failed.
    pub(crate) fault: Option<Fault>,
}

/// Warm runs, warm-up excluded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Warm {
    /// Runs.
    pub(crate) n: usize,
    /// Median, microseconds.
    pub(crate) median_micros: f64,
    /// First quartile, microseconds.
    pub(crate) lower_quartile_micros: f64,
    /// Third quartile, microseconds.
    pub(crate) upper_quartile_micros: f64,
    /// Interval of the median at [`LEVEL`], microseconds; `None` when there are too few runs.
    pub(crate) interval_micros: Option<[f64; 2]>,
}

/// Our time divided by a peer's, same browser, same case, runs interleaved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Ratio {
    /// Model id.
    pub(crate) model: String,
    /// Golden case.
    pub(crate) case: String,
    /// Browser name.
    pub(crate) browser: String,
    /// The other engine.
    pub(crate) peer: String,
    /// Ratio of the warm medians; below 1 we are faster.
    pub(crate) warm: Option<f64>,
    /// Its interval at [`LEVEL`]; `None` when there are too few runs.
    pub(crate) warm_interval: Option<[f64; 2]>,
    /// Ratio of the cold starts' medians.
    pub(crate) cold: Option<f64>,
    /// Ratio of the medians of their loads alone.
    pub(crate) load: Option<f64>,
    /// Ratio of the medians of their first runs alone.
    pub(crate) first_run: Option<f64>,
    /// Ratio of the peak memories.
    pub(crate) memory: Option<f64>,
}

/// Rows in the order of the plan, and ratios where a peer ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Case by case, browser by browser, ours first.
    pub(crate) rows: Vec<Row>,
    /// In the same order.
    pub(crate) ratios: Vec<Ratio>,
}

impl Row {
    /// True when it ran, and its outputs were compared and kept their limits, if there was something to compare with.
    pub(crate) fn is_good(&self) -> bool {
        let is_right = self.check.as_ref().map_or(!self.has_golden, |check| check.ok);
        self.fault.is_none() && self.is_recorded() && is_right
    }

    /// True when the history has a run of it that succeeded.
    pub(crate) fn is_recorded(&self) -> bool {
        self.cold_micros.is_some() || self.warm.is_some()
    }
}

impl Report {
    /// Summarises the runs of the plan in the browsers, as the history has them.
    ///
    /// # Errors
    /// The history cannot be read.
    pub(crate) fn new(
        cases: &[PlannedCase],
        browsers: &[BrowserRun],
        peers: &[&str],
        store: &Store,
    ) -> Result<Self, StoreError> {
        let mut report = Self { rows: Vec::new(), ratios: Vec::new() };
        let mut histories = Vec::new();
        for browser in browsers {
            let mut runs = Vec::new();
            for session in &browser.sessions {
                runs.extend(store.session_runs(session)?);
            }
            histories.push((browser, runs));
        }
        for case in cases {
            for (browser, runs) in &histories {
                let was_tried = |engine: &str| {
                    let key = (case.bench.id.clone(), engine.to_owned());
                    browser.faults.contains_key(&key)
                        || browser.checks.contains_key(&key)
                        || runs_of(runs, case, engine).next().is_some()
                };
                if !was_tried(OURS) {
                    continue;
                }
                report.rows.push(row(case, browser, runs, OURS));
                for peer in peers.iter().filter(|peer| was_tried(peer)) {
                    report.rows.push(row(case, browser, runs, peer));
                    report.ratios.push(ratio(case, browser, runs, peer));
                }
            }
        }
        Ok(report)
    }
}

/// Median, quartiles and interval of warm runs, microseconds; `None` without any run.
pub(crate) fn warm(micros: &[f64]) -> Option<Warm> {
    let sample = Sample::new(micros).ok()?;
    let summary = Summary::of(&sample);
    let interval = interval::median_interval(&sample, LEVEL, method());
    Some(Warm {
        n: summary.n,
        median_micros: summary.median,
        lower_quartile_micros: summary.lower_quartile,
        upper_quartile_micros: summary.upper_quartile,
        interval_micros: bounds(interval),
    })
}

fn row(case: &PlannedCase, browser: &BrowserRun, runs: &[SessionRun], engine: &str) -> Row {
    let key = (case.bench.id.clone(), engine.to_owned());
    let own: Vec<&SessionRun> = runs_of(runs, case, engine).collect();
    let succeeded = own.iter().copied().find(|run| run.fault.is_none());
    let colds = colds(&own);
    Row {
        model: case.bench.model.clone(),
        case: case.case.clone(),
        browser: browser.browser.name.clone(),
        browser_version: browser.browser.version.clone(),
        engine: engine.to_owned(),
        engine_version: succeeded.map(|run| run.engine_version.clone()).unwrap_or_default(),
        backend: case.bench.backend.as_str(),
        backend_detail: succeeded.map(|run| run.backend_detail.clone()).unwrap_or_default(),
        warm: warm(&warm_micros(&own, case)),
        n_cold: colds.len(),
        cold_micros: median(colds.iter().map(|(load, run)| load + run)),
        load_micros: median(colds.iter().map(|&(load, _)| load)),
        first_run_micros: median(colds.iter().map(|&(_, run)| run)),
        peak_memory_bytes: peak_memory(case, browser, engine),
        memory_bytes: own.iter().map(|run| run.memory_bytes).max().unwrap_or(0),
        has_golden: !case.golden.outputs.is_empty(),
        check: browser.checks.get(&key).cloned(),
        fault: browser.faults.get(&key).cloned(),
    }
}

fn ratio(case: &PlannedCase, browser: &BrowserRun, runs: &[SessionRun], peer: &str) -> Ratio {
    let [ours, theirs] = [OURS, peer].map(|engine| runs_of(runs, case, engine).collect::<Vec<_>>());
    let sample = |runs: &[&SessionRun]| Sample::new(&warm_micros(runs, case)).ok();
    let samples = sample(&theirs).zip(sample(&ours));
    let (our_colds, their_colds) = (colds(&ours), colds(&theirs));
    let cold = |part: fn(&(f64, f64)) -> f64| {
        let ours = median(our_colds.iter().map(part));
        ours.zip(median(their_colds.iter().map(part))).map(|(ours, theirs)| ours / theirs)
    };
    let memory = |engine: &str| peak_memory(case, browser, engine);
    Ratio {
        model: case.bench.model.clone(),
        case: case.case.clone(),
        browser: browser.browser.name.clone(),
        peer: peer.to_owned(),
        warm: samples
            .as_ref()
            .map(|(theirs, ours)| ours.median() / theirs.median())
            .filter(|r| r.is_finite()),
        warm_interval: samples
            .as_ref()
            .and_then(|(theirs, ours)| bounds(interval::median_ratio(theirs, ours, LEVEL, method()))),
        cold: cold(|(load, run)| load + run),
        load: cold(|&(load, _)| load),
        first_run: cold(|&(_, run)| run),
        memory: memory(OURS).zip(memory(peer)).map(|(ours, theirs)| ours / theirs),
    }
}

fn runs_of<'a>(
    runs: &'a [SessionRun],
    case: &'a PlannedCase,
    engine: &'a str,
) -> impl Iterator<Item = &'a SessionRun> {
    runs.iter().filter(move |run| run.engine == engine && run.case_id.as_deref() == Some(&case.bench.id))
}

/// Times of the runs after the cold one and the warm-up, microseconds.
fn warm_micros(runs: &[&SessionRun], case: &PlannedCase) -> Vec<f64> {
    let warm = runs.iter().filter(|run| !run.cold).skip(case.bench.n_warmup as usize);
    warm.filter(|run| run.fault.is_none()).filter_map(|run| run.run_micros).collect()
}

/// Load and run of each cold run, microseconds.
fn colds(runs: &[&SessionRun]) -> Vec<(f64, f64)> {
    let succeeded = runs.iter().filter(|run| run.cold && run.fault.is_none());
    succeeded.filter_map(|run| run.load_micros.zip(run.run_micros)).collect()
}

fn peak_memory(case: &PlannedCase, browser: &BrowserRun, engine: &str) -> Option<f64> {
    let peaks = browser.memories.get(&(case.bench.id.clone(), engine.to_owned()))?;
    median(peaks.iter().copied())
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    Sample::new(&values.collect::<Vec<_>>()).ok().map(|sample| sample.median())
}

fn method() -> Method {
    Method::Bootstrap(Bootstrap::default())
}

/// The bounds of an interval, or nothing when the sample is too small for one.
fn bounds(interval: Result<interval::Interval, StatsError>) -> Option<[f64; 2]> {
    interval.ok().map(|interval| [interval.low, interval.high])
}

#[cfg(test)]
mod tests;
