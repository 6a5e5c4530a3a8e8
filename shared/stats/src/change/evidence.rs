//! How much a split says: its size in standard errors, and what else must hold.

use super::regime::{Regime, Side};
use super::{CLEAR_DEVIATIONS, DetectorConfig};
use crate::interval::Interval;
use crate::quality::{MAX_PERSISTENCE, variance_inflation};
use crate::sample::quantile_sorted;

/// Autocorrelation assumed before there are data, and how many values it weighs. Benchmarks usually have some, and a
/// short regime cannot show that it has none.
const PRIOR_PERSISTENCE: f64 = 0.4;
const PRIOR_N: f64 = 10.0;

/// Smallest noise believed, 0.1 %: timers and constant series look quieter than they are.
const MIN_SD: f64 = 0.001;

/// Batches whose variance counts as much as what autocorrelation alone predicts.
const PRIOR_BATCHES: f64 = 5.0;

/// Part of the step by which each quartile must move.
const QUARTILE_SHARE: f64 = 0.75;

/// Up to this many values after a split must all lie beyond the middle of the step.
const FEW_AFTER: usize = 4;

/// Two-sided 95 % quantile of the standard normal.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// Difference between two levels, with the noise around them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Difference of mean logarithms.
    size: f64,
    /// Standard deviation of one value.
    sd: f64,
    standard_error: f64,
    /// Effective degrees of freedom.
    freedom: f64,
    /// Values that say as much as one independent value, at least 1.
    pub(super) redundancy: f64,
    /// Variance of a mean of n values, times n, for large n.
    pub(super) long_run_variance: f64,
}

/// A split and the step across it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub(super) split: usize,
    pub(super) step: Step,
    before: Side,
    after: Side,
}

impl Step {
    /// Compares two sides that share one kind of noise: AR(1) as far as neighbours show it, more if the means of batches
    /// wander further than that explains.
    pub(super) fn between(before: Side, after: Side) -> Self {
        let freedom = before.n + after.n - 2.0;
        let squares = before.squares + after.squares;
        let variance = (squares / freedom.max(1.0)).max(MIN_SD * MIN_SD);
        let prior = PRIOR_N * variance;
        let measured = (before.products + after.products + PRIOR_PERSISTENCE * prior) / (squares + prior);
        // The bias is that of Marriott & Pope (1954).
        let bias = (1.0 + 3.0 * measured) / (freedom + PRIOR_N);
        let persistence = (measured + bias).clamp(0.0, MAX_PERSISTENCE);
        let wander = wander(before, after, variance, persistence);
        let mean_variance = |side: Side| variance * wander * variance_inflation(side.n, persistence) / side.n;
        let redundancy = (1.0 + persistence) / (1.0 - persistence);
        let square = persistence * persistence;
        Self {
            size: after.mean - before.mean,
            sd: variance.sqrt(),
            standard_error: (mean_variance(before) + mean_variance(after)).sqrt(),
            freedom: (freedom * (1.0 - square) / (1.0 + square)).max(2.0),
            redundancy,
            long_run_variance: variance * wander * redundancy,
        }
    }

    /// Size in standard errors, after the transformation √(ν ln(1 + t²/ν)) that makes Student's t nearly normal: Wallace,
    /// "Bounds on normal approximations to Student's and the chi-square distributions" (1959).
    pub(super) fn deviations(&self) -> f64 {
        let t = self.size / self.standard_error;
        (self.freedom * libm::log1p(t * t / self.freedom)).sqrt()
    }

    pub(super) fn is_clear(&self) -> bool {
        self.size.abs() >= CLEAR_DEVIATIONS * self.sd
    }

    /// New level divided by old level with its 95 % interval. Student's quantile comes from the expansion of Fisher &
    /// Cornish (1960), so that it is the same on every platform.
    pub(super) fn ratio(&self) -> Interval {
        let (z, freedom) = (NORMAL_95, self.freedom);
        let cube = z * z * z;
        let second = (5.0 * cube * z * z + 16.0 * cube + 3.0 * z) / (96.0 * freedom * freedom);
        let margin = self.standard_error * (z + (cube + z) / (4.0 * freedom) + second);
        Interval {
            estimate: libm::exp(self.size),
            low: libm::exp(self.size - margin),
            high: libm::exp(self.size + margin),
            level: 0.95,
        }
    }
}

impl Evidence {
    pub(super) fn of(regime: &Regime, split: usize) -> Self {
        let (before, after) = (regime.side(0..split), regime.side(split..regime.len()));
        Self { split, step: Step::between(before, after), before, after }
    }

    /// Whether the split meets every condition of the [module](super); cheap ones come first.
    pub(super) fn is_enough(&self, regime: &Regime, config: DetectorConfig) -> bool {
        let size = self.step.size.abs();
        self.step.deviations() >= config.threshold
            && size >= config.min_effect.max(self.step.sd)
            && self.beats_a_line(regime)
            && self.few_values_agree(regime)
            && self.quartiles_agree(regime)
    }

    /// Probability of this much evidence in `n_seen` values of noise, from the mean time between false alarms of a
    /// likelihood-ratio scan: Siegmund & Venkatraman, "Using the generalized likelihood ratio statistic for sequential
    /// detection of a change-point" (1995), equation for an unknown change, with ν(x) ≈ exp(−0.583 x).
    pub(super) fn p_value(&self, n_seen: usize) -> f64 {
        const OVERSHOOT: f64 = 0.735_5;
        let z = self.step.deviations();
        let rate = OVERSHOOT * z * libm::exp(-0.5 * z * z) / std::f64::consts::TAU.sqrt();
        -libm::expm1(-rate * n_seen as f64)
    }

    /// Whether two levels leave a smaller sum of squares than a straight line, which has as many parameters but for the
    /// location.
    fn beats_a_line(&self, regime: &Regime) -> bool {
        let whole = regime.side(0..regime.len());
        let middle = 0.5 * (whole.n - 1.0);
        let slope_sum: f64 =
            regime.clipped().iter().enumerate().map(|(index, value)| (index as f64 - middle) * value).sum();
        let width_squares = whole.n * (whole.n * whole.n - 1.0) / 12.0;
        let line_squares = whole.squares - slope_sum * slope_sum / width_squares;
        self.before.squares + self.after.squares <= line_squares
    }

    fn few_values_agree(&self, regime: &Regime) -> bool {
        let after = &regime.values()[self.split..];
        let middle = 0.5 * (self.before.mean + self.after.mean);
        after.len() > FEW_AFTER || after.iter().all(|value| (value - middle) * self.step.size > 0.0)
    }

    fn quartiles_agree(&self, regime: &Regime) -> bool {
        let sorted = |values: &[f64]| {
            let mut sorted = values.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted
        };
        let (before, after) =
            (sorted(&regime.values()[..self.split]), sorted(&regime.values()[self.split..]));
        [0.25, 0.5, 0.75].into_iter().all(|p| {
            let moved = quantile_sorted(&after, p) - quantile_sorted(&before, p);
            moved * self.step.size.signum() >= QUARTILE_SHARE * self.step.size.abs()
        })
    }
}

/// Factor by which batch means vary more than autocorrelation explains; 1 if they do not, or if there are too few.
fn wander(before: Side, after: Side, variance: f64, persistence: f64) -> f64 {
    let freedom = before.batch_freedom + after.batch_freedom;
    if freedom < 3.0 {
        return 1.0;
    }
    let expected = |side: Side| variance * side.batch_freedom * variance_inflation(side.batch_n, persistence);
    let ratio = (before.batch_squares + after.batch_squares) / (expected(before) + expected(after));
    let weight = freedom / (freedom + PRIOR_BATCHES);
    (1.0 + weight * (ratio - 1.0)).max(1.0)
}
