//! Clusters: values that were measured together share their luck, so clusters are what is counted.
//!
//! The runs of one campaign have one state of the machine, one layout of memory and one compilation in common. Their median
//! is one value, and how far it lies from that of the next campaign is noise that no number of runs shows. The history tells
//! how far; a short one together with that of similar series, or with [`Spread::ASSUMED`]. The variance has a scaled inverse
//! χ² prior, so that Student's t has the prior's degrees of freedom beside those of the history: Smyth, "Linear models and
//! empirical Bayes methods for assessing differential expression in microarray experiments" (2004).

use crate::distribution::{student_quantile, student_upper_tail};
use crate::interval::Interval;
use crate::power::{Design, design_quantiles};
use crate::quality::{bounded_persistence, cautious_persistence, variance_inflation};
use crate::random::Random;
use crate::sample::{Sample, StatsError, mean, require, require_probability};
use crate::summary::MAD_TO_SD;

/// Fewest values of a cluster: fewer have no median worth the name.
pub const MIN_VALUES: usize = 5;

/// Clusters before one that say where it should lie: far enough back to see a machine that wanders.
pub const WINDOW: usize = 10;

/// Clusters of a history from which it says something about similar ones.
const MIN_HISTORY: usize = 3;

/// Similar series from which their noise is believed instead of the assumed one.
const MIN_SIMILAR: usize = 3;

/// Smallest noise between clusters that is taken from similar series: what is true of some need not be of all.
const MIN_SIMILAR_SD: f64 = 0.01;

/// Standard deviations by which two clusters in a row must leave the level before them for a new level.
const STEP_DEVIATIONS: f64 = 4.0;

/// Up to this many clusters of a side must all lie on their side of the middle of a step, and of more of them most.
const FEW_CLUSTERS: usize = 3;

/// Clusters that the assumed persistence is worth.
const PRIOR_CLUSTERS: f64 = 10.0;

/// Degrees of freedom from which Student's t is drawn as a normal distribution.
const NEARLY_NORMAL: f64 = 30.0;

/// What earlier clusters of a series say about its noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct History {
    /// Index of the first cluster of the present level.
    pub level_start: usize,
    /// Clusters that were foretold by those before them.
    n_foretold: usize,
    /// Sum of the squares by which that was wrong, each as a variance of one cluster.
    squares: f64,
    /// Sum of the products of each such error with the next.
    products: f64,
}

impl History {
    /// Learns from the medians of earlier clusters, oldest first: every one is foretold as the mean of up to [`WINDOW`]
    /// before it on its level. Two in a row that lie far off on one side begin a new level and are no noise.
    ///
    /// # Errors
    /// [`StatsError::NotPositive`], [`StatsError::NotFinite`].
    pub fn of(medians: &[f64]) -> Result<Self, StatsError> {
        let mut history = Self::default();
        if medians.is_empty() {
            return Ok(history);
        }
        let logarithms = Sample::new(medians)?.ln()?;
        let levels = logarithms.values();
        let usual = usual_distance(levels);
        let mut previous = 0.0;
        for index in 1..levels.len() {
            let known = &levels[history.level_start.max(index.saturating_sub(WINDOW))..index];
            let scale = (1.0 + 1.0 / known.len() as f64).sqrt();
            let miss = |level: &f64| (level - mean(known)) / scale;
            let missed = miss(&levels[index]);
            let limit = STEP_DEVIATIONS * Spread::of(&history, &[]).sd.max(usual);
            let stays = levels.get(index + 1).map(miss).is_some_and(|next| next * missed.signum() > limit);
            if missed.abs() > limit && stays {
                history.level_start = index;
                previous = 0.0;
            } else {
                history.n_foretold += 1;
                history.squares += missed * missed;
                history.products += missed * previous;
                previous = missed;
            }
        }
        Ok(history)
    }
}

impl History {
    /// Clusters that were foretold by those before them.
    pub fn n_foretold(&self) -> usize {
        self.n_foretold
    }
}

/// Standard deviation of a level by the median of the steps from each to the next, which a few real changes hardly affect.
fn usual_distance(levels: &[f64]) -> f64 {
    let steps: Vec<f64> = levels.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    Sample::new(&steps).map_or(0.0, |steps| MAD_TO_SD * steps.median() / std::f64::consts::SQRT_2)
}

/// How far apart clusters of unchanged code lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Standard deviation of the logarithm of one cluster's median: a relative spread.
    pub sd: f64,
    /// Degrees of freedom behind it.
    pub freedom: f64,
    /// Correlation of each cluster's error with the next, 0–0.95, rather too large than too small: those that were measured
    /// one after the other share luck.
    pub persistence: f64,
}

impl Spread {
    /// Noise between clusters of which nothing is known: 3 %, worth three degrees of freedom. Series of runs of 0.5 to 130 ms
    /// in two browsers on a quiet machine had 0.4 to 8 %, their root mean square 3 to 4 % (`docs/statistics.md`).
    pub const ASSUMED: Self = Self { sd: 0.03, freedom: 3.0, persistence: 0.4 };

    /// The spread of a series by its own history, and by those of similar series where there are enough.
    pub fn of(history: &History, similar: &[History]) -> Self {
        let variances: Vec<f64> = similar
            .iter()
            .filter(|other| other.n_foretold >= MIN_HISTORY)
            .map(|other| other.squares / other.n_foretold as f64)
            .collect();
        let prior = if variances.len() < MIN_SIMILAR {
            Self::ASSUMED.sd * Self::ASSUMED.sd
        } else {
            mean(&variances).max(MIN_SIMILAR_SD * MIN_SIMILAR_SD)
        };
        let n = history.n_foretold as f64;
        let freedom = Self::ASSUMED.freedom + n;
        let variance = (Self::ASSUMED.freedom * prior + history.squares) / freedom;
        // What is assumed of persistence weighs as much as some clusters with this spread.
        let assumed = PRIOR_CLUSTERS * variance;
        let measured = (history.products + Self::ASSUMED.persistence * assumed) / (history.squares + assumed);
        Self { sd: variance.sqrt(), freedom, persistence: bounded_persistence(measured, PRIOR_CLUSTERS + n) }
    }
}

impl Spread {
    /// Degrees of freedom for the mean of several clusters, whose persistence is an estimate: of those that the history adds,
    /// as many as it has independent clusters.
    fn independent(self) -> f64 {
        let square = self.persistence * self.persistence;
        let n_foretold = (self.freedom - Self::ASSUMED.freedom).max(0.0);
        self.freedom - n_foretold + n_foretold * (1.0 - square) / (1.0 + square)
    }

    /// Relative step between so many clusters before and after that noise exceeds with a probability of `significance`, 0–1,
    /// in either direction.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] for the significance, [`StatsError::NotEnoughData`] for no cluster on a side.
    pub fn step(self, (n_before, n_after): (usize, usize), significance: f64) -> Result<f64, StatsError> {
        require(n_before.min(n_after), 1)?;
        require_probability("significance", significance)?;
        let error = self.sd * (1.0 / n_before as f64 + 1.0 / n_after as f64).sqrt();
        Ok(libm::expm1(student_quantile(1.0 - 0.5 * significance, self.freedom) * error))
    }
}

/// Where clusters of one kind lie, and how well that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Mean logarithm of their medians.
    mean: f64,
    error: f64,
    freedom: f64,
}

impl Level {
    /// The level of the medians of some clusters.
    ///
    /// # Errors
    /// [`StatsError::NotEnoughData`] without any, [`StatsError::NotPositive`].
    pub fn of(medians: &[f64], spread: Spread) -> Result<Self, StatsError> {
        let mean = Sample::new(medians)?.ln()?.mean();
        Ok(Self { mean, error: spread.sd / (medians.len() as f64).sqrt(), freedom: spread.freedom })
    }

    /// The level `factor` times as high; positive.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { mean: self.mean + libm::log(factor), ..self }
    }

    /// Its interval in the unit of the values. `level` is its confidence, 0–1.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] for the level.
    pub fn interval(&self, level: f64) -> Result<Interval, StatsError> {
        require_probability("level", level)?;
        let margin = student_quantile(0.5 + 0.5 * level, self.freedom) * self.error;
        Ok(Interval {
            estimate: libm::exp(self.mean),
            low: libm::exp(self.mean - margin),
            high: libm::exp(self.mean + margin),
            level,
        })
    }

    /// A draw from what is known of it: Student's t, or the normal distribution that it approaches.
    fn draw(&self, random: &mut Random) -> f64 {
        let normal = random.normal();
        if self.freedom >= NEARLY_NORMAL {
            return self.mean + self.error * normal;
        }
        let squares: f64 =
            (0..self.freedom as usize).map(|_| random.normal()).map(|value| value * value).sum();
        self.mean + self.error * normal / (squares / self.freedom).sqrt()
    }
}

/// Probability for each level that it is the lowest, from so many draws with this seed.
pub fn probability_lowest(levels: &[Level], n_draws: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut n_lowest = vec![0_usize; levels.len()];
    for _ in 0..n_draws {
        let draws: Vec<f64> = levels.iter().map(|level| level.draw(&mut random)).collect();
        let lowest = (0..draws.len()).min_by(|&left, &right| draws[left].total_cmp(&draws[right]));
        if let Some(lowest) = lowest {
            n_lowest[lowest] += 1;
        }
    }
    n_lowest.into_iter().map(|n| n as f64 / n_draws.max(1) as f64).collect()
}

/// Clusters of a candidate against clusters of a baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// Level of the candidate divided by that of the baseline.
    pub ratio: Interval,
    /// Two-sided p-value of the moderated t-test.
    pub p_value: f64,
    /// Whether clusters of both sides lie on their side of the middle: all of up to three, most of more. Without that it may
    /// be one cluster that is off.
    pub is_consistent: bool,
    freedom: f64,
    sides: [Side; 2],
}

/// One side: its level, the logarithm of a time, and what each of its clusters may be off by.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Side {
    level: f64,
    variance: f64,
    n: usize,
    persistence: f64,
}

impl Contrast {
    /// Compares clusters of positive values. `level` is that of the interval, 0–1.
    ///
    /// # Errors
    /// [`StatsError::NotEnoughData`] if a side has no cluster, or a cluster fewer than [`MIN_VALUES`] values;
    /// [`StatsError::NotPositive`], and [`StatsError::OutOfRange`] for the level.
    pub fn between(
        baseline: &[Sample],
        candidate: &[Sample],
        spread: Spread,
        level: f64,
    ) -> Result<Self, StatsError> {
        require_probability("level", level)?;
        let levels = [levels(baseline)?, levels(candidate)?];
        // How far one cluster misses the mean of those before it already has their persistence in it.
        let sides = [
            Side::of(baseline, &levels[0], Spread { persistence: 0.0, ..spread })?,
            Side::of(candidate, &levels[1], spread)?,
        ];
        let (error, size) = (error(sides, 0), sides[1].level - sides[0].level);
        let middle = sides[0].level.midpoint(sides[1].level);
        let is_consistent = are_beyond(&levels[0], middle, -size) && are_beyond(&levels[1], middle, size);
        let freedom = if candidate.len() > 1 { spread.independent() } else { spread.freedom };
        let margin = student_quantile(0.5 + 0.5 * level, freedom) * error;
        let ratio = Interval {
            estimate: libm::exp(size),
            low: libm::exp(size - margin),
            high: libm::exp(size + margin),
            level,
        };
        let p_value = (2.0 * student_upper_tail((size / error).abs(), freedom)).min(1.0);
        Ok(Self { ratio, p_value, is_consistent, freedom, sides })
    }

    /// Smallest relative effect that is found with the design's power, with `n_more` more clusters on each side; those of the
    /// baseline tell more about the noise too.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] for a bad design.
    pub fn detectable(&self, n_more: usize, design: Design) -> Result<f64, StatsError> {
        let quantiles = design_quantiles(design, self.freedom + n_more as f64)?;
        Ok(libm::expm1(quantiles * error(self.sides, n_more)))
    }
}

impl Side {
    /// `levels` are those of its clusters, each the median of logarithms.
    fn of(clusters: &[Sample], levels: &[f64], spread: Spread) -> Result<Self, StatsError> {
        let mut variances = Vec::with_capacity(clusters.len());
        for cluster in clusters {
            variances.push((spread.sd * spread.sd).max(median_variance(&cluster.ln()?)));
        }
        let (level, variance) = (mean(levels), mean(&variances));
        Ok(Self { level, variance, n: clusters.len(), persistence: spread.persistence })
    }
}

/// The level of each of at least one cluster: the median of its logarithms.
fn levels(clusters: &[Sample]) -> Result<Vec<f64>, StatsError> {
    require(clusters.len(), 1)?;
    let level = |cluster: &Sample| {
        require(cluster.len(), MIN_VALUES)?;
        Ok(cluster.ln()?.median())
    };
    clusters.iter().map(level).collect()
}

/// Whether all of a few levels, or most of many, lie beyond the middle in the direction of the sign.
fn are_beyond(levels: &[f64], middle: f64, direction: f64) -> bool {
    let n_beyond = levels.iter().filter(|level| (**level - middle) * direction > 0.0).count();
    if levels.len() <= FEW_CLUSTERS { n_beyond == levels.len() } else { 2 * n_beyond > levels.len() }
}

/// Standard error of the difference of two levels, with so many more clusters on each side.
fn error(sides: [Side; 2], n_more: usize) -> f64 {
    let variance = |side: &Side| {
        let n = (side.n + n_more) as f64;
        side.variance * variance_inflation(n, side.persistence) / n
    };
    sides.iter().map(variance).sum::<f64>().sqrt()
}

/// What the values of one cluster leave open about its median: π/2 times the variance of a mean, as for normal values.
fn median_variance(sample: &Sample) -> f64 {
    let n = sample.len() as f64;
    let sd = MAD_TO_SD * sample.mad();
    let inflation = variance_inflation(n, cautious_persistence(&[sample.values()]));
    std::f64::consts::FRAC_PI_2 * sd * sd * inflation / n
}

#[cfg(test)]
mod tests;
