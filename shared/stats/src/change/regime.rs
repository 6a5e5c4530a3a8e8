//! The values since the last change, with everything that makes the next scan cheap.

use std::ops::Range;

use super::MIN_AFTER;
use crate::sample::median_sorted;

/// Half width of the Hampel filter's window: Pearson, "Outliers in process modeling and identification" (2002).
const HALF_WINDOW: usize = 3;

/// Distance from the window's median, in standard deviations, to which an outlier is pulled in.
const CLIP_DEVIATIONS: f64 = 3.5;

/// Third quartile of |N(0, 2)|, the absolute difference of two standard normal values.
const STEP_QUARTILE: f64 = 1.626_8;

/// Critical value of the likelihood ratio for a 95 % confidence set of a location, −2 ln(1 − √0.95): Hansen (2000).
const LOCATION_CRITICAL: f64 = 7.352;

/// Logarithms since the last change.
#[derive(Clone, Debug)]
pub(super) struct Regime {
    values: Vec<f64>,
    /// Values after the Hampel filter, relative to the first.
    clipped: Vec<f64>,
    /// Sums over the clipped values before each position; one longer than `clipped`.
    sums: Vec<Sums>,
    /// Absolute differences of neighbouring values, ascending.
    steps: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    value: f64,
    square: f64,
    /// Of each value and the one before it.
    product: f64,
}

/// One side of a split, after the Hampel filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) n: f64,
    /// Mean logarithm.
    pub(super) mean: f64,
    /// Sum of squared deviations from the mean.
    pub(super) squares: f64,
    /// Sum of products of neighbouring deviations.
    pub(super) products: f64,
    /// Values in a batch, about √n.
    pub(super) batch_n: f64,
    /// Batches, less one for the mean; zero if there are fewer than two.
    pub(super) batch_freedom: f64,
    /// Sum of squared deviations of batch means, times the values in a batch.
    pub(super) batch_squares: f64,
}

impl Default for Regime {
    fn default() -> Self {
        Self { values: Vec::new(), clipped: Vec::new(), sums: vec![Sums::default()], steps: Vec::new() }
    }
}

impl Regime {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(super) fn clipped(&self) -> &[f64] {
        &self.clipped
    }

    /// Takes the next value. The filter's window looks ahead, so the last few clipped values are made again.
    pub(super) fn push(&mut self, value: f64) {
        if let Some(last) = self.values.last() {
            let step = (value - last).abs();
            let position = self.steps.partition_point(|&other| other < step);
            self.steps.insert(position, step);
        }
        self.values.push(value);
        let first_changed = (self.values.len() - 1).saturating_sub(HALF_WINDOW);
        self.clipped.truncate(first_changed);
        self.sums.truncate(first_changed + 1);
        let radius = self.clip_radius();
        for index in first_changed..self.values.len() {
            let clipped = self.clip(index, radius) - self.values[0];
            let before = self.sums[index];
            let product = if index > 0 { clipped * self.clipped[index - 1] } else { 0.0 };
            self.clipped.push(clipped);
            self.sums.push(Sums {
                value: before.value + clipped,
                square: before.square + clipped * clipped,
                product: before.product + product,
            });
        }
    }

    /// The regime that starts at an index of this one.
    pub(super) fn since(&self, index: usize) -> Self {
        let mut regime = Self::default();
        for &value in &self.values[index..] {
            regime.push(value);
        }
        regime
    }

    /// The split with the smallest sum of squares, if there is room for one.
    pub(super) fn best_split(&self, min_before: usize) -> Option<usize> {
        let last = self.len().checked_sub(MIN_AFTER)?;
        let mut best = (0.0, None);
        for split in min_before..=last {
            let gain = self.gain(split);
            if gain > best.0 {
                best = (gain, Some(split));
            }
        }
        best.1
    }

    /// Whether some split could reach the threshold. Splits are tried at distances from the end that grow geometrically,
    /// as Lai proposed in "Sequential changepoint detection in quality control and dynamical systems" (1995); missing
    /// the best one by a sixteenth of its distance costs at most 2 % of its standard errors.
    ///
    /// The bound is what independent normal noise would give, √(ν ln(total squares / remaining squares)).
    pub(super) fn may_split(&self, min_before: usize, threshold: f64) -> bool {
        let n = self.len();
        if n < min_before + MIN_AFTER {
            return false;
        }
        let total = self.sums[n];
        let squares = total.square - total.value * total.value / n as f64;
        let share = -libm::expm1(-threshold * threshold / (n - 2) as f64);
        let needed = (squares * share).max(f64::MIN_POSITIVE);
        let length = n as f64;
        let mut after = MIN_AFTER;
        while after <= n - min_before {
            // The same as `gain(n - after) >= needed`, without a division.
            let (n_before, n_after) = ((n - after) as f64, after as f64);
            let difference = self.sums[n - after].value * length - total.value * n_before;
            if difference * difference >= needed * length * n_before * n_after {
                return true;
            }
            after += (after / 16).max(1);
        }
        false
    }

    /// Indices whose split fits almost as well as the best one, first and last.
    pub(super) fn location_set(&self, best: usize, long_run_variance: f64) -> (usize, usize) {
        let limit = self.gain(best) - LOCATION_CRITICAL * long_run_variance;
        let mut inside = (1..self.len()).filter(|&split| self.gain(split) >= limit);
        let first = inside.next().unwrap_or(best);
        (first, inside.next_back().unwrap_or(first).max(best))
    }

    /// Totals of one side of a split.
    pub(super) fn side(&self, range: Range<usize>) -> Side {
        let (start, end) = (self.sums[range.start], self.sums[range.end]);
        let n = range.len() as f64;
        let sum = end.value - start.value;
        let mean = sum / n;
        let edges = self.clipped[range.start] + self.clipped[range.end - 1];
        let raw_products = end.product - self.sums[range.start + 1].product;
        let batch = (n.sqrt() as usize).max(2);
        let n_batches = range.len() / batch;
        let mut batch_squares = 0.0;
        for index in 0..n_batches {
            let first = range.start + index * batch;
            let batch_mean = (self.sums[first + batch].value - self.sums[first].value) / batch as f64;
            batch_squares += (batch_mean - mean) * (batch_mean - mean) * batch as f64;
        }
        Side {
            n,
            mean: self.values[0] + mean,
            squares: (end.square - start.square - sum * mean).max(0.0),
            products: raw_products - mean * (2.0 * sum - edges) + (n - 1.0) * mean * mean,
            batch_n: batch as f64,
            batch_freedom: n_batches.saturating_sub(1) as f64,
            batch_squares,
        }
    }

    /// Reduction of the sum of squares by two levels instead of one.
    fn gain(&self, split: usize) -> f64 {
        let (n, n_before) = (self.len() as f64, split as f64);
        let difference = self.sums[split].value * n - self.sums[self.len()].value * n_before;
        difference * difference / (n * n_before * (n - n_before))
    }

    /// Clipping distance. It comes from differences of neighbours, which one change hardly affects, and from their third
    /// quartile, which sees both modes of a bimodal series.
    fn clip_radius(&self) -> f64 {
        match self.steps.len() {
            0 => f64::INFINITY,
            n => CLIP_DEVIATIONS * self.steps[n * 3 / 4] / STEP_QUARTILE,
        }
    }

    fn clip(&self, index: usize, radius: f64) -> f64 {
        let window = index.saturating_sub(HALF_WINDOW)..(index + HALF_WINDOW + 1).min(self.len());
        let value = self.values[index];
        if self.values[window.clone()].iter().all(|other| (value - other).abs() <= radius) {
            return value;
        }
        let mut buffer = [0.0; 2 * HALF_WINDOW + 1];
        let sorted = &mut buffer[..window.len()];
        sorted.copy_from_slice(&self.values[window]);
        sorted.sort_unstable_by(f64::total_cmp);
        let median = median_sorted(sorted);
        value.clamp(median - radius, median + radius)
    }
}
