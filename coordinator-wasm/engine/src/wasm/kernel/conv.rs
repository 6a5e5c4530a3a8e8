//! Convolution as a product: weights [out channels, taps] times windows [taps, pixels], 4×8 tiles.
//!
//! The windows of eight output pixels are gathered into a panel that stays in the first-level cache while all
//! output channels pass over it; the matrix of all windows (im2col) never exists.

use super::gemm::{TILE_COLUMNS, TILE_ROWS, Tile, product_of_panels, read, write};
use super::padded::{Image, Padded, Size, Window};
use super::simd::{F32x4, LANES};

/// Taps of one pass: a panel is then 16 kB.
const BLOCK_TAPS: usize = 512;

/// Weights of one group [out channels, taps] in panels of four channels, each [taps][4]; missing channels are zero.
#[derive(Debug, Clone)]
pub struct PackedFilters {
    panels: Vec<[f32; TILE_ROWS]>,
    n_taps: usize,
    n_channels: usize,
}

impl PackedFilters {
    /// Packs row-major weights [n_channels, n_taps].
    #[must_use]
    pub fn new(weights: &[f32], n_taps: usize) -> Self {
        let n_channels = weights.len().checked_div(n_taps).unwrap_or(0);
        let mut panels = vec![[0.0; TILE_ROWS]; n_channels.div_ceil(TILE_ROWS) * n_taps];
        for (channel, taps) in weights.chunks_exact(n_taps.max(1)).enumerate() {
            let panel = &mut panels[channel / TILE_ROWS * n_taps..][..n_taps];
            for (lanes, &tap) in panel.iter_mut().zip(taps) {
                lanes[channel % TILE_ROWS] = tap;
            }
        }
        Self { panels, n_taps, n_channels }
    }

    /// Output channels.
    #[must_use]
    pub fn n_channels(&self) -> usize {
        self.n_channels
    }

    /// Bytes held.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of_val(self.panels.as_slice())
    }
}

/// Added to each element before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Addends<'a> {
    /// One value per output channel.
    pub channel_bias: Option<&'a [f32]>,
    /// An image of the output's shape.
    pub residual: Option<&'a [f32]>,
}

/// Memory that calls share.
#[derive(Debug, Default)]
pub struct Scratch {
    padded: Padded,
    panel: Vec<[f32; TILE_COLUMNS]>,
    tap_offsets: Vec<usize>,
}

/// One group of one image: `image` [in channels] to `out` [out channels, out height, out width].
pub fn conv(
    image: Image<'_>,
    filters: &PackedFilters,
    window: &Window,
    addends: Addends<'_>,
    finish: impl Fn(F32x4) -> F32x4 + Copy,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let out_size = window.output_size(image.size);
    let n_pixels = out_size[0] * out_size[1];
    let Scratch { padded, panel, tap_offsets } = scratch;
    let is_pointwise = window.is_pointwise();
    if !is_pointwise {
        padded.fill(image, window);
        list_tap_offsets(image.n_channels(), window, padded.size(), tap_offsets);
    }
    for first_tap in (0..filters.n_taps).step_by(BLOCK_TAPS) {
        let end_tap = (first_tap + BLOCK_TAPS).min(filters.n_taps);
        for first_pixel in (0..n_pixels).step_by(TILE_COLUMNS) {
            let width = TILE_COLUMNS.min(n_pixels - first_pixel);
            panel.clear();
            if is_pointwise {
                let channels = image.data.chunks_exact(n_pixels).take(end_tap).skip(first_tap);
                panel.extend(channels.map(|channel| full_lanes(&channel[first_pixel..first_pixel + width])));
            } else {
                let pixels = Pixels::new(first_pixel, width, out_size[1], window, padded.size()[1]);
                pixels.gather(padded.from_channel(0), &tap_offsets[first_tap..end_tap], panel);
            }
            let mut output = Output { out, n_pixels, first_pixel, width, addends };
            for (group, rows) in filters.panels.chunks_exact(filters.n_taps).enumerate() {
                let tile = product_of_panels(&rows[first_tap..end_tap], panel);
                let channel = group * TILE_ROWS;
                let n_rows = TILE_ROWS.min(filters.n_channels - channel);
                output.store(channel, n_rows, &tile, first_tap == 0, end_tap == filters.n_taps, finish);
            }
        }
    }
}

/// Position of each tap relative to a window's first, in the order of the weights: channel, row, column.
fn list_tap_offsets(n_channels: usize, window: &Window, frame: Size, offsets: &mut Vec<usize>) {
    offsets.clear();
    for channel in 0..n_channels {
        for ky in 0..window.kernel[0] {
            for kx in 0..window.kernel[1] {
                let row = channel * frame[0] + ky * window.dilations[0];
                offsets.push(row * frame[1] + kx * window.dilations[1]);
            }
        }
    }
}

/// Where the windows of up to eight neighbouring output pixels start in a frame.
struct Pixels {
    starts: [usize; TILE_COLUMNS],
    is_contiguous: bool,
}

impl Pixels {
    fn new(first: usize, width: usize, out_width: usize, window: &Window, frame_width: usize) -> Self {
        let start = |pixel: usize| {
            let (y, x) = (pixel / out_width, pixel % out_width);
            y * window.strides[0] * frame_width + x * window.strides[1]
        };
        // A missing pixel repeats the last one; its sums are not stored.
        let starts: [usize; TILE_COLUMNS] = core::array::from_fn(|lane| start(first + lane.min(width - 1)));
        let is_contiguous = width == TILE_COLUMNS && starts[TILE_COLUMNS - 1] - starts[0] == TILE_COLUMNS - 1;
        Self { starts, is_contiguous }
    }

    fn gather(&self, frames: &[f32], tap_offsets: &[usize], panel: &mut Vec<[f32; TILE_COLUMNS]>) {
        if self.is_contiguous {
            let frames = &frames[self.starts[0]..];
            panel.extend(tap_offsets.iter().map(|&tap| full_lanes(&frames[tap..tap + TILE_COLUMNS])));
        } else {
            panel.extend(tap_offsets.iter().map(|&tap| self.starts.map(|start| frames[start + tap])));
        }
    }
}

#[inline(always)]
fn full_lanes(lanes: &[f32]) -> [f32; TILE_COLUMNS] {
    if let Some(full) = lanes.as_array::<TILE_COLUMNS>() {
        return *full;
    }
    let mut full = [0.0; TILE_COLUMNS];
    full[..lanes.len()].copy_from_slice(lanes);
    full
}

struct Output<'a, 'b> {
    out: &'a mut [f32],
    n_pixels: usize,
    first_pixel: usize,
    width: usize,
    addends: Addends<'b>,
}

impl Output<'_, '_> {
    #[inline(always)]
    fn store(
        &mut self,
        channel: usize,
        n_rows: usize,
        tile: &Tile<TILE_ROWS>,
        is_first: bool,
        is_last: bool,
        finish: impl Fn(F32x4) -> F32x4,
    ) {
        for (offset, sums) in tile.iter().enumerate().take(n_rows) {
            let start = (channel + offset) * self.n_pixels + self.first_pixel;
            for (half, &sum) in sums.iter().enumerate() {
                let from = start + (half * LANES).min(self.width);
                let to = start + ((half + 1) * LANES).min(self.width);
                let cells = &mut self.out[from..to];
                let mut value = if is_first { sum } else { sum.add(read(cells)) };
                if is_last {
                    if let Some(bias) = self.addends.channel_bias {
                        value = value.add(F32x4::splat(bias[channel + offset]));
                    }
                    if let Some(residual) = self.addends.residual {
                        value = value.add(read(&residual[from..to]));
                    }
                    value = finish(value);
                }
                write(value, cells);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
