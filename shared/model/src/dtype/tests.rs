//! Half floats in both directions.

use super::*;

#[test]
fn half_floats_widen_exactly() {
    let check = |bits: u16, expected: f32| assert_eq!(widen_half(bits).to_bits(), expected.to_bits());
    check(0x3c00, 1.0);
    check(0xc000, -2.0);
    check(0x7bff, 65504.0);
    check(0x0001, 5.960_464_5e-8);
    check(0x8000, -0.0);
    check(0x7c00, f32::INFINITY);
}

#[test]
fn every_half_float_survives_widening() {
    for bits in 0..=u16::MAX {
        let wide = widen_half(bits);
        assert!(
            wide.is_nan() && widen_half(narrow_half(wide)).is_nan() || narrow_half(wide) == bits,
            "{bits:#x}"
        );
    }
}

#[test]
fn narrowing_rounds_to_the_nearest_even() {
    let check = |x: f32, bits: u16| assert_eq!(narrow_half(x), bits, "{x}");
    check(2049.0, 0x6800);
    check(2051.0, 0x6802);
    check(65519.0, 0x7bff);
    check(65520.0, 0x7c00);
    check(-1e9, 0xfc00);
    check(2.980_232_2e-8, 0);
    check(2.980_233e-8, 1);
    // Halfway between the largest subnormal and the smallest normal number.
    check(6.100_535_4e-5, 0x0400);
}
