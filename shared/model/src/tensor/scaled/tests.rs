//! Scaled bytes against the formula, element by element.

use super::*;
use crate::tensor::Data;

#[track_caller]
fn check(data: Data, axis: usize, scales: &[f32], points: &[i32], expected: &[f32]) {
    let bytes = Arc::new(Tensor::new(vec![2, 3], data).expect("six elements"));
    let scaled = ScaledBytes::new(bytes, axis, scales.to_vec(), points.to_vec()).expect("they fit");
    let tensor = Tensor::scaled(scaled.clone());
    assert!(tensor.as_scaled().is_some() && !tensor.is_released());
    assert_eq!(tensor.data().as_f32(), Some(expected));
    let mut middle = [0.0; 3];
    scaled.read(2, &mut middle);
    assert_eq!(middle, expected[2..5], "reading may start anywhere");
}

#[test]
fn floats_are_bytes_less_their_point_times_their_scale() {
    let signed = || Data::I8(vec![1, 2, 3, -128, 127, 0]);
    check(signed(), 0, &[0.5], &[0], &[0.5, 1.0, 1.5, -64.0, 63.5, 0.0]);
    check(signed(), 0, &[1.0, 2.0], &[0], &[1.0, 2.0, 3.0, -256.0, 254.0, 0.0]);
    check(signed(), 1, &[1.0, 2.0, 3.0], &[1], &[0.0, 2.0, 6.0, -129.0, 252.0, -3.0]);
    check(Data::U8(vec![0, 128, 255, 1, 2, 3]), 0, &[2.0], &[128, 1], &[-256.0, 0.0, 254.0, 0.0, 2.0, 4.0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let bytes = Arc::new(Tensor::new(vec![2, 3], Data::I8(vec![0; 6])).expect("six elements"));
    assert_eq!(ScaledBytes::new(Arc::clone(&bytes), 0, vec![1.0; 3], vec![0]), None);
    assert_eq!(ScaledBytes::new(bytes, 2, vec![1.0; 3], vec![0]), None);
    let floats = Arc::new(Tensor::new(vec![1], Data::F32(vec![0.0])).expect("one element"));
    assert_eq!(ScaledBytes::new(floats, 0, vec![1.0], vec![0]), None);
}
