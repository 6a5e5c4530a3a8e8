//! Drift: a level that moves slowly instead of jumping.

use crate::distribution::{normal_quantile, normal_upper_tail, student_quantile, student_upper_tail};
use crate::interval::Interval;
use crate::quality::{MIN_AUTOCORRELATION, autocorrelation, cautious_persistence, variance_inflation};
use crate::sample::{Sample, StatsError, require, require_probability};

/// Values looked at, the latest ones; the number of pairs grows with their square.
pub const MAX_N: usize = 512;

/// A monotone trend over a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Level at the end of the line divided by the level at its start.
    pub ratio: Interval,
    /// Number of values the line goes through.
    pub n: usize,
    /// Two-sided p-value of the test for a trend, autocorrelation allowed for.
    pub p_value: f64,
}

/// Mann and Kendall's test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannKendallTest {
    /// Pairs that rise less pairs that fall.
    pub s: f64,
    /// Variance of `s` for independent values.
    pub variance: f64,
    /// Two-sided p-value for independent values.
    pub p_value: f64,
}

/// Tests for a drift of positive values, and measures it.
///
/// Mann and Kendall's test decides; its variance is multiplied by n / effective n of the residuals, as Yue & Wang
/// proposed in "The Mann-Kendall test modified by effective sample size" (2004), or by what an AR(1) process gives, with as
/// much autocorrelation as the residuals leave room for, if that is more. That factor is an estimate from few independent
/// values, so Student's t with their number less the line's two parameters stands for the normal distribution. The line is
/// Theil and Sen's, through logarithms. Give it one regime: a step looks like a drift, and a drift like many steps.
///
/// # Errors
/// [`StatsError::NotEnoughData`] below ten values, [`StatsError::NoSpread`], [`StatsError::NotPositive`], and
/// [`StatsError::OutOfRange`] for a level outside 0–1.
pub fn drift(sample: &Sample, level: f64) -> Result<Drift, StatsError> {
    require(sample.len(), MIN_AUTOCORRELATION)?;
    let latest = &sample.values()[sample.len().saturating_sub(MAX_N)..];
    let logarithms = Sample::new(latest)?.ln()?;
    let test = mann_kendall(&logarithms)?;
    let line = theil_sen(&logarithms, level)?;
    let noise = Noise::around(&logarithms, line.estimate)?;
    let line = line_with(&logarithms, level, test.variance, noise)?;
    let ratio = |slope: f64| libm::exp(slope * (latest.len() - 1) as f64);
    Ok(Drift {
        ratio: Interval {
            estimate: ratio(line.estimate),
            low: ratio(line.low),
            high: ratio(line.high),
            level,
        },
        n: latest.len(),
        p_value: noise.two_sided(test.s, test.variance),
    })
}

/// Kendall's rank correlation with time as a test: Mann, "Nonparametric tests against trend" (1945).
///
/// # Errors
/// [`StatsError::NotEnoughData`] below three values, [`StatsError::NoSpread`] if all are equal.
pub fn mann_kendall(sample: &Sample) -> Result<MannKendallTest, StatsError> {
    require(sample.len(), 3)?;
    let mut s = 0.0;
    for (index, earlier) in sample.values().iter().enumerate() {
        for later in &sample.values()[index + 1..] {
            s += f64::from(i8::from(later > earlier) - i8::from(later < earlier));
        }
    }
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let ties: f64 =
        sample.sorted().chunk_by(|left, right| left == right).map(|tied| term(tied.len() as f64)).sum();
    let variance = (term(sample.len() as f64) - ties) / 18.0;
    if variance == 0.0 {
        return Err(StatsError::NoSpread);
    }
    Ok(MannKendallTest { s, variance, p_value: Noise::INDEPENDENT.two_sided(s, variance) })
}

/// Slope per value after Theil (1950), with the interval of Sen, "Estimates of the regression coefficient based on
/// Kendall's tau" (1968), for independent values.
///
/// # Errors
/// As [`mann_kendall`], and [`StatsError::OutOfRange`] for a level outside 0–1.
pub fn theil_sen(sample: &Sample, level: f64) -> Result<Interval, StatsError> {
    line_with(sample, level, mann_kendall(sample)?.variance, Noise::INDEPENDENT)
}

/// The same for values with some noise; `variance` is that of Mann and Kendall's sum for independent ones.
fn line_with(sample: &Sample, level: f64, variance: f64, noise: Noise) -> Result<Interval, StatsError> {
    require_probability("level", level)?;
    let mut slopes = Vec::with_capacity(sample.len() * (sample.len() - 1) / 2);
    for (index, earlier) in sample.values().iter().enumerate() {
        let later = sample.values()[index + 1..].iter().enumerate();
        slopes.extend(later.map(|(gap, value)| (value - earlier) / (gap + 1) as f64));
    }
    let n = slopes.len();
    let margin = noise.quantile(0.5 + 0.5 * level) * (variance * noise.inflation).sqrt();
    let high_rank = ((0.5 * (n as f64 + margin)).round_ties_even() as usize).min(n - 1);
    let low_rank = ((0.5 * (n as f64 - margin)).round_ties_even() as usize).saturating_sub(1);
    let mut ranked = |rank: usize| *slopes.select_nth_unstable_by(rank, f64::total_cmp).1;
    let estimate = 0.5 * (ranked((n - 1) / 2) + ranked(n / 2));
    Ok(Interval { estimate, low: ranked(low_rank), high: ranked(high_rank), level })
}

/// What autocorrelation around a line does to variances.
#[derive(Clone, Copy, Debug)]
struct Noise {
    /// Factor, at least 1.
    inflation: f64,
    /// Degrees of freedom behind the factor; none where it is known to be 1.
    freedom: Option<f64>,
}

impl Noise {
    const INDEPENDENT: Self = Self { inflation: 1.0, freedom: None };

    fn around(logarithms: &Sample, slope: f64) -> Result<Self, StatsError> {
        let values = logarithms.values().iter().enumerate();
        let residuals: Vec<f64> = values.map(|(index, value)| value - slope * index as f64).collect();
        let n = residuals.len() as f64;
        match autocorrelation(&Sample::new(&residuals)?) {
            Ok(measured) => {
                let of_process = variance_inflation(n, cautious_persistence(&[&residuals]));
                let inflation = (n / measured.n_effective).max(of_process);
                Ok(Self { inflation, freedom: Some((n / inflation - 2.0).max(1.0)) })
            }
            // A perfect line leaves nothing to correlate.
            Err(StatsError::NoSpread) => Ok(Self::INDEPENDENT),
            Err(error) => Err(error),
        }
    }

    fn quantile(self, p: f64) -> f64 {
        self.freedom.map_or_else(|| normal_quantile(p), |freedom| student_quantile(p, freedom))
    }

    fn two_sided(self, s: f64, variance: f64) -> f64 {
        let z = s.abs() / (variance * self.inflation).sqrt();
        let tail =
            self.freedom.map_or_else(|| normal_upper_tail(z), |freedom| student_upper_tail(z, freedom));
        (2.0 * tail).min(1.0)
    }
}

#[cfg(test)]
mod tests;
