//! Units change where the rounded number would need a fourth digit.

use super::*;

#[track_caller]
fn check_micros(value: f64, expected: &str) {
    assert_eq!(micros(value), expected);
}

#[track_caller]
fn check_bytes(value: u64, expected: &str) {
    assert_eq!(bytes(value), expected);
}

#[test]
fn durations() {
    check_micros(0.0, "0.00 µs");
    check_micros(9.81, "9.81 µs");
    check_micros(999.4, "999 µs");
    check_micros(999.6, "1.00 ms");
    check_micros(9_996.0, "10.0 ms");
    check_micros(182_300.0, "182 ms");
    check_micros(999_700.0, "1.00 s");
    check_micros(63_000_000.0, "63.0 s");
}

#[test]
fn ranges_have_one_unit() {
    assert_eq!(micros_range(9_520.0, 10_120.0), "9.52–10.1 ms");
    assert_eq!(micros_range(950.0, 1_050.0), "0.95–1.05 ms");
    assert_eq!(micros_range(10.0, 20.0), "10.0–20.0 µs");
}

#[test]
fn browsers_have_short_versions() {
    assert_eq!(browser("chromium", "156.0.8078.79"), "chromium 156.0");
    assert_eq!(browser("firefox", ""), "firefox");
}

#[test]
fn backends_are_named_once() {
    assert_eq!(backend("wasm", "relaxed-simd"), "wasm relaxed-simd");
    assert_eq!(backend("webgpu", "webgpu swiftshader"), "webgpu swiftshader");
    assert_eq!(backend("webnn", ""), "webnn");
}

#[test]
fn sizes() {
    check_bytes(17, "17 B");
    check_bytes(1_087_958, "1.09 MB");
    check_bytes(69_060_623, "69.1 MB");
    check_bytes(585_532, "586 kB");
    check_bytes(4_000_000_000, "4.00 GB");
}

#[test]
fn percentages() {
    let texts = [0.042, -0.0996, 0.25, -1.5, 0.0].map(signed_percent);
    assert_eq!(texts, ["+4.2 %", "−10 %", "+25 %", "−150 %", "+0.0 %"]);
}
