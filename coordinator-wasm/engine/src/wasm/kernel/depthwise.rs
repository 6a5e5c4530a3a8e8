//! Depthwise convolution: each channel with its own window, eight channels of four neighbouring output pixels at a time.
#![expect(unsafe_code, reason = "the inner loop reads pointers whose ranges are checked before it")]

use super::gemm::Addends;
use super::padded::{Image, Padded, Window, tap_offsets};
use super::simd::{F32x4, LANES};

/// Output pixels of one step.
const PIXELS: usize = 4;

/// A window per channel, [taps, channels].
#[derive(Debug, Clone)]
pub struct DepthwiseFilters {
    taps: Vec<f32>,
    n_channels: usize,
}

impl DepthwiseFilters {
    /// Turns weights [channels, taps].
    #[must_use]
    pub fn new(weights: &[f32], n_channels: usize) -> Self {
        let n_taps = weights.len().checked_div(n_channels).unwrap_or(0);
        let tap = |tap: usize| weights[tap..].iter().step_by(n_taps);
        Self { taps: (0..n_taps).flat_map(tap).copied().collect(), n_channels }
    }

    /// The element at an index of the weights that were turned.
    #[must_use]
    pub fn weight(&self, index: usize) -> f32 {
        let n_taps = self.taps.len() / self.n_channels;
        self.taps[index % n_taps * self.n_channels + index / n_taps]
    }
}

/// Memory that calls share.
#[derive(Debug, Default)]
pub struct Scratch {
    padded: Padded,
    taps: Vec<usize>,
}

/// One image to `out` [out height, out width, channels]. The bias has one value per channel, the residual has the shape
/// of `out`.
pub fn depthwise(
    image: Image<'_>,
    filters: &DepthwiseFilters,
    window: &Window,
    addends: Addends<'_>,
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let n_channels = filters.n_channels;
    let out_width = window.output_size(image.size)[1];
    let Scratch { padded, taps } = scratch;
    let frame = padded.frame(image, window);
    taps.clear();
    taps.extend(tap_offsets(window, frame.size[1], n_channels));
    let pixel_stride = window.strides[1] * n_channels;
    let row_stride = window.strides[0] * frame.size[1] * n_channels;
    let row_length = (out_width * n_channels).max(1);
    for (y, cells) in out.chunks_exact_mut(row_length).enumerate() {
        let residual = addends.residual.map(|residual| &residual[y * row_length..(y + 1) * row_length]);
        let row = Row {
            frame: &frame.data[y * row_stride..],
            taps: taps.as_slice(),
            filters,
            pixel_stride,
            bias: addends.column_bias,
            residual,
        };
        row.compute(cells);
    }
}

/// One row of the output.
struct Row<'a> {
    frame: &'a [f32],
    taps: &'a [usize],
    filters: &'a DepthwiseFilters,
    /// Distance between the windows of neighbouring output pixels.
    pixel_stride: usize,
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
}

impl Row<'_> {
    fn compute(&self, cells: &mut [f32]) {
        let n_channels = self.filters.n_channels;
        let mut channel = 0;
        while channel < n_channels {
            let rest = n_channels - channel;
            if rest >= 2 * LANES {
                self.channels::<2>(channel, cells);
                channel += 2 * LANES;
            } else if rest >= LANES {
                self.channels::<1>(channel, cells);
                channel += LANES;
            } else if n_channels >= LANES {
                // The last few channels are computed together with some before them.
                self.channels::<1>(n_channels - LANES, cells);
                channel = n_channels;
            } else {
                self.channel(channel, cells);
                channel += 1;
            }
        }
    }

    /// `N` vectors of channels.
    fn channels<const N: usize>(&self, channel: usize, cells: &mut [f32]) {
        let n_pixels = cells.len() / self.filters.n_channels;
        let mut pixel = 0;
        while pixel + PIXELS <= n_pixels {
            self.step::<PIXELS, N>(pixel, channel, cells);
            pixel += PIXELS;
        }
        for pixel in pixel..n_pixels {
            self.step::<1, N>(pixel, channel, cells);
        }
    }

    #[inline(always)]
    fn step<const P: usize, const N: usize>(&self, pixel: usize, channel: usize, cells: &mut [f32]) {
        let n_channels = self.filters.n_channels;
        let bias = self.bias.map_or([F32x4::zero(); N], |bias| vectors(&bias[channel..]));
        let mut sums = [bias; P];
        let first = pixel * self.pixel_stride + channel;
        let extent = self.taps.last().map_or(0, |last| last + (P - 1) * self.pixel_stride + N * LANES);
        let windows = self.frame[first..][..extent].as_ptr();
        for (&tap, weights) in self.taps.iter().zip(self.filters.taps.chunks_exact(n_channels)) {
            let weights: [F32x4; N] = vectors(&weights[channel..]);
            for (pixel, sums) in sums.iter_mut().enumerate() {
                for (index, (sum, weight)) in sums.iter_mut().zip(weights).enumerate() {
                    let at = tap + pixel * self.pixel_stride + index * LANES;
                    // SAFETY: taps are in ascending order, so the last one's vector is the last of the extent.
                    let x = unsafe { F32x4::load_from(windows.add(at)) };
                    *sum = x.mul_add(weight, *sum);
                }
            }
        }
        for (offset, sums) in sums.into_iter().enumerate() {
            let start = (pixel + offset) * n_channels + channel;
            let added: [F32x4; N] = match self.residual {
                Some(residual) => {
                    let residual: [F32x4; N] = vectors(&residual[start..]);
                    std::array::from_fn(|index| sums[index].add(residual[index]))
                }
                None => sums,
            };
            let (lanes, _) = cells[start..start + N * LANES].as_chunks_mut::<LANES>();
            lanes.iter_mut().zip(added).for_each(|(lanes, sum)| sum.store(lanes));
        }
    }

    /// One channel of an image with fewer than a vector.
    fn channel(&self, channel: usize, cells: &mut [f32]) {
        let n_channels = self.filters.n_channels;
        let bias = self.bias.map_or(0.0, |bias| bias[channel]);
        for (pixel, cells) in cells.chunks_exact_mut(n_channels).enumerate() {
            let window = &self.frame[pixel * self.pixel_stride + channel..];
            let weights = self.filters.taps[channel..].iter().step_by(n_channels);
            let sum: f32 = self.taps.iter().zip(weights).map(|(&tap, weight)| window[tap] * weight).sum();
            let residual = self.residual.map_or(0.0, |residual| residual[pixel * n_channels + channel]);
            cells[channel] = sum + bias + residual;
        }
    }
}

/// The first `N` vectors.
#[inline(always)]
fn vectors<const N: usize>(data: &[f32]) -> [F32x4; N] {
    let (lanes, _) = data[..N * LANES].as_chunks::<LANES>();
    std::array::from_fn(|index| F32x4::load(&lanes[index]))
}

#[cfg(test)]
mod tests;
