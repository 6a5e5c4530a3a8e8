//! Convolution as a product: windows [pixels, taps] times filters [taps, out channels], 4×8 tiles.
//!
//! With channels innermost a row of a window is one run of memory, so the matrix of all windows (im2col) is read where
//! it lies in the image and never exists. A convolution of single pixels is a plain product.

use std::borrow::Cow;

use super::gemm::{Addends, PackedColumns, Rows, RowsMut, Source, product};
use super::padded::{Image, Padded, Size, Window, tap_offsets};

/// Filters of a convolution, packed for each group of channels; taps are in the order rows, columns, channels.
#[derive(Debug, Clone)]
pub struct PackedFilters {
    groups: Vec<PackedColumns>,
    /// Input channels of a group.
    n_in: usize,
}

impl PackedFilters {
    /// Packs weights [out channels, input channels of a group, height, width].
    #[must_use]
    pub fn new(weights: &[f32], n_in: usize, kernel: Size, n_groups: usize) -> Self {
        let n_taps = kernel[0] * kernel[1];
        let depth = n_in * n_taps;
        let n_out = weights.len().checked_div(depth * n_groups).unwrap_or(0);
        let filters =
            if n_taps == 1 { Cow::Borrowed(weights) } else { Cow::Owned(turn(weights, n_taps, depth)) };
        let pack = |group: usize| {
            let filters = Rows::dense(&filters[group * n_out * depth..(group + 1) * n_out * depth], depth);
            PackedColumns::from_columns(filters, depth)
        };
        Self { groups: (0..n_groups).map(pack).collect(), n_in }
    }

    /// The element at an index of the weights that were packed.
    #[must_use]
    pub fn weight(&self, index: usize) -> f32 {
        let PackedFilters { groups, n_in } = self;
        let (depth, n_out) = (groups[0].depth(), groups[0].n_columns());
        let (out, channel, tap) = (index / depth, index % depth / (depth / n_in), index % (depth / n_in));
        groups[out / n_out].element(tap * n_in + channel, out % n_out)
    }
}

/// Weights [filters, channels, taps] as [filters, taps, channels].
fn turn(weights: &[f32], n_taps: usize, depth: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(weights.len());
    for filter in weights.chunks_exact(depth.max(1)) {
        for tap in 0..n_taps {
            turned.extend(filter[tap..].iter().step_by(n_taps));
        }
    }
    turned
}

/// Memory that calls share.
#[derive(Debug, Default)]
pub struct Scratch {
    padded: Padded,
    starts: Vec<usize>,
    runs: Vec<usize>,
}

/// One image to `out` [out height, out width, out channels]. The bias has one value per out channel, the residual has
/// the shape of `out`.
pub fn conv(
    image: Image<'_>,
    filters: &PackedFilters,
    window: &Window,
    addends: Addends<'_>,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let [out_height, out_width] = window.output_size(image.size);
    let n_channels = image.n_channels();
    let Scratch { padded, starts, runs } = scratch;
    let frame = padded.frame(image, window);
    let frame_width = frame.size[1];
    let row_starts = (0..out_height).map(|y| y * window.strides[0] * frame_width);
    let pixel_starts = row_starts.flat_map(|row| (0..out_width).map(move |x| row + x * window.strides[1]));
    starts.clear();
    starts.extend(pixel_starts.map(|pixel| pixel * n_channels));

    // The taps of a row lie side by side when there is nothing between them.
    let taps_per_run =
        if filters.groups.len() == 1 && window.dilations[1] == 1 { window.kernel[1] } else { 1 };
    runs.clear();
    runs.extend(tap_offsets(window, frame_width, n_channels).step_by(taps_per_run));

    let n_out = filters.groups.iter().map(PackedColumns::n_columns).sum();
    let mut first_out = 0;
    for (group, columns) in filters.groups.iter().enumerate() {
        let windows = Source {
            data: &frame.data[group * filters.n_in..],
            start: |pixel: usize| starts[pixel],
            n_rows: starts.len(),
            runs: runs.as_slice(),
            run_length: taps_per_run * filters.n_in,
        };
        let addends = Addends {
            column_bias: addends.column_bias.map(|bias| &bias[first_out..]),
            residual: addends.residual.map(|residual| &residual[first_out..]),
        };
        product(&windows, columns, addends, RowsMut { data: &mut out[first_out..], stride: n_out });
        first_out += columns.n_columns();
    }
}

#[cfg(test)]
pub(crate) mod tests;
