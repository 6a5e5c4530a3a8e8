//! Products with scaled bytes against products with their floats.

use std::sync::Arc;

use model::{Data, Tensor};

use super::*;

/// Numbers that differ, between −1 and 1.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|index| ((index * 7919) % 1000) as f32 / 500.0 - 1.0).collect()
}

#[track_caller]
fn check([m, k, n]: [usize; 3], is_transposed: bool, is_signed: bool) {
    let bytes: Vec<u8> = (0..k * n).map(|index| (index * 37 % 256) as u8).collect();
    let data = if is_signed {
        Data::I8(bytes.iter().map(|byte| byte.cast_signed()).collect())
    } else {
        Data::U8(bytes)
    };
    let dims = if is_transposed { vec![n, k] } else { vec![k, n] };
    let scales = (1..=n).map(|column| column as f32 / 64.0).collect();
    let points = if is_signed { vec![0] } else { (0..n).map(|column| 120 + column as i32).collect() };
    let bytes = Arc::new(Tensor::new(dims, data).expect("as many bytes as the shape says"));
    let weights = ScaledBytes::new(bytes, usize::from(!is_transposed), scales, points).expect("they fit");

    let packed = ScaledColumns::new(&weights, is_transposed).expect("scales differ by column");
    let floats = Tensor::scaled(weights);
    let floats = floats.data().as_f32().expect("floats");
    let whole = if is_transposed {
        PackedColumns::from_columns(Rows::dense(floats, k), k)
    } else {
        PackedColumns::from_rows(Rows::dense(floats, n), n)
    };
    assert_eq!(packed.element(k - 1, n - 1), whole.element(k - 1, n - 1));

    let (a, bias, residual) = (numbers(m * k), numbers(n), numbers(m * n));
    let addends = Addends { column_bias: Some(&bias), residual: Some(&residual) };
    let (mut actual, mut expected) = (vec![f32::NAN; m * n], vec![0.0; m * n]);
    gemm(Rows::dense(&a, k), &whole, addends, RowsMut { data: &mut expected, stride: n });
    let target = RowsMut { data: &mut actual, stride: n };
    scaled_gemm(Rows::dense(&a, k), &packed, addends, target, &mut PackedColumns::default());
    assert_eq!(actual, expected);
}

#[test]
fn products_are_those_with_floats() {
    for is_transposed in [false, true] {
        for is_signed in [false, true] {
            check([1, 1, 1], is_transposed, is_signed);
            check([6, 5, 19], is_transposed, is_signed);
        }
    }
    // More rows than one block has.
    check([130, 1024, 8], false, true);
}

#[test]
fn scales_along_the_depth_do_not_fit() {
    let bytes = Arc::new(Tensor::new(vec![2, 3], Data::I8(vec![1; 6])).expect("six elements"));
    let weights = ScaledBytes::new(bytes, 0, vec![1.0, 2.0], vec![0]).expect("they fit");
    assert!(ScaledColumns::new(&weights, false).is_none());
    assert!(ScaledColumns::new(&weights, true).is_some());
}
