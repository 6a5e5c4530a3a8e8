//! Checked input: a sample is made once, and everything after it can rely on finite, ordered numbers.

use std::fmt;

/// Largest magnitude a value may have. Below it sums of squares of any realistic sample stay finite.
pub const MAX_MAGNITUDE: f64 = 1e100;

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StatsError {
    /// The sample is too small for the question; at least `need` values would do.
    NotEnoughData {
        /// Values given.
        have: usize,
        /// Values needed.
        need: usize,
    },
    /// The value at `index` is not a number, infinite, or larger than [`MAX_MAGNITUDE`].
    NotFinite {
        /// Position in the input.
        index: usize,
    },
    /// The value at `index` is zero or negative, where a ratio or a logarithm is asked for.
    NotPositive {
        /// Position in the input.
        index: usize,
    },
    /// All values are equal, so there is no spread to measure against.
    NoSpread,
    /// A parameter lies outside its range.
    OutOfRange {
        /// Name of the parameter.
        parameter: &'static str,
        /// The value given.
        value: f64,
    },
}

impl fmt::Display for StatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnoughData { have, need } => {
                write!(f, "not enough data: {have} values of {need} needed")
            }
            Self::NotFinite { index } => write!(f, "value {index} is not a finite number"),
            Self::NotPositive { index } => write!(f, "value {index} is not positive"),
            Self::NoSpread => write!(f, "all values are equal, so the noise is unknown"),
            Self::OutOfRange { parameter, value } => write!(f, "{parameter} is out of range: {value}"),
        }
    }
}

impl std::error::Error for StatsError {}

/// At least one finite value, in order of arrival, with a sorted copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    values: Vec<f64>,
    sorted: Vec<f64>,
}

impl Sample {
    /// Checks and sorts the values.
    ///
    /// # Errors
    /// [`StatsError::NotEnoughData`] for no values, [`StatsError::NotFinite`] for a value that is no number.
    pub fn new(values: &[f64]) -> Result<Self, StatsError> {
        if let Some(index) = values.iter().position(|&value| !is_usable(value)) {
            return Err(StatsError::NotFinite { index });
        }
        require(values.len(), 1)?;
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Ok(Self { values: values.to_vec(), sorted })
    }

    /// Number of values, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a sample is never empty")]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The values in order of arrival.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The values in ascending order.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// Quantile at `p` (clamped to 0–1) by linear interpolation of order statistics: type 7 of Hyndman & Fan,
    /// "Sample Quantiles in Statistical Packages" (1996), the default of R and NumPy.
    pub fn quantile(&self, p: f64) -> f64 {
        quantile_sorted(&self.sorted, p)
    }

    /// The middle value, or the mean of the two middle values.
    pub fn median(&self) -> f64 {
        median_sorted(&self.sorted)
    }

    /// Median absolute deviation from the median, unscaled. Times 1.4826 it estimates a normal's standard deviation.
    pub fn mad(&self) -> f64 {
        let median = self.median();
        let mut deviations: Vec<f64> = self.values.iter().map(|value| (value - median).abs()).collect();
        deviations.sort_unstable_by(f64::total_cmp);
        median_sorted(&deviations)
    }

    /// Arithmetic mean.
    pub fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// Unbiased variance (n − 1 in the denominator).
    ///
    /// # Errors
    /// [`StatsError::NotEnoughData`] below two values.
    pub fn variance(&self) -> Result<f64, StatsError> {
        require(self.len(), 2)?;
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Ok(squares / (self.len() - 1) as f64)
    }

    /// The natural logarithms of the values.
    ///
    /// # Errors
    /// [`StatsError::NotPositive`] names the first value that has none.
    pub fn ln(&self) -> Result<Self, StatsError> {
        if let Some(index) = self.values.iter().position(|&value| value <= 0.0) {
            return Err(StatsError::NotPositive { index });
        }
        let ln = |values: &[f64]| values.iter().map(|&value| libm::log(value)).collect();
        Ok(Self { values: ln(&self.values), sorted: ln(&self.sorted) })
    }
}

/// Refuses fewer than `need` values.
pub(crate) fn require(have: usize, need: usize) -> Result<(), StatsError> {
    if have < need { Err(StatsError::NotEnoughData { have, need }) } else { Ok(()) }
}

/// Refuses a probability outside the open interval 0–1.
pub(crate) fn require_probability(parameter: &'static str, value: f64) -> Result<(), StatsError> {
    if value > 0.0 && value < 1.0 { Ok(()) } else { Err(StatsError::OutOfRange { parameter, value }) }
}

/// Whether arithmetic on the value cannot overflow.
pub(crate) fn is_usable(value: f64) -> bool {
    value.abs() <= MAX_MAGNITUDE
}

/// Mean of a non-empty slice.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Median of a non-empty ascending slice.
pub(crate) fn median_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}

/// Quantile at `p` (clamped to 0–1) of a non-empty ascending slice, as [`Sample::quantile`].
pub fn quantile_sorted(sorted: &[f64], p: f64) -> f64 {
    let position = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests;
