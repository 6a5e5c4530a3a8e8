//! The same change points, bounds, tests and drifts, bit for bit, native and in wasm.

use stats::interval::median_ratio;
use stats::{
    Bootstrap, Comparison, ComparisonConfig, Contrast, Design, DetectorConfig, History, Method, Random,
    Sample, Spread, detect, drift, minimum_detectable_effect,
};

/// Digest of everything below; it changes only with the algorithms.
const EXPECTED: u64 = 17_533_541_827_205_497_581;

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
        let (first, second) = (sample(first), sample(second));
        let config =
            ComparisonConfig { bootstrap: Bootstrap { resamples: 200, seed }, ..ComparisonConfig::default() };
        let comparison = Comparison::new(&first, &second, config).expect("enough data");
        let by_t = median_ratio(&first, &second, 0.95, Method::StudentT).expect("enough data");
        let spread = Spread::of(&History::of(&values[..30]).expect("usable values"), &[]);
        let sides = [std::slice::from_ref(&first), std::slice::from_ref(&second)];
        let contrast = Contrast::between(sides[0], sides[1], spread, 0.95).expect("enough data");
        let drift = drift(&first, 0.95).expect("enough data");
        let least = minimum_detectable_effect(spread.sd, (10, 30), Design::default()).expect("a design");
        for value in [
            comparison.ratio.low,
            comparison.difference.high,
            comparison.rank_test.p_value,
            comparison.mean_test.p_value,
            by_t.low,
            contrast.p_value,
            contrast.ratio.high,
            drift.p_value,
            drift.ratio.low,
            least,
        ] {
            digest.add(value.to_bits());
        }
    }
    assert!(n_changes > 50, "{n_changes} changes");
    assert_eq!(digest.0, EXPECTED);
}
