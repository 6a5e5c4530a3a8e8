//! Coverage by simulation, exact bootstrap bounds, and refusals. Agreement with SciPy is tested in `tests/scipy.rs`.

use super::*;
use crate::random::Random;

const BOOTSTRAP: Method = Method::Bootstrap(Bootstrap { resamples: 400, seed: 7 });

fn sample(values: &[f64]) -> Sample {
    Sample::new(values).expect("usable values")
}

/// Share of repetitions in which a 90 % interval of the ratio covers the true ratio.
fn ratio_coverage(method: Method) -> f64 {
    let mut random = Random::new(11);
    let mut draw = |location: f64| -> Sample {
        let values: Vec<f64> = (0..25).map(|_| location * (1.0 + 0.05 * random.normal())).collect();
        sample(&values)
    };
    let n_covered = (0..400)
        .filter(|_| {
            let interval = median_ratio(&draw(10.0), &draw(12.0), 0.9, method).expect("enough data");
            (interval.low..interval.high).contains(&1.2)
        })
        .count();
    n_covered as f64 / 400.0
}

#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    for method in [BOOTSTRAP, Method::StudentT] {
        let coverage = ratio_coverage(method);
        assert!((0.86..0.97).contains(&coverage), "{method:?} covers {coverage}");
    }
}

#[test]
fn bootstrap_bounds_match_the_exact_distribution() {
    // Of eleven values, P(resampled median ≤ third smallest) = P(Binomial(11, 3/11) ≥ 6) = 0.0467, and for the
    // second smallest 0.0066: the 5 % bound is the third or the fourth value, the 2 % bound the third.
    // The order alternates, so that the values do not look autocorrelated.
    let values = [1.0, 11.0, 2.0, 10.0, 3.0, 9.0, 4.0, 8.0, 5.0, 7.0, 6.0];
    let method = Method::Bootstrap(Bootstrap { resamples: 20_000, seed: 3 });
    let interval = median_interval(&sample(&values), 0.96, method).expect("enough data");
    assert_eq!((interval.low, interval.estimate, interval.high), (3.0, 6.0, 9.0));
}

#[test]
fn the_same_seed_gives_the_same_interval() {
    let values: Vec<f64> = (0..40).map(|index| f64::from(index * index % 17)).collect();
    let first = median_interval(&sample(&values), 0.95, BOOTSTRAP);
    assert_eq!(first, median_interval(&sample(&values), 0.95, BOOTSTRAP));
}

#[test]
fn equal_values_give_an_interval_of_width_zero() {
    for method in [BOOTSTRAP, Method::StudentT] {
        let interval =
            median_ratio(&sample(&[2.0; 9]), &sample(&[3.0; 9]), 0.95, method).expect("enough data");
        assert_eq!(interval.estimate, 1.5);
        assert!((interval.high - interval.low).abs() < 1e-12);
    }
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let (few, many) = (sample(&[1.0, 2.0, 3.0]), sample(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]));
    let error = |have, need| Err(StatsError::NotEnoughData { have, need });
    assert_eq!(median_interval(&few, 0.95, BOOTSTRAP), error(3, 5));
    assert_eq!(median_difference(&many, &few, 0.95, Method::StudentT), error(3, 7));
    assert_eq!(mean_interval(&sample(&[1.0]), 0.95), error(1, 2));
    let out_of_range = |parameter, value| Err(StatsError::OutOfRange { parameter, value });
    assert_eq!(median_interval(&many, 1.0, BOOTSTRAP), out_of_range("level", 1.0));
    let too_small = Method::Bootstrap(Bootstrap { resamples: 9, seed: 1 });
    assert_eq!(median_interval(&many, 0.9, too_small), out_of_range("resamples", 9.0));
    let negative = sample(&[-1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!(median_ratio(&negative, &many, 0.9, BOOTSTRAP), Err(StatsError::NotPositive { index: 0 }));
}
