//! Pooling of one channel, window by window.

use model::op::Pooling;

use super::padded::{Size, Window};

/// Taps of a window that are inside the image along an axis.
fn taps(window: &Window, axis: usize, out: usize, length: usize) -> (usize, usize) {
    let start = out * window.strides[axis];
    let dilation = window.dilations[axis];
    let before = window.pads_begin[axis].saturating_sub(start).div_ceil(dilation);
    let end = (length + window.pads_begin[axis]).saturating_sub(start).div_ceil(dilation);
    (before.min(window.kernel[axis]), end.min(window.kernel[axis]))
}

/// Taps of a window that are inside the padded image along an axis.
fn n_padded(window: &Window, axis: usize, out: usize, length: usize) -> usize {
    let start = out * window.strides[axis];
    let end = length + window.pads_begin[axis] + window.pads_end[axis];
    end.saturating_sub(start).div_ceil(window.dilations[axis]).min(window.kernel[axis])
}

/// Pools one channel of an image of `size` to one of `out_size`.
pub(in crate::wasm) fn pool(
    kind: Pooling,
    window: &Window,
    channel: &[f32],
    size: Size,
    out: &mut [f32],
    out_size: Size,
) {
    let columns: Vec<(usize, usize)> = (0..out_size[1]).map(|x| taps(window, 1, x, size[1])).collect();
    for (y, out) in out.chunks_exact_mut(out_size[1].max(1)).enumerate() {
        let (first_row, end_row) = taps(window, 0, y, size[0]);
        for (x, out) in out.iter_mut().enumerate() {
            let (first_column, end_column) = columns[x];
            let (mut largest, mut sum) = (f32::NEG_INFINITY, 0.0);
            for tap_row in first_row..end_row {
                let row = y * window.strides[0] + tap_row * window.dilations[0] - window.pads_begin[0];
                let values = &channel[row * size[1]..(row + 1) * size[1]];
                for tap in first_column..end_column {
                    let column = x * window.strides[1] + tap * window.dilations[1] - window.pads_begin[1];
                    let value = values[column];
                    sum += value;
                    if value > largest || value.is_nan() {
                        largest = value;
                    }
                }
            }
            *out = match kind {
                Pooling::Max => largest,
                Pooling::Average { counts_padding: true } => {
                    sum / (n_padded(window, 0, y, size[0]) * n_padded(window, 1, x, size[1])) as f32
                }
                Pooling::Average { counts_padding: false } => {
                    sum / ((end_row - first_row) * (end_column - first_column)) as f32
                }
            };
        }
    }
}
