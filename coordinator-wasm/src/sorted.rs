//! Numbers in order, for quantiles.

/// Sorts a few hundred numbers at most, by insertion: the standard library's sort would be 4 kB of code.
pub(crate) fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted = Vec::new();
    for number in numbers {
        let place = sorted.partition_point(|&other| other <= number);
        sorted.insert(place, number);
    }
    sorted
}

/// Quantile at `p` of numbers in order; `None` without any.
pub(crate) fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    (!sorted.is_empty()).then(|| stats::quantile_sorted(sorted, p))
}

#[cfg(test)]
mod tests;
