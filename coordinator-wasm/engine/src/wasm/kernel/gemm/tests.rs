//! The tiled product against three nested loops, over shapes that leave every kind of remainder.

use super::*;

fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    std::iter::repeat_with(next).take(n).collect()
}

fn naive(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for (row, cells) in c.chunks_mut(n).enumerate() {
        for (column, cell) in cells.iter_mut().enumerate() {
            *cell = (0..k).map(|i| f64::from(a[row * k + i]) * f64::from(b[i * n + column])).sum();
        }
    }
    c
}

fn dense(data: &mut [f32], n_columns: usize) -> RowsMut<'_> {
    RowsMut { data, stride: n_columns }
}

#[track_caller]
fn check_close(actual: &[f32], expected: &[f64], limit: f64) {
    assert_eq!(actual.len(), expected.len());
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(actual) - expected).abs() <= limit,
            "element {index}: {actual}, expected {expected}"
        );
    }
}

#[track_caller]
fn check(m: usize, k: usize, n: usize) {
    let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
    let expected = naive(&a, &b, [m, k, n]);
    let limit = 1e-6 * (k as f64).sqrt().max(1.0);

    let mut c = vec![f32::NAN; m * n];
    let packed = PackedColumns::from_rows(Rows::dense(&b, n), n);
    gemm(Rows::dense(&a, k), &packed, Addends::default(), dense(&mut c, n));
    check_close(&c, &expected, limit);

    let transposed: Vec<f32> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
    let mut c = vec![f32::NAN; m * n];
    let packed = PackedColumns::from_columns(Rows::dense(&transposed, k), k);
    gemm(Rows::dense(&a, k), &packed, Addends::default(), dense(&mut c, n));
    check_close(&c, &expected, limit);

    let (bias, residual) = (numbers(n, 3), numbers(m * n, 4));
    let addends = Addends { column_bias: Some(&bias), residual: Some(&residual) };
    let mut c = vec![f32::NAN; m * n];
    gemm(Rows::dense(&a, k), &packed, addends, dense(&mut c, n));
    let expected: Vec<f64> =
        (0..m * n).map(|i| expected[i] + f64::from(bias[i % n]) + f64::from(residual[i])).collect();
    check_close(&c, &expected, limit);
}

#[test]
fn every_remainder_of_rows_and_columns() {
    for m in 1..=9 {
        for n in [1, 3, 4, 5, 7, 8, 9, 13, 16, 17] {
            check(m, 5, n);
        }
    }
}

#[test]
fn every_remainder_of_the_depth() {
    for k in [1, 2, 3, 4, 5, 6, 7, 513] {
        for m in 1..=5 {
            check(m, k, 10);
        }
    }
}

#[test]
fn more_rows_than_one_block() {
    check(33, 10_000, 9);
}

#[test]
fn shapes_of_a_transformer() {
    check(16, 384, 384);
    check(33, 96, 61);
}

#[test]
fn a_product_without_terms_is_the_bias() {
    let packed = PackedColumns::from_rows(Rows { data: &[], stride: 0, n_rows: 0 }, 3);
    let bias = [1.0, 2.0, 3.0];
    let mut c = [f32::NAN; 6];
    let addends = Addends { column_bias: Some(&bias), residual: None };
    let no_columns = Rows { data: &[], stride: 0, n_rows: 2 };
    gemm(no_columns, &packed, addends, dense(&mut c, 3));
    assert_eq!(c, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
}

#[test]
fn rows_may_lie_apart() {
    let (a, b) = (numbers(7 * 20, 1), numbers(6 * 9, 2));
    let rows = Rows { data: &a[3..], stride: 20, n_rows: 7 };
    let packed_a: Vec<f32> = (0..7).flat_map(|row| a[3 + row * 20..][..6].to_vec()).collect();
    let packed = PackedColumns::from_rows(Rows::dense(&b, 9), 9);
    let mut c = vec![7.0; 7 * 12];
    let output = RowsMut { data: &mut c, stride: 12 };
    gemm(rows, &packed, Addends::default(), output);
    let cells: Vec<f32> = c.chunks(12).flat_map(|row| row[..9].to_vec()).collect();
    check_close(&cells, &naive(&packed_a, &b, [7, 6, 9]), 1e-5);
    assert!(c.chunks(12).all(|row| row[9..] == [7.0; 3]), "the gaps are not written");
}
