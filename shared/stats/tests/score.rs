//! The change-point score on a generated set like the one that `baselines/score.py` reads.

use stats::{DetectorConfig, Random, detect};

/// Noise of one series, with a standard deviation near 1.
fn draw(random: &mut Random, kind: usize, n: usize) -> Vec<f64> {
    let mut state = random.normal();
    let mut next = || match kind {
        0 => random.normal(),
        1 => {
            state = 0.6 * state + 0.8 * random.normal();
            state
        }
        2 => 0.3 * random.normal() + if random.uniform() < 0.5 { 0.95 } else { -0.95 },
        3 => random.normal() + if random.uniform() < 0.03 { 10.0 } else { 0.0 },
        _ => libm::exp(0.8 * random.normal()) - 1.0,
    };
    (0..n).map(|_| next()).collect()
}

/// Steps, steps that revert, and nothing: the changes and the values.
fn series(random: &mut Random, index: usize) -> (Vec<usize>, Vec<f64>) {
    let (n, cv) = ([60, 120, 240][index % 3], [0.01, 0.03, 0.08][index / 3 % 3]);
    let place = n / 5 + random.below(3 * n / 5);
    let (changes, factor) = match index / 9 % 5 {
        0 => (vec![], 1.0),
        1 => (vec![place, (place + 15 + random.below(n / 4)).min(n)], 1.15),
        kind => (vec![place], [1.08, 1.2, 0.7][kind - 2]),
    };
    let changed = |index: usize| changes.iter().filter(|&&change| change <= index).count() % 2 == 1;
    let noise = draw(random, index / 45 % 5, n);
    let level = |index: usize| if changed(index) { 100.0 * factor } else { 100.0 };
    let values =
        noise.iter().enumerate().map(|(index, noise)| level(index) * libm::exp(cv * noise)).collect();
    (changes.into_iter().filter(|&change| change < n).collect(), values)
}

/// Reports within five values of a change that no other report claimed.
fn n_matched(changes: &[usize], reports: &[usize]) -> usize {
    let mut free = reports.to_vec();
    let mut n_matched = 0;
    for &change in changes {
        let nearest = (0..free.len()).min_by_key(|&index| free[index].abs_diff(change));
        if let Some(index) = nearest.filter(|&index| free[index].abs_diff(change) <= 5) {
            free.remove(index);
            n_matched += 1;
        }
    }
    n_matched
}

#[test]
fn changes_are_found_and_noise_is_left_alone() {
    let mut random = Random::new(2024);
    let (mut n_true, mut n_reports, mut n_changes) = (0, 0, 0);
    let (mut n_alarms, mut n_null_values) = (0, 0);
    for index in 0..450 {
        let (changes, values) = series(&mut random, index);
        let found = detect(&values, DetectorConfig::default()).expect("usable values");
        let reports: Vec<usize> = found.iter().map(|change| change.index).collect();
        n_true += n_matched(&changes, &reports);
        n_reports += reports.len();
        n_changes += changes.len();
        if changes.is_empty() {
            n_alarms += reports.len();
            n_null_values += values.len();
        }
    }
    let f1 = 2.0 * n_true as f64 / (n_reports + n_changes) as f64;
    let precision = n_true as f64 / n_reports as f64;
    assert!(f1 >= 0.86 && precision >= 0.95, "F1 {f1:.3}, precision {precision:.3}");
    assert!(n_alarms * 2_500 <= n_null_values, "{n_alarms} alarms in {n_null_values} values");
}
