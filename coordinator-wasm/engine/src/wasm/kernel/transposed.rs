//! Transposed convolution: every input pixel times every tap, and the products added up where they belong.

use super::gemm::{Addends, PackedColumns, Rows, RowsMut, gemm};
use super::padded::{Image, Size, Window};

/// Weights of one group, [input channels, taps · out channels].
#[derive(Debug, Clone)]
pub struct TransposedFilters {
    columns: PackedColumns,
    n_out: usize,
}

impl TransposedFilters {
    /// Packs weights [input channels, out channels, taps] of one group.
    #[must_use]
    pub fn new(weights: &[f32], n_in: usize, n_taps: usize) -> Self {
        let n_out = weights.len().checked_div(n_in * n_taps).unwrap_or(0);
        let columns = PackedColumns::from_fn(n_in, n_taps * n_out, |row, column| {
            let (tap, channel) = (column / n_out, column % n_out);
            weights[(row * n_out + channel) * n_taps + tap]
        });
        Self { columns, n_out }
    }

    /// The element at an index of the weights that were packed.
    #[must_use]
    pub fn weight(&self, index: usize) -> f32 {
        let n_taps = self.columns.n_columns() / self.n_out;
        let (row, channel) = (index / n_taps / self.n_out, index / n_taps % self.n_out);
        self.columns.element(row, index % n_taps * self.n_out + channel)
    }
}

/// Where a group is among the channels of an image.
#[derive(Debug, Clone, Copy)]
pub struct Channels {
    /// First channel of the group.
    pub first: usize,
    /// Channels of the image.
    pub n_all: usize,
}

/// Adds one group of one image to `out` [height, width, out channels], which holds what is to be added to.
pub fn add_transposed(
    image: Image<'_>,
    filters: &TransposedFilters,
    window: &Window,
    [from, to]: [Channels; 2],
    out: &mut [f32],
    out_size: Size,
    products: &mut Vec<f32>,
) {
    let n_products = filters.columns.n_columns();
    products.resize(image.size[0] * image.size[1] * n_products, 0.0);
    let pixels =
        Rows { data: &image.data[from.first..], stride: from.n_all, n_rows: image.size[0] * image.size[1] };
    let target = RowsMut { data: products.as_mut_slice(), stride: n_products };
    gemm(pixels, &filters.columns, Addends::default(), target);
    let place = |axis: usize, at: usize, tap: usize| {
        let spread = at * window.strides[axis] + tap * window.dilations[axis];
        spread.checked_sub(window.pads_begin[axis]).filter(|&position| position < out_size[axis])
    };
    // The taps of a row lie side by side when windows do not overlap.
    let is_tiled = window.strides[1] == window.kernel[1]
        && window.dilations[1] == 1
        && window.pads_begin[1] == 0
        && out_size[1] >= image.size[1] * window.strides[1]
        && to.n_all == filters.n_out;
    let taps_per_run = if is_tiled { window.kernel[1] } else { 1 };
    for (pixel, products) in products.chunks_exact(n_products.max(1)).enumerate() {
        let (y, x) = (pixel / image.size[1], pixel % image.size[1]);
        for (run, products) in products.chunks_exact(taps_per_run * filters.n_out).enumerate() {
            let tap = run * taps_per_run;
            // What falls outside is cropped.
            if let (Some(y), Some(x)) =
                (place(0, y, tap / window.kernel[1]), place(1, x, tap % window.kernel[1]))
            {
                let first = (y * out_size[1] + x) * to.n_all + to.first;
                let cells = &mut out[first..first + products.len()];
                cells.iter_mut().zip(products).for_each(|(cell, product)| *cell += product);
            }
        }
    }
}
