//! Convolution against seven nested loops, over windows that leave every kind of remainder.

use super::*;

pub(crate) fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
}

/// Images have their channels last, weights are [out, in, height, width] with any grouping; `n_in` and `n_out` are channels
/// of one group.
pub(crate) fn naive(
    image: &[f32],
    size: Size,
    weights: &[f32],
    [groups, n_in, n_out]: [usize; 3],
    window: &Window,
) -> Vec<f64> {
    let [out_height, out_width] = window.output_size(size);
    let mut out = Vec::new();
    for (y, x) in (0..out_height).flat_map(|y| (0..out_width).map(move |x| (y, x))) {
        for channel in 0..groups * n_out {
            let mut sum = 0.0;
            for (input, ky, kx) in (0..n_in)
                .flat_map(|i| (0..window.kernel[0]).map(move |ky| (i, ky)))
                .flat_map(|(i, ky)| (0..window.kernel[1]).map(move |kx| (i, ky, kx)))
            {
                let iy = y * window.strides[0] + ky * window.dilations[0];
                let ix = x * window.strides[1] + kx * window.dilations[1];
                let (Some(iy), Some(ix)) =
                    (iy.checked_sub(window.pads_begin[0]), ix.checked_sub(window.pads_begin[1]))
                else {
                    continue;
                };
                if iy < size[0] && ix < size[1] {
                    let from = (iy * size[1] + ix) * groups * n_in + channel / n_out * n_in + input;
                    let tap = ((channel * n_in + input) * window.kernel[0] + ky) * window.kernel[1] + kx;
                    sum += f64::from(image[from]) * f64::from(weights[tap]);
                }
            }
            out.push(sum);
        }
    }
    out
}

pub(crate) fn window(kernel: Size, strides: Size, dilations: Size, pads: Size) -> Window {
    Window { kernel, strides, dilations, pads_begin: pads, pads_end: [pads[0], pads[1] / 2] }
}

#[track_caller]
pub(crate) fn check_close(actual: &[f32], expected: &[f64], limit: f64) {
    assert_eq!(actual.len(), expected.len());
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(actual) - expected).abs() <= limit * expected.abs().max(1.0),
            "element {index}: {actual}, expected {expected}"
        );
    }
}

#[track_caller]
fn check(groups: usize, n_in: usize, n_out: usize, size: Size, window: Window) {
    let n_taps = n_in * window.kernel[0] * window.kernel[1];
    let n_all_out = groups * n_out;
    let image = numbers(groups * n_in * size[0] * size[1], 1);
    let weights = numbers(n_all_out * n_taps, 2);
    let mut expected = naive(&image, size, &weights, [groups, n_in, n_out], &window);
    let filters = PackedFilters::new(&weights, n_in, window.kernel, groups);
    let mut scratch = Scratch::default();
    let mut out = vec![f32::NAN; expected.len()];
    conv(Image { data: &image, size }, &filters, &window, Addends::default(), &mut out, &mut scratch);
    check_close(&out, &expected, 1e-4);

    let (bias, residual) = (numbers(n_all_out, 3), numbers(expected.len(), 4));
    for (index, value) in expected.iter_mut().enumerate() {
        *value += f64::from(bias[index % n_all_out]) + f64::from(residual[index]);
    }
    let addends = Addends { column_bias: Some(&bias), residual: Some(&residual) };
    let mut out = vec![f32::NAN; expected.len()];
    conv(Image { data: &image, size }, &filters, &window, addends, &mut out, &mut scratch);
    check_close(&out, &expected, 1e-4);
}

#[test]
fn pointwise() {
    let one = window([1, 1], [1, 1], [1, 1], [0, 0]);
    check(1, 5, 7, [3, 5], one);
    check(1, 16, 8, [4, 8], one);
    check(1, 1, 1, [1, 1], one);
}

#[test]
fn windows_with_padding_strides_and_dilations() {
    check(1, 3, 6, [9, 11], window([3, 3], [1, 1], [1, 1], [1, 1]));
    check(1, 3, 6, [20, 21], window([3, 3], [1, 1], [1, 1], [1, 2]));
    check(1, 2, 5, [9, 12], window([3, 3], [2, 2], [1, 1], [1, 1]));
    check(1, 2, 4, [12, 9], window([3, 2], [1, 2], [2, 3], [2, 0]));
    check(1, 4, 4, [1, 30], window([1, 5], [1, 1], [1, 1], [0, 2]));
    check(1, 2, 3, [6, 6], window([1, 1], [2, 2], [1, 1], [0, 0]));
}

#[test]
fn groups_of_channels() {
    check(2, 3, 5, [6, 7], window([3, 3], [1, 1], [1, 1], [1, 1]));
    check(3, 4, 2, [5, 9], window([2, 3], [2, 1], [1, 2], [0, 2]));
    check(4, 1, 2, [5, 5], window([1, 1], [1, 1], [1, 1], [0, 0]));
}

#[test]
fn more_taps_than_fit_the_cache() {
    check(1, 64, 5, [5, 6], window([3, 3], [1, 1], [1, 1], [1, 1]));
    check(1, 1100, 3, [3, 4], window([1, 1], [1, 1], [1, 1], [0, 0]));
}
