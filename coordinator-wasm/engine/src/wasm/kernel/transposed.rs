//! Transposed convolution: every input pixel times every tap, and the products added up where they belong.

use super::gemm::{Addends, PackedColumns, Rows, RowsMut, TILE_ROWS, gemm};
use super::padded::{Image, Size, Window};

/// Weights of one group, `[out channels · taps, in channels]`.
#[derive(Debug, Clone)]
pub struct TransposedFilters {
    rows: Vec<f32>,
    n_in: usize,
}

impl TransposedFilters {
    /// Transposes row-major weights `[n_in, out channels · taps]`.
    #[must_use]
    pub fn new(weights: &[f32], n_in: usize) -> Self {
        let n_rows = weights.len().checked_div(n_in).unwrap_or(0);
        let column = |row: usize| weights[row..].iter().step_by(n_rows).copied();
        Self { rows: (0..n_rows).flat_map(column).collect(), n_in }
    }
}

/// Memory that calls share.
#[derive(Debug, Default)]
pub struct Scratch {
    pixels: PackedColumns,
    products: Vec<f32>,
    rows: Vec<[f32; TILE_ROWS]>,
}

/// Adds one group of one image to `out` [out channels, height, width], which holds what is to be added to.
pub fn add_transposed(
    image: Image<'_>,
    filters: &TransposedFilters,
    window: &Window,
    out: &mut [f32],
    out_size: Size,
    scratch: &mut Scratch,
) {
    let n_pixels = image.size[0] * image.size[1];
    let n_taps = window.kernel[0] * window.kernel[1];
    let Scratch { pixels, products, rows } = scratch;
    pixels.repack_rows(Rows::dense(image.data, n_pixels), n_pixels);
    let weights = Rows::dense(&filters.rows, filters.n_in);
    products.resize(weights.n_rows * n_pixels, 0.0);
    let target = RowsMut { data: products.as_mut_slice(), stride: n_pixels };
    gemm(weights, pixels, Addends::default(), |x| x, target, rows);
    let per_channel = (out_size[0] * out_size[1]).max(1);
    for (row, products) in products.chunks_exact(n_pixels.max(1)).enumerate() {
        let plane = &mut out[row / n_taps * per_channel..][..per_channel];
        let tap = [row % n_taps / window.kernel[1], row % window.kernel[1]];
        add_tap(products, image.size, window, tap, plane, out_size);
    }
}

/// Adds the products of one tap; those that fall outside are cropped.
fn add_tap(products: &[f32], size: Size, window: &Window, tap: Size, plane: &mut [f32], out_size: Size) {
    let place = |axis: usize, at: usize| {
        let spread = at * window.strides[axis] + tap[axis] * window.dilations[axis];
        spread.checked_sub(window.pads_begin[axis]).filter(|&position| position < out_size[axis])
    };
    for (y, products) in products.chunks_exact(size[1].max(1)).enumerate() {
        let Some(out_y) = place(0, y) else { continue };
        let row = &mut plane[out_y * out_size[1]..(out_y + 1) * out_size[1]];
        for (x, &product) in products.iter().enumerate() {
            if let Some(out_x) = place(1, x) {
                row[out_x] += product;
            }
        }
    }
}
