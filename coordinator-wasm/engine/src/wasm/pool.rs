//! Pooling of images, window by window.

use model::op::{Pooling, Window};

use super::conv::Shape;

/// Input positions that a window covers along an axis, clipped to the image.
fn taps(window: &Window, axis: usize, out: usize, length: usize) -> (usize, usize) {
    let start = out * window.strides[axis];
    let dilation = window.dilations[axis];
    let before = window.pads_begin[axis].saturating_sub(start).div_ceil(dilation);
    let end = (length + window.pads_begin[axis]).saturating_sub(start).div_ceil(dilation);
    (before.min(window.kernel[axis]), end.min(window.kernel[axis]))
}

/// Elements of a window inside the padded image along an axis.
fn n_padded(window: &Window, axis: usize, out: usize, length: usize) -> usize {
    let start = out * window.strides[axis];
    let end = length + window.pads_begin[axis] + window.pads_end[axis];
    end.saturating_sub(start).div_ceil(window.dilations[axis]).min(window.kernel[axis])
}

/// Pools every channel of every image.
pub(super) fn pool(
    kind: Pooling,
    window: &Window,
    input: Shape,
    output: Shape,
    x: &[f32],
    out: &mut [f32],
) {
    let planes = x.chunks_exact((input.height * input.width).max(1));
    let columns: Vec<(usize, usize)> =
        (0..output.width).map(|column| taps(window, 1, column, input.width)).collect();
    for (plane, out) in planes.zip(out.chunks_exact_mut((output.height * output.width).max(1))) {
        for (y, out) in out.chunks_exact_mut(output.width).enumerate() {
            let (first_row, end_row) = taps(window, 0, y, input.height);
            for (x, out) in out.iter_mut().enumerate() {
                let (first_column, end_column) = columns[x];
                let (mut most, mut sum) = (f32::NEG_INFINITY, 0.0);
                for tap_row in first_row..end_row {
                    let row = y * window.strides[0] + tap_row * window.dilations[0] - window.pads_begin[0];
                    let values = &plane[row * input.width..(row + 1) * input.width];
                    for tap in first_column..end_column {
                        let column = x * window.strides[1] + tap * window.dilations[1] - window.pads_begin[1];
                        let value = values[column];
                        sum += value;
                        if value > most || value.is_nan() {
                            most = value;
                        }
                    }
                }
                *out = match kind {
                    Pooling::Max => most,
                    Pooling::Average { counts_padding: true } => {
                        sum / (n_padded(window, 0, y, input.height) * n_padded(window, 1, x, input.width)) as f32
                    }
                    Pooling::Average { counts_padding: false } => {
                        sum / ((end_row - first_row) * (end_column - first_column)) as f32
                    }
                };
            }
        }
    }
}
