//! Two builds whose runs take turns: what both share, such as a machine that slows down, cancels.
//!
//! Runs of one launch of a browser share its luck: where memory lies, what the compiler made of the code. So a launch is one
//! value, and launches are what is counted.

use crate::hypothesis::{StudentTest, student};
use crate::interval::{Interval, mean_interval};
use crate::sample::{Sample, StatsError, require};

/// Fewest launches that say anything about how launches differ.
pub const MIN_LAUNCHES: usize = 3;

/// Fewest pairs of turns of a launch: fewer have no median worth the name.
pub const MIN_TURNS: usize = 2;

/// A candidate measured in turns with a baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Candidate divided by baseline.
    pub ratio: Interval,
    /// Test that the mean logarithm of the launches' ratios is zero.
    pub test: StudentTest,
    /// Standard deviation of the logarithms of the launches' ratios: a relative spread.
    pub spread: f64,
}

/// Logarithm of candidate / baseline in one launch, from their times turn by turn; a turn that either of them lacks does
/// not count. The order within a turn alternates, so two turns together favour neither: each two of them give one
/// ratio, and the launch their median.
///
/// # Errors
/// [`StatsError::NotEnoughData`] below [`MIN_TURNS`] pairs of turns, [`StatsError::NotPositive`].
pub fn turn_ratio(baseline: &[Option<f64>], candidate: &[Option<f64>]) -> Result<f64, StatsError> {
    let times: Vec<(f64, f64)> =
        baseline.iter().zip(candidate).filter_map(|(old, new)| (*old).zip(*new)).collect();
    require(times.len() / 2, MIN_TURNS)?;
    let (old, new): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
    let (old, new) = (Sample::new(&old)?.ln()?, Sample::new(&new)?.ln()?);
    let ratios: Vec<f64> = new.values().iter().zip(old.values()).map(|(new, old)| new - old).collect();
    let balanced: Vec<f64> = ratios.chunks_exact(2).map(|turns| turns[0].midpoint(turns[1])).collect();
    Ok(Sample::new(&balanced)?.median())
}

/// Compares by the launches' values of [`turn_ratio`].
///
/// # Errors
/// [`StatsError::NotEnoughData`] below [`MIN_LAUNCHES`] values, [`StatsError::NoSpread`] if all are equal.
pub fn paired(launches: &Sample, level: f64) -> Result<Paired, StatsError> {
    require(launches.len(), MIN_LAUNCHES)?;
    let test = student(launches)?;
    let Interval { estimate, low, high, level } = mean_interval(launches, level)?;
    let ratio = Interval { estimate: libm::exp(estimate), low: libm::exp(low), high: libm::exp(high), level };
    Ok(Paired { ratio, test, spread: launches.variance()?.sqrt() })
}

#[cfg(test)]
mod tests;
