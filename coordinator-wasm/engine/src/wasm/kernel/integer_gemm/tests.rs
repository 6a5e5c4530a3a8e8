//! The integer product against its definition, exactly; the extremes are those that saturating instructions get wrong.

use super::*;

fn bytes(n: usize, seed: usize) -> Vec<u8> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) % 256) as u8).collect()
}

fn product(a: Bytes<'_>, za: &[i32], b: Bytes<'_>, zb: &[i32], [k, n]: [usize; 2]) -> Vec<i32> {
    let mut rows = PackedDifferences::default();
    rows.fill(a, k, za);
    let columns = PackedBytes::new(b, k, n, zb);
    let mut c = vec![i32::MIN; rows.n_rows() * n];
    integer_gemm(&rows, &columns, |row, column, width, sums| {
        let lanes = [sums[0].to_array(), sums[1].to_array()].concat();
        c[row * n + column..][..width].copy_from_slice(&lanes[..width]);
    });
    c
}

#[track_caller]
fn check(m: usize, k: usize, n: usize, za: &[i32], zb: &[i32]) {
    let (a, b) = (bytes(m * k, 1), bytes(k * n, 2));
    let signed: Vec<i8> = b.iter().map(|b| b.cast_signed()).collect();
    let zero = |points: &[i32], index: usize| match *points {
        [] => 0,
        [shared] => shared,
        ref each => each[index],
    };
    let expected = |value: &dyn Fn(usize) -> i32| -> Vec<i32> {
        (0..m * n)
            .map(|cell| {
                let (row, column) = (cell / n, cell % n);
                let left = |i: usize| i32::from(a[row * k + i]) - zero(za, row);
                (0..k).map(|i| left(i) * (value(i * n + column) - zero(zb, column))).sum()
            })
            .collect()
    };
    let c = product(Bytes::Unsigned(&a), za, Bytes::Unsigned(&b), zb, [k, n]);
    assert_eq!(c, expected(&|i| i32::from(b[i])));
    let c = product(Bytes::Unsigned(&a), za, Bytes::Signed(&signed), zb, [k, n]);
    assert_eq!(c, expected(&|i| i32::from(signed[i])));
}

#[test]
fn every_remainder() {
    for m in 1..=5 {
        for k in [1, 2, 3, 8] {
            for n in [1, 7, 8, 9, 17] {
                check(m, k, n, &[], &[]);
                check(m, k, n, &[131], &[7]);
            }
        }
    }
}

#[test]
fn zero_points_per_row_and_column() {
    check(5, 9, 10, &[0, 255, 128, 3, 77], &[-128, 127, 0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn extremes_do_not_saturate() {
    let (a, b) = ([255_u8; 64], [127_i8; 64]);
    assert_eq!(product(Bytes::Unsigned(&a), &[], Bytes::Signed(&b), &[], [64, 1]), [255 * 127 * 64]);
    let b = [-128_i8; 64];
    assert_eq!(product(Bytes::Unsigned(&a), &[], Bytes::Signed(&b), &[127], [64, 1]), [-255 * 255 * 64]);
}

#[test]
fn an_empty_depth_gives_zeros() {
    let mut rows = PackedDifferences::default();
    rows.fill(Bytes::Unsigned(&[]), 0, &[]);
    assert_eq!(rows.n_rows(), 0);
}

#[track_caller]
fn check_quantized(x: &[f32], expected: &[u8], scale: f32, zero_point: u8) {
    let mut quantized = Vec::new();
    assert_eq!(quantize_dynamic(x, &mut quantized), (scale, zero_point));
    assert_eq!(quantized, expected);
}

#[test]
fn dynamic_quantization_follows_onnx() {
    // The example of the operator's specification.
    check_quantized(&[0.0, 2.0, -3.0, -2.5, 1.34, 0.5], &[153, 255, 0, 26, 221, 179], 5.0 / 255.0, 153);
    check_quantized(&[-1.0, -2.1, -1.3, -2.5, -3.34, -4.0], &[191, 121, 172, 96, 42, 0], 4.0 / 255.0, 255);
    check_quantized(&[0.0, 0.0], &[0, 0], 1.0, 0);
}
