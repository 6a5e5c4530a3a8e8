//! Members judged against their peers and against their own past.
//!
//! Envoy ejects a host whose success ratio lies 1.9 standard deviations below the mean. With few members that is chance more
//! often than not, so here the difference must also be large and, by a two-proportion test, certain.

use crate::breaker::WindowStats;
use crate::config::OutlierConfig;
use crate::sort::sort;

/// Difference of failure ratios below which no member is an outlier: what a retry hides is not worth losing capacity for.
const MIN_DIFFERENCE: f64 = 0.1;
/// Standard normal score that makes a difference certain: one in 700.
const CERTAIN: f64 = 3.0;

/// What is known of one member's component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Member {
    pub(crate) window: WindowStats,
    /// ln of how many times slower than its peers it is; 0 when that is not certain.
    pub(crate) slower_ln: f64,
    /// ln of how many times slower than its own past it is; 0 when that is not certain.
    pub(crate) slowed_ln: f64,
    pub(crate) is_ejected: bool,
}

/// The members to eject, worst first; `n_members` and the ejected ones bound how many.
pub(crate) fn outliers(members: &[Member], config: &OutlierConfig) -> Vec<usize> {
    let judged: Vec<usize> = (0..members.len())
        .filter(|&member| {
            !members[member].is_ejected && members[member].window.n_calls >= config.minimum_calls
        })
        .collect();
    let n_ejected = members.iter().filter(|member| member.is_ejected).count();
    let n_allowed = (members.len() as f64 * config.max_ejected_ratio) as usize;
    // The last one stays, however bad it is.
    let n_left = n_allowed.saturating_sub(n_ejected).min((members.len() - n_ejected).saturating_sub(1));
    if judged.len() < config.minimum_members as usize || n_left == 0 {
        return Vec::new();
    }
    let ratios: Vec<f64> =
        judged.iter().map(|&member| 1.0 - members[member].window.failure_ratio()).collect();
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let variance = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum::<f64>() / ratios.len() as f64;
    let n_calls: u32 = judged.iter().map(|&member| members[member].window.n_calls).sum();
    let n_failed: u32 = judged.iter().map(|&member| members[member].window.n_failed).sum();
    let mut found: Vec<(usize, f64)> = Vec::new();
    for (&member, &ratio) in judged.iter().zip(&ratios) {
        let Member { window, slower_ln, slowed_ln, .. } = members[member];
        let failing = mean - ratio;
        let others = (n_failed - window.n_failed, n_calls - window.n_calls);
        let is_failing = failing > config.deviations * variance.sqrt()
            && failing > MIN_DIFFERENCE
            && score((window.n_failed, window.n_calls), others) > CERTAIN;
        let slow = slower_ln.max(slowed_ln);
        let is_slow = slow > config.latency_factor.ln();
        if is_failing || is_slow {
            found.push((member, failing.max(0.0) + slow.max(0.0)));
        }
    }
    sort(&mut found, |a, b| (b.1, a.0) < (a.1, b.0));
    found.truncate(n_left);
    found.into_iter().map(|(member, _)| member).collect()
}

/// Standard normal score of the difference between two failure ratios, pooled.
fn score((failed, calls): (u32, u32), (other_failed, other_calls): (u32, u32)) -> f64 {
    if calls == 0 || other_calls == 0 {
        return 0.0;
    }
    let (n, m) = (f64::from(calls), f64::from(other_calls));
    // One success and one failure more keep the variance of a spotless record above zero.
    let pooled = (f64::from(failed + other_failed) + 1.0) / (n + m + 2.0);
    let difference = f64::from(failed) / n - f64::from(other_failed) / m;
    difference / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt()
}

#[cfg(test)]
mod tests;
