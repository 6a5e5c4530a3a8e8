//! Many comparisons at once: keeps the share of false findings, not just of each one, below a limit.

/// Adjusted p-values, in the order given: reporting those below q keeps the expected share of false findings below q.
///
/// Benjamini & Hochberg, "Controlling the False Discovery Rate" (1995). Values are clamped to 0–1; one that is not a
/// number counts as 1.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let p_value = |index: usize| if p_values[index].is_nan() { 1.0 } else { p_values[index].clamp(0.0, 1.0) };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&left, &right| p_value(left).total_cmp(&p_value(right)));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (rank, &index) in order.iter().enumerate().rev() {
        smallest = smallest.min(p_value(index) * p_values.len() as f64 / (rank + 1) as f64);
        adjusted[index] = smallest;
    }
    adjusted
}

#[cfg(test)]
mod tests;
