//! The same change points and bootstrap bounds, bit for bit, native and in wasm.

use stats::interval::median_ratio;
use stats::{Bootstrap, DetectorConfig, Method, Random, Sample, detect};

/// Digest of everything below; it changes only with the algorithms.
const EXPECTED: u64 = 4_701_314_026_477_496_032;

/// Multiplicative hash of 64-bit words.
#[derive(Default)]
struct Digest(u64);

impl Digest {
    fn add(&mut self, bits: u64) {
        self.0 = (self.0 ^ bits).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
    }
}

/// Persistent noise with outliers, and a step where the seed says so.
fn series(seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut noise = 0.0;
    let (place, factor) = (30 + random.below(150), 0.7 + 0.6 * random.uniform());
    let mut draw = |index: usize| {
        noise = 0.3 * noise + random.normal();
        let outlier = if random.uniform() < 0.03 { 1.5 } else { 1.0 };
        let level = if index < place { 100.0 } else { 100.0 * factor };
        level * outlier * libm::exp(0.02 * noise)
    };
    (0..200).map(&mut draw).collect()
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn results_are_the_same_bits_everywhere() {
    let mut digest = Digest::default();
    let mut n_changes = 0;
    for seed in 0..100 {
        let values = series(seed);
        for change in detect(&values, DetectorConfig::default()).expect("usable values") {
            n_changes += 1;
            for index in [change.index, change.earliest, change.latest, change.confirmed_at] {
                digest.add(index as u64);
            }
            for value in [
                change.ratio.estimate,
                change.ratio.low,
                change.ratio.high,
                change.deviations,
                change.p_value,
            ] {
                digest.add(value.to_bits());
            }
        }
        let (first, second) = values.split_at(100);
        let sample = |values: &[f64]| Sample::new(values).expect("usable values");
        let method = Method::Bootstrap(Bootstrap { resamples: 200, seed });
        let ratio = median_ratio(&sample(first), &sample(second), 0.95, method).expect("enough data");
        digest.add(ratio.low.to_bits());
        digest.add(ratio.high.to_bits());
    }
    assert!(n_changes > 50, "{n_changes} changes");
    assert_eq!(digest.0, EXPECTED);
}
