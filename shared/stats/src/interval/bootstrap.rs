//! The bootstrap of medians, in blocks where values repeat each other.

use super::Interval;
use crate::quality::persistence;
use crate::random::Random;
use crate::sample::{Sample, StatsError, quantile_sorted, require, require_probability};

/// Fewest values for a bootstrap interval. With fewer, resamples repeat so few values that the interval is too short.
pub const MIN_BOOTSTRAP: usize = 5;

/// Fewest resamples; fewer have no 99 % bound.
const MIN_RESAMPLES: usize = 100;

/// Size and seed of a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of resamples, at least 100; 2,000 keep the Monte Carlo error of a 95 % bound well below its width.
    pub resamples: usize,
    /// Seed: the same seed gives the same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2_000, seed: 1 }
    }
}

/// Percentile interval of a statistic of the resampled medians.
pub(super) fn percentile(
    estimate: f64,
    level: f64,
    bootstrap: Bootstrap,
    samples: &[&Sample],
    statistic: impl Fn(&[f64]) -> f64,
) -> Result<Interval, StatsError> {
    require_probability("level", level)?;
    let mut draws = Vec::with_capacity(bootstrap.resamples);
    resample(bootstrap, samples, |medians| draws.push(statistic(medians)))?;
    draws.sort_unstable_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - level);
    Ok(Interval {
        estimate,
        low: quantile_sorted(&draws, tail),
        high: quantile_sorted(&draws, 1.0 - tail),
        level,
    })
}

/// Calls back with the medians of each resample of all samples.
fn resample(
    bootstrap: Bootstrap,
    samples: &[&Sample],
    mut each: impl FnMut(&[f64]),
) -> Result<(), StatsError> {
    if bootstrap.resamples < MIN_RESAMPLES {
        return Err(StatsError::OutOfRange { parameter: "resamples", value: bootstrap.resamples as f64 });
    }
    for sample in samples {
        require(sample.len(), MIN_BOOTSTRAP)?;
    }
    let mut random = Random::new(bootstrap.seed);
    let mut resamplers: Vec<Resampler> = samples.iter().map(|sample| Resampler::new(sample)).collect();
    let mut medians = vec![0.0; samples.len()];
    for _ in 0..bootstrap.resamples {
        for (median, resampler) in medians.iter_mut().zip(&mut resamplers) {
            *median = resampler.median(&mut random);
        }
        each(&medians);
    }
    Ok(())
}

/// Draws medians of resamples. Counting how often each sorted value was drawn avoids sorting the resample.
struct Resampler<'a> {
    sorted: &'a [f64],
    /// Position in `sorted` of each value in order of arrival.
    ranks: Vec<usize>,
    counts: Vec<u32>,
    /// Neighbouring values drawn together, at least 1.
    block: usize,
}

impl<'a> Resampler<'a> {
    fn new(sample: &'a Sample) -> Self {
        let values = sample.values();
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&left, &right| values[left].total_cmp(&values[right]));
        let mut ranks = vec![0; values.len()];
        for (rank, &index) in order.iter().enumerate() {
            ranks[index] = rank;
        }
        Self { sorted: sample.sorted(), ranks, counts: vec![0; values.len()], block: block_length(values) }
    }

    fn median(&mut self, random: &mut Random) -> f64 {
        let n = self.ranks.len();
        self.counts.fill(0);
        let mut n_drawn = 0;
        while n_drawn < n {
            let start = random.below(n);
            for offset in 0..self.block.min(n - n_drawn) {
                self.counts[self.ranks[(start + offset) % n]] += 1;
            }
            n_drawn += self.block;
        }
        let (lower_rank, upper_rank) = ((n - 1) / 2, n / 2);
        let mut lower = self.sorted[0];
        let mut n_seen = 0;
        for (&value, &count) in self.sorted.iter().zip(&self.counts) {
            let n_before = n_seen;
            n_seen += count as usize;
            if (n_before..n_seen).contains(&lower_rank) {
                lower = value;
            }
            if (n_before..n_seen).contains(&upper_rank) {
                return 0.5 * (lower + value);
            }
        }
        lower
    }
}

/// Best block length for an AR(1) process, (2φ / (1 − φ²))^⅔ n^⅓: Carlstein, "The use of subseries values for estimating
/// the variance of a general statistic" (1986). At most a quarter of the values.
fn block_length(values: &[f64]) -> usize {
    let persistence = persistence(&[values]);
    let ratio = 2.0 * persistence / (1.0 - persistence * persistence);
    let length = libm::cbrt(ratio * ratio * values.len() as f64);
    (length.round() as usize).clamp(1, (values.len() / 4).max(1))
}
