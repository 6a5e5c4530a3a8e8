//! Depthwise convolution against the loops of the general one.

use super::super::conv::tests::{check_close, naive, numbers, window};
use super::super::padded::Size;
use super::*;

#[track_caller]
fn check(n_channels: usize, size: Size, window: Window) {
    let n_taps = window.kernel[0] * window.kernel[1];
    let (image, weights) = (numbers(n_channels * size[0] * size[1], 1), numbers(n_channels * n_taps, 2));
    let mut expected = naive(&image, size, &weights, [n_channels, 1, 1], &window);
    let (bias, residual) = (numbers(n_channels, 3), numbers(expected.len(), 4));
    for (index, value) in expected.iter_mut().enumerate() {
        *value += f64::from(bias[index % n_channels]) + f64::from(residual[index]);
    }
    let addends = Addends { column_bias: Some(&bias), residual: Some(&residual) };
    let filters = DepthwiseFilters::new(&weights, n_channels);
    let mut out = vec![f32::NAN; expected.len()];
    depthwise(Image { data: &image, size }, &filters, &window, addends, &mut out, &mut Scratch::default());
    check_close(&out, &expected, 1e-5);
}

#[test]
fn every_stride_and_remainder() {
    for n_channels in [1, 3, 4, 5, 7, 8, 11, 13, 16, 21] {
        for width in [1, 3, 4, 9] {
            check(n_channels, [4, width], window([3, 3], [1, 1], [1, 1], [1, 2]));
            check(n_channels, [5, width + 2], window([3, 3], [2, 2], [1, 1], [1, 1]));
            check(n_channels, [5, width + 4], window([3, 5], [2, 3], [1, 1], [1, 2]));
        }
    }
}

#[test]
fn large_and_dilated_windows() {
    check(4, [12, 40], window([5, 5], [1, 1], [1, 1], [2, 2]));
    check(10, [12, 40], window([5, 5], [1, 2], [2, 2], [4, 4]));
    check(2, [3, 7], window([1, 1], [1, 1], [1, 1], [0, 0]));
}
