//! Hartigan's dip: how far the empirical distribution is from the nearest one with a single mode.

use crate::sample::{Sample, StatsError, require};

/// Fewest values for a dip.
pub const MIN_DIP: usize = 20;

/// 99 % quantiles of √n × dip of uniform samples by n, simulated with 20,000 samples each (4,000 for the last); two
/// digits are certain, and `examples/calibrate.rs` measures the rate of warnings that follows from them.
const CRITICAL: &[(f64, f64)] =
    &[(20.0, 0.544), (50.0, 0.569), (100.0, 0.586), (200.0, 0.597), (500.0, 0.614), (2_000.0, 0.625)];

/// Dip statistic of Hartigan & Hartigan, "The Dip Test of Unimodality" (1985): the largest distance between the
/// empirical distribution function and the unimodal one that is closest to it, 0–0.25.
///
/// # Errors
/// [`StatsError::NotEnoughData`] below [`MIN_DIP`] values, [`StatsError::NoSpread`] if all are equal.
pub fn dip(sample: &Sample) -> Result<f64, StatsError> {
    require(sample.len(), MIN_DIP)?;
    let x = sample.sorted();
    if x[0] == x[x.len() - 1] {
        return Err(StatsError::NoSpread);
    }
    let (mut low, mut high) = (0, x.len() - 1);
    // In units of 1/n, and twice the dip, because the unimodal function may pass half-way.
    let mut dip: f64 = 1.0;
    loop {
        let minorant = hull(x, low, high, |before, after| before < after);
        let majorant = hull(x, low, high, |before, after| before > after);
        let (gap, next_low, next_high) = widest_gap(x, &minorant, &majorant);
        if gap <= dip {
            break;
        }
        for line in minorant.windows(2).filter(|line| line[1] <= next_low) {
            dip = (line[0]..=line[1]).fold(dip, |dip, index| dip.max(1.0 - height_above(x, line, index)));
        }
        for line in majorant.windows(2).filter(|line| line[0] >= next_high) {
            dip = (line[0]..=line[1]).fold(dip, |dip, index| dip.max(1.0 + height_above(x, line, index)));
        }
        if (next_low, next_high) == (low, high) {
            break;
        }
        (low, high) = (next_low, next_high);
    }
    Ok(dip / (2.0 * x.len() as f64))
}

/// What the dip of a unimodal sample of size `n` exceeds in 1 % of cases, for the uniform distribution, which is the
/// hardest unimodal one. Interpolated between tabulated sizes on the scale of √n × dip.
///
/// # Errors
/// [`StatsError::NotEnoughData`] below [`MIN_DIP`] values.
pub fn dip_critical(n: usize) -> Result<f64, StatsError> {
    require(n, MIN_DIP)?;
    let n = n as f64;
    let scaled =
        CRITICAL.windows(2).find(|pair| n <= pair[1].0).map_or(CRITICAL[CRITICAL.len() - 1].1, |pair| {
            let share = (n - pair[0].0) / (pair[1].0 - pair[0].0);
            pair[0].1 + share * (pair[1].1 - pair[0].1)
        });
    Ok(scaled / n.sqrt())
}

/// Vertices of the greatest convex minorant or least concave majorant of the points (x, index) from `low` to `high`.
/// `keeps` compares the slopes before and after a vertex, both multiplied by the two widths.
fn hull(x: &[f64], low: usize, high: usize, keeps: impl Fn(f64, f64) -> bool) -> Vec<usize> {
    let mut vertices: Vec<usize> = Vec::new();
    for index in low..=high {
        while let [.., first, middle] = vertices[..] {
            let before = (middle - first) as f64 * (x[index] - x[middle]);
            let after = (index - middle) as f64 * (x[middle] - x[first]);
            if keeps(before, after) {
                break;
            }
            vertices.pop();
        }
        vertices.push(index);
    }
    vertices
}

/// Largest distance between the two hulls, plus one step, and the interval in which it occurs.
fn widest_gap(x: &[f64], minorant: &[usize], majorant: &[usize]) -> (f64, usize, usize) {
    let (low, high) = (minorant[0], minorant[minorant.len() - 1]);
    let mut widest = (0.0, low, high);
    for line in minorant.windows(2) {
        for &vertex in majorant.iter().filter(|&&vertex| line[0] < vertex && vertex < line[1]) {
            let gap = 1.0 - height_above(x, line, vertex);
            if gap >= widest.0 {
                widest = (gap, line[0], vertex);
            }
        }
    }
    for line in majorant.windows(2) {
        for &vertex in minorant.iter().filter(|&&vertex| line[0] < vertex && vertex < line[1]) {
            let gap = 1.0 + height_above(x, line, vertex);
            if gap >= widest.0 {
                widest = (gap, vertex, line[1]);
            }
        }
    }
    widest
}

/// How far the line between two vertices runs above the point (x, index). A vertical line counts at its lower end.
fn height_above(x: &[f64], line: &[usize], index: usize) -> f64 {
    let (start, end) = (line[0], line[1]);
    let width = x[end] - x[start];
    let share = if width > 0.0 { (x[index] - x[start]) / width } else { 0.0 };
    start as f64 + share * (end - start) as f64 - index as f64
}
