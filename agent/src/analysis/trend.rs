//! Trends: since when is a series slower or faster, by how much, and is that sure?

use std::ops::Range;

use serde::Serialize;
use stats::change::{MIN_AFTER, MIN_BEFORE};
use stats::drift::mann_kendall;
use stats::quality::MIN_AUTOCORRELATION;
use stats::severity::DEFAULT_NOISE_FLOOR;
use stats::{
    Better, Detector, DetectorConfig, History, Interval, Sample, Spread, StatsError, benjamini_hochberg,
    drift, grade,
};

use crate::analysis::{ALPHA, Graded, NOISE_FLOOR, words};
use crate::bench::summary::LEVEL;
use crate::store::{Metric, Point, Series};

/// A day, microseconds.
const DAY_MICROS: i64 = 86_400_000_000;

/// Blocks foretold by those before them from which the noise between blocks counts as measured.
const MIN_FORETOLD: usize = 9;

/// Most values the detector gets of one series, blocks aside: it looks no further back than about as many.
const MAX_VALUES: usize = 2_000;

/// Consecutive measurements made together: a campaign, or what one UTC day's visitors did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Block {
    /// Start of the first, microseconds since the Unix epoch.
    pub(crate) started_unix_micros: i64,
    /// Campaign.
    pub(crate) campaign: Option<i64>,
    /// Measurements.
    pub(crate) n: usize,
    /// Their median, microseconds.
    pub(crate) median_micros: f64,
}

/// How a level changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    /// From one run to the next.
    Step,
    /// Slowly, since the last step.
    Drift,
}

/// A level and how many measurements show it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Level {
    /// Measurements.
    pub(crate) n: usize,
    /// Their median, microseconds.
    pub(crate) median_micros: f64,
    /// Start of the first, microseconds since the Unix epoch.
    pub(crate) first_unix_micros: i64,
    /// Start of the last.
    pub(crate) last_unix_micros: i64,
}

/// Something that may be a change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// How it changed.
    pub(crate) shape: Shape,
    /// The level before; of a drift, its first half.
    pub(crate) before: Level,
    /// The level after; of a drift, its second half.
    pub(crate) after: Level,
    /// Starts of the runs between which a step lies with 95 % confidence.
    pub(crate) between_unix_micros: [i64; 2],
    /// New level divided by old level, and its interval.
    pub(crate) ratio: f64,
    /// Bounds of the interval.
    pub(crate) ratio_interval: [f64; 2],
    /// Probability that noise looks like this anywhere in the series.
    pub(crate) p_value: f64,
    /// The same for the family of all series that were asked about.
    pub(crate) adjusted_p_value: f64,
    /// Relative effect that noise between campaigns has in 1 % of series.
    pub(crate) noise_floor: f64,
    /// What it amounts to; none when it is not significant, or within the noise.
    pub(crate) graded: Option<Graded>,
    /// Later changes took it back.
    pub(crate) is_over: bool,
    #[serde(skip)]
    interval: Option<Interval>,
}

/// One metric of one series, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Trend {
    /// What is measured.
    pub(crate) metric: Metric,
    /// Of what.
    #[serde(flatten)]
    pub(crate) series: Series,
    /// Measurements.
    pub(crate) n: usize,
    /// Further measurements without which no change can be found.
    pub(crate) n_missing: usize,
    /// The level since the last change.
    pub(crate) now: Level,
    /// Relative change that unchanged code shows from one block to the next.
    pub(crate) noise_floor: f64,
    /// True when a part of its runs was rolled up: then `n` counts campaigns and days, and each of them is one value.
    pub(crate) is_rolled_up: bool,
    /// False when there are too few blocks to measure it, and a default stands for it.
    pub(crate) noise_is_measured: bool,
    /// Campaigns and days.
    pub(crate) blocks: Vec<Block>,
    /// Oldest first; the drift last.
    pub(crate) findings: Vec<Finding>,
    /// Doubts about the latest campaign's runs; where campaigns have few, about the campaigns of the present level.
    pub(crate) warnings: Vec<String>,
}

impl Trend {
    /// Looks for changes in the measurements of a series, oldest first. [`judge`] tells which of them count.
    ///
    /// # Errors
    /// There are no measurements, or one is not positive.
    pub(crate) fn of(series: Series, metric: Metric, points: &[Point]) -> Result<Self, StatsError> {
        let blocks = blocks(points)?;
        let starts = thin(points, &blocks);
        let mut detector = Detector::new(DetectorConfig::default());
        for (position, start) in starts.iter().enumerate() {
            let end = starts.get(position + 1).copied().unwrap_or(points.len());
            let value = match &points[*start..end] {
                [point] => point.micros,
                neighbours => level(neighbours)?.median_micros,
            };
            detector.append(value)?;
        }
        let changes = detector.changes();
        let mut edges: Vec<usize> = vec![0];
        edges.extend(changes.iter().map(|change| starts[change.index]));
        edges.push(points.len());
        let levels: Vec<Level> =
            edges.windows(2).map(|pair| level(&points[pair[0]..pair[1]])).collect::<Result<_, _>>()?;
        let noise = Noise::of(&blocks, &edges)?;
        let mut findings: Vec<Finding> = Vec::with_capacity(changes.len() + 1);
        for (index, (change, pair)) in changes.iter().zip(levels.windows(2)).enumerate() {
            let time = |index: usize| points[starts[index]].started_unix_micros;
            let between = [time(change.earliest), time(change.latest)];
            let sides = (pair[0], pair[1]);
            let Some(floor) = noise.floor(index) else { continue };
            findings.push(Finding::new(Shape::Step, sides, between, change.ratio, change.p_value, floor));
        }
        let now = levels[levels.len() - 1];
        let regime = noise.levels[levels.len() - 1].clone();
        findings.extend(slow_change(&blocks[regime.clone()], &noise));
        Ok(Self {
            series,
            metric,
            n: points.len(),
            n_missing: (MIN_BEFORE + MIN_AFTER).saturating_sub(points.len()),
            now,
            noise_floor: noise.between_neighbours(),
            is_rolled_up: false,
            noise_is_measured: noise.is_measured,
            warnings: doubts(points, &blocks, &blocks[regime])?,
            blocks,
            findings,
        })
    }

    /// The same where a part of the runs was rolled up: every campaign and every day of visitors is one value, so that
    /// all values have the same kind of noise.
    ///
    /// # Errors
    /// As for [`Trend::of`].
    pub(crate) fn of_blocks(
        series: Series,
        metric: Metric,
        rolled_up: &[Point],
        points: &[Point],
    ) -> Result<Self, StatsError> {
        let mut values: Vec<Point> = rolled_up.to_vec();
        values.extend(blocks(points)?.iter().map(|block| Point {
            started_unix_micros: block.started_unix_micros,
            campaign: block.campaign,
            micros: block.median_micros,
        }));
        // Campaigns with a label are never rolled up: they may be older than what is.
        values.sort_by_key(|value| value.started_unix_micros);
        Ok(Self { is_rolled_up: true, ..Self::of(series, metric, &values)? })
    }

    /// The findings that count.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&Finding, Graded)> {
        self.findings.iter().filter_map(|finding| Some((finding, finding.graded?)))
    }

    /// Medians of the last `n` blocks as bars between the lowest and the highest of them.
    pub(crate) fn sparkline(&self, n: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let shown = &self.blocks[self.blocks.len().saturating_sub(n)..];
        let medians = || shown.iter().map(|block| block.median_micros);
        let (low, high) = (medians().fold(f64::INFINITY, f64::min), medians().fold(0.0, f64::max));
        // Noise alone hardly fills more than half of the height.
        let noise = if self.noise_is_measured { self.noise_floor } else { DEFAULT_NOISE_FLOOR };
        let height = (high - low).max(2.0 * noise * low);
        medians().map(|median| BARS[((median - low) / height * 7.0).round() as usize]).collect()
    }
}

impl Finding {
    fn new(
        shape: Shape,
        (before, after): (Level, Level),
        between_unix_micros: [i64; 2],
        ratio: Interval,
        p_value: f64,
        noise_floor: f64,
    ) -> Self {
        Self {
            shape,
            before,
            after,
            between_unix_micros,
            ratio: ratio.estimate,
            ratio_interval: [ratio.low, ratio.high],
            p_value,
            adjusted_p_value: p_value,
            noise_floor,
            graded: None,
            is_over: false,
            interval: Some(ratio),
        }
    }
}

/// Decides which findings count, over all trends as one family: a series without a finding counts as one without evidence.
pub(crate) fn judge(trends: &mut [Trend]) {
    let mut p_values = Vec::new();
    for trend in trends.iter() {
        p_values.extend(trend.findings.iter().map(|finding| finding.p_value));
        if trend.findings.is_empty() {
            p_values.push(1.0);
        }
    }
    let mut adjusted = benjamini_hochberg(&p_values).into_iter();
    for trend in trends {
        for finding in &mut trend.findings {
            finding.adjusted_p_value = adjusted.next().unwrap_or(1.0);
            let is_significant = finding.adjusted_p_value <= ALPHA;
            finding.graded = finding.interval.and_then(|ratio| {
                Graded::of(grade(ratio, is_significant, finding.noise_floor, Better::Lower))
            });
        }
        if trend.findings.is_empty() {
            adjusted.next();
        }
        let mut later = 1.0;
        for finding in trend.findings.iter_mut().rev() {
            if let Some(graded) = finding.graded {
                let left = later * finding.ratio - 1.0;
                finding.is_over = later != 1.0 && left * graded.effect.signum() <= trend.noise_floor;
                later *= finding.ratio;
            }
        }
    }
}

/// The noise between blocks: what the runs of one campaign share is nothing that they can tell.
struct Noise {
    spread: Spread,
    is_measured: bool,
    /// Probability with which noise may look like one step among those that are possible.
    significance: f64,
    /// The blocks of each level.
    levels: Vec<Range<usize>>,
    /// Whether blocks are campaigns; a day of visitors, each on a machine of their own, has no luck that all share.
    are_campaigns: bool,
}

impl Noise {
    /// Learns from the blocks; `edges` are the indices of points between which levels lie. A block belongs to the level that has
    /// its middle.
    fn of(blocks: &[Block], edges: &[usize]) -> Result<Self, StatsError> {
        let mut first = 0;
        let middles: Vec<usize> = blocks
            .iter()
            .map(|block| {
                first += block.n;
                first - block.n + block.n / 2
            })
            .collect();
        let index = |edge: usize| middles.partition_point(|middle| *middle < edge);
        let level = |pair: &[usize]| {
            let level = index(pair[0])..index(pair[1]);
            // What is less than half of a block is none.
            let is_part = level.len() == 1 && 2 * (pair[1] - pair[0]) <= blocks[level.start].n;
            if is_part { level.start..level.start } else { level }
        };
        let history = History::of(&medians(blocks))?;
        Ok(Self {
            spread: Spread::of(&history, &[]),
            is_measured: history.n_foretold() >= MIN_FORETOLD,
            significance: ALPHA / blocks.len().max(1) as f64,
            levels: edges.windows(2).map(level).collect(),
            are_campaigns: blocks.iter().all(|block| block.campaign.is_some()),
        })
    }

    /// Relative effect of the step after a level that is larger than noise; none when no campaign is wholly on one side: a part
    /// of one says nothing about others.
    fn floor(&self, level: usize) -> Option<f64> {
        let sides = (self.levels[level].len(), self.levels[level + 1].len());
        let sides = if self.are_campaigns { sides } else { (sides.0.max(1), sides.1.max(1)) };
        self.step(sides)
    }

    fn step(&self, sides: (usize, usize)) -> Option<f64> {
        self.spread.step(sides, self.significance).ok().map(|step| step.max(NOISE_FLOOR))
    }

    /// Relative change from one block to the next that unchanged code exceeds in 5 % of cases.
    fn between_neighbours(&self) -> f64 {
        self.spread.step((1, 1), 0.05).map_or(NOISE_FLOOR, |step| step.max(NOISE_FLOOR))
    }
}

/// The median of each block, microseconds.
pub(crate) fn medians(blocks: &[Block]) -> Vec<f64> {
    blocks.iter().map(|block| block.median_micros).collect()
}

/// Doubts about the latest runs that were measured together, or about the blocks since the last step.
fn doubts(points: &[Point], blocks: &[Block], regime: &[Block]) -> Result<Vec<String>, StatsError> {
    let n_latest = blocks.last().map_or(0, |block| block.n);
    let values = if n_latest >= MIN_AUTOCORRELATION {
        points[points.len() - n_latest..].iter().map(|point| point.micros).collect()
    } else {
        medians(regime)
    };
    Ok(Sample::new(&values).map_or_else(|_empty| Vec::new(), |sample| words(&stats::warnings(&sample))))
}

/// Index of the first point of each value that the detector gets: every point, or in a long series medians of a few
/// neighbours of the same block.
fn thin(points: &[Point], blocks: &[Block]) -> Vec<usize> {
    let width = points.len().div_ceil(MAX_VALUES);
    let mut starts = Vec::with_capacity(points.len() / width.max(1) + blocks.len());
    let mut first = 0;
    for block in blocks {
        starts.extend((first..first + block.n).step_by(width));
        first += block.n;
    }
    starts
}

/// The drift of the blocks since the last step, if there are enough of them to ask.
fn slow_change(regime: &[Block], noise: &Noise) -> Option<Finding> {
    let sample = Sample::new(&medians(regime)).ok()?;
    // Autocorrelation can only weaken this evidence, and measuring the slope costs much more than asking for it.
    if mann_kendall(&sample).ok()?.p_value > ALPHA {
        return None;
    }
    let found = drift(&sample, LEVEL).ok()?;
    let half = |half: &[Block]| {
        Some(Level {
            n: half.iter().map(|block| block.n).sum(),
            median_micros: Sample::new(&medians(half)).ok()?.median(),
            first_unix_micros: half.first()?.started_unix_micros,
            last_unix_micros: half.last()?.started_unix_micros,
        })
    };
    let (first, second) = regime.split_at(regime.len() / 2);
    let floor = noise.step((first.len(), second.len()))?;
    let (first, second) = (half(first)?, half(second)?);
    let between = [first.first_unix_micros, second.last_unix_micros];
    // A series is asked two questions, for steps and for a drift.
    let p_value = (2.0 * found.p_value).min(1.0);
    Some(Finding::new(Shape::Drift, (first, second), between, found.ratio, p_value, floor))
}

fn level(points: &[Point]) -> Result<Level, StatsError> {
    let micros: Vec<f64> = points.iter().map(|point| point.micros).collect();
    let time = |point: Option<&Point>| point.map_or(0, |point| point.started_unix_micros);
    Ok(Level {
        n: points.len(),
        median_micros: Sample::new(&micros)?.median(),
        first_unix_micros: time(points.first()),
        last_unix_micros: time(points.last()),
    })
}

/// Groups measurements, oldest first.
///
/// # Errors
/// One is not finite.
pub(crate) fn blocks(points: &[Point]) -> Result<Vec<Block>, StatsError> {
    let day = |point: &Point| point.started_unix_micros.div_euclid(DAY_MICROS);
    let is_same = |left: &Point, right: &Point| {
        left.campaign == right.campaign && (left.campaign.is_some() || day(left) == day(right))
    };
    let block = |points: &[Point]| {
        let Level { n, median_micros, first_unix_micros, .. } = level(points)?;
        let campaign = points.first().and_then(|point| point.campaign);
        Ok(Block { started_unix_micros: first_unix_micros, campaign, n, median_micros })
    };
    points.chunk_by(is_same).map(block).collect()
}

#[cfg(test)]
mod tests;
