//! Tests: is the candidate different from the baseline, or the mean of differences from zero?

use crate::distribution::{normal_upper_tail, student_upper_tail};
use crate::interval::pooled_error;
use crate::sample::{Sample, StatsError};

/// Up to this size of the smaller sample, and without ties, the rank test is exact; SciPy draws the line here too.
pub const MAX_EXACT: usize = 8;

/// Result of Welch's test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WelchTest {
    /// Difference of the means in standard errors; positive if the candidate's is larger.
    pub t: f64,
    /// Degrees of freedom after Welch and Satterthwaite.
    pub freedom: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}

/// Result of Student's test of one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudentTest {
    /// Mean in standard errors.
    pub t: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}

/// Result of the rank test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitneyTest {
    /// Number of pairs in which the candidate is larger, ties counting half.
    pub u: f64,
    /// Probability that a random candidate value exceeds a random baseline value, 0–1; 0.5 means no difference.
    pub superiority: f64,
    /// Two-sided p-value.
    pub p_value: f64,
    /// Whether the p-value is exact rather than from the normal approximation.
    pub exact: bool,
}

/// Welch's t-test of the means: "The generalization of 'Student's' problem" (1947). Variances may differ.
///
/// # Errors
/// [`StatsError::NotEnoughData`] below two values a side, [`StatsError::NoSpread`] if both sides are constant.
pub fn welch(baseline: &Sample, candidate: &Sample) -> Result<WelchTest, StatsError> {
    let error = |sample: &Sample| Ok((sample.variance()? / sample.len() as f64).sqrt());
    let (error, freedom) =
        pooled_error((error(baseline)?, error(candidate)?), (baseline.len(), candidate.len()));
    if error == 0.0 {
        return Err(StatsError::NoSpread);
    }
    let t = (candidate.mean() - baseline.mean()) / error;
    Ok(WelchTest { t, freedom, p_value: (2.0 * student_upper_tail(t.abs(), freedom)).min(1.0) })
}

/// Student's test that the mean of differences is zero: "The probable error of a mean" (1908).
///
/// # Errors
/// [`StatsError::NotEnoughData`] below two values, [`StatsError::NoSpread`] if all are equal.
pub fn student(differences: &Sample) -> Result<StudentTest, StatsError> {
    let n = differences.len() as f64;
    let error = (differences.variance()? / n).sqrt();
    if error == 0.0 {
        return Err(StatsError::NoSpread);
    }
    let t = differences.mean() / error;
    Ok(StudentTest { t, p_value: (2.0 * student_upper_tail(t.abs(), n - 1.0)).min(1.0) })
}

/// Mann & Whitney's rank test: "On a test of whether one of two random variables is stochastically larger" (1947).
///
/// Exact for a sample of at most [`MAX_EXACT`] values without ties, otherwise the normal approximation with tie and
/// continuity correction.
///
/// # Errors
/// [`StatsError::NoSpread`] if all values of both sides are equal.
pub fn mann_whitney(baseline: &Sample, candidate: &Sample) -> Result<MannWhitneyTest, StatsError> {
    mann_whitney_inflated(baseline, candidate, 1.0)
}

/// The rank test with the variance of U multiplied by `inflation` ≥ 1, for values that repeat each other. With inflation
/// it is not exact, and Student's t with as many degrees of freedom as there are independent values stands for the
/// normal distribution, because the inflation is itself an estimate.
pub(crate) fn mann_whitney_inflated(
    baseline: &Sample,
    candidate: &Sample,
    inflation: f64,
) -> Result<MannWhitneyTest, StatsError> {
    let (u, tie_sum) = rank_statistic(baseline.sorted(), candidate.sorted());
    let (n_baseline, n_candidate) = (baseline.len() as f64, candidate.len() as f64);
    let (n, n_pairs) = (n_baseline + n_candidate, n_baseline * n_candidate);
    let superiority = u / n_pairs;
    let smaller_u = u.min(n_pairs - u);
    let smaller_n = baseline.len().min(candidate.len());
    if smaller_n <= MAX_EXACT && tie_sum == 0.0 && inflation == 1.0 {
        let lower_tail = exact_lower_tail(smaller_n, baseline.len().max(candidate.len()), smaller_u as usize);
        return Ok(MannWhitneyTest { u, superiority, p_value: (2.0 * lower_tail).min(1.0), exact: true });
    }
    let variance = n_pairs / 12.0 * ((n + 1.0) - tie_sum / (n * (n - 1.0)));
    if variance <= 0.0 {
        return Err(StatsError::NoSpread);
    }
    let z = (0.5 * n_pairs - smaller_u - 0.5) / (variance * inflation).sqrt();
    let tail = if inflation > 1.0 {
        student_upper_tail(z, ((n - 2.0) / inflation).max(1.0))
    } else {
        normal_upper_tail(z)
    };
    Ok(MannWhitneyTest { u, superiority, p_value: (2.0 * tail).min(1.0), exact: false })
}

/// U of the candidate, and the sum of t³ − t over groups of t equal values.
fn rank_statistic(baseline: &[f64], candidate: &[f64]) -> (f64, f64) {
    let (mut u, mut tie_sum) = (0.0, 0.0);
    let (mut below, mut next) = (0, 0);
    while below < baseline.len() || next < candidate.len() {
        let value = match (baseline.get(below), candidate.get(next)) {
            (Some(&left), Some(&right)) => left.min(right),
            (Some(&only), None) | (None, Some(&only)) => only,
            (None, None) => break,
        };
        let n_equal = |values: &[f64]| values.iter().take_while(|&&other| other == value).count();
        let (left, right) = (n_equal(&baseline[below..]), n_equal(&candidate[next..]));
        u += right as f64 * (below as f64 + 0.5 * left as f64);
        let tied = (left + right) as f64;
        tie_sum += tied * tied * tied - tied;
        below += left;
        next += right;
    }
    (u, tie_sum)
}

/// P(U ≤ u) without ties, from the Gaussian binomial coefficient whose terms count the orders with each U.
fn exact_lower_tail(smaller_n: usize, larger_n: usize, u: usize) -> f64 {
    let mut orders = vec![0.0; u + 1];
    orders[0] = 1.0;
    let mut n_orders = 1.0;
    for factor in 1..=smaller_n {
        for index in (larger_n + factor..=u).rev() {
            orders[index] -= orders[index - larger_n - factor];
        }
        for index in factor..=u {
            orders[index] += orders[index - factor];
        }
        n_orders *= (larger_n + factor) as f64 / factor as f64;
    }
    orders.iter().sum::<f64>() / n_orders
}

#[cfg(test)]
mod tests;
