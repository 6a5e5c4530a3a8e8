//! Pooling, window by window, all channels of a pixel at once.

use model::op::{Pooling, Unary};

use super::elementwise;
use super::padded::{Image, Window};
use super::reduce::accumulate;
use super::simd::F32x4;

/// Taps of a window that are inside the image along an axis.
fn taps(window: &Window, axis: usize, out: usize, length: usize) -> std::ops::Range<usize> {
    let start = out * window.strides[axis];
    let dilation = window.dilations[axis];
    let before = window.pads_begin[axis].saturating_sub(start).div_ceil(dilation);
    let end = (length + window.pads_begin[axis]).saturating_sub(start).div_ceil(dilation);
    before.min(window.kernel[axis])..end.min(window.kernel[axis])
}

/// Taps of a window that are inside the padded image along an axis.
fn n_padded(window: &Window, axis: usize, out: usize, length: usize) -> usize {
    let start = out * window.strides[axis];
    let end = length + window.pads_begin[axis] + window.pads_end[axis];
    end.saturating_sub(start).div_ceil(window.dilations[axis]).min(window.kernel[axis])
}

/// Pools one image to `out` [out height, `out_width`, channels]; its last windows may reach beyond the padding.
pub(in crate::wasm) fn pool(
    kind: Pooling,
    window: &Window,
    image: Image<'_>,
    out_width: usize,
    out: &mut [f32],
) {
    let n_channels = image.n_channels();
    let [height, width] = image.size;
    let input = |axis: usize, at: usize, tap: usize| {
        at * window.strides[axis] + tap * window.dilations[axis] - window.pads_begin[axis]
    };
    for (pixel, cells) in out.chunks_exact_mut(n_channels.max(1)).enumerate() {
        let (y, x) = (pixel / out_width, pixel % out_width);
        let (rows, columns) = (taps(window, 0, y, height), taps(window, 1, x, width));
        cells.fill(if kind == Pooling::Max { f32::NEG_INFINITY } else { 0.0 });
        for row in rows.clone() {
            for column in columns.clone() {
                let from = (input(0, y, row) * width + input(1, x, column)) * n_channels;
                let inputs = &image.data[from..from + n_channels];
                match kind {
                    Pooling::Max => accumulate(cells, inputs, F32x4::max),
                    Pooling::Average { .. } => accumulate(cells, inputs, F32x4::add),
                }
            }
        }
        if let Pooling::Average { counts_padding } = kind {
            let n = if counts_padding {
                n_padded(window, 0, y, height) * n_padded(window, 1, x, width)
            } else {
                rows.len() * columns.len()
            };
            elementwise::apply(&[Unary::Affine { scale: 1.0 / n as f32, shift: 0.0 }], cells);
        }
    }
}
