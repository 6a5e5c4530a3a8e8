//! Depthwise convolution: each channel with its own window, sixteen neighbouring output pixels at a time.

use super::conv::Addends;
use super::gemm::{read, write};
use super::padded::{Image, Padded, Window};
use super::simd::{F32x4, LANES};

/// Vectors of one step: enough independent sums to hide the latency of an addition.
const VECTORS: usize = 4;

/// One image: `image` [channels] with `weights` [channels, taps] to `out` [channels, out height, out width].
///
/// `padded` is reused between calls.
pub fn depthwise(
    image: Image<'_>,
    weights: &[f32],
    window: &Window,
    addends: Addends<'_>,
    finish: impl Fn(F32x4) -> F32x4 + Copy,
    out: &mut [f32],
    padded: &mut Padded,
) {
    let [out_height, out_width] = window.output_size(image.size);
    let n_taps = window.kernel[0] * window.kernel[1];
    let n_pixels = out_height * out_width;
    if n_pixels == 0 {
        return;
    }
    let n_channels = out.len() / n_pixels;
    // One channel at a time keeps the frame in the first-level cache.
    for channel in 0..n_channels {
        padded.fill(image.channel(channel), window);
        let frame_width = padded.size()[1];
        let taps = &weights[channel * n_taps..][..n_taps];
        let bias = addends.channel_bias.map_or(0.0, |bias| bias[channel]);
        for y in 0..out_height {
            let frame = &padded.from_channel(0)[y * window.strides[0] * frame_width..];
            let start = channel * n_pixels + y * out_width;
            let row = Row { frame, frame_width, taps, window, bias };
            let residual = addends.residual.map(|image| &image[start..start + out_width]);
            row.compute(&mut out[start..start + out_width], residual, finish);
        }
    }
}

struct Row<'a> {
    frame: &'a [f32],
    frame_width: usize,
    taps: &'a [f32],
    window: &'a Window,
    bias: f32,
}

impl Row<'_> {
    #[inline(always)]
    fn compute(&self, cells: &mut [f32], residual: Option<&[f32]>, finish: impl Fn(F32x4) -> F32x4 + Copy) {
        let mut first = 0;
        while first < cells.len() {
            let rest = cells.len() - first;
            if rest >= VECTORS * LANES {
                self.step::<VECTORS>(first, cells, residual, finish);
                first += VECTORS * LANES;
            } else {
                self.step::<1>(first, cells, residual, finish);
                first += LANES;
            }
        }
    }

    #[inline(always)]
    fn step<const N: usize>(
        &self,
        first: usize,
        cells: &mut [f32],
        residual: Option<&[f32]>,
        finish: impl Fn(F32x4) -> F32x4,
    ) {
        let mut sums = [F32x4::splat(self.bias); N];
        for (ky, taps) in self.taps.chunks_exact(self.window.kernel[1]).enumerate() {
            let row = ky * self.window.dilations[0] * self.frame_width;
            for (kx, &tap) in taps.iter().enumerate() {
                let start = row + kx * self.window.dilations[1];
                let tap = F32x4::splat(tap);
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = tap.mul_add(self.load(start, first + vector * LANES), *sum);
                }
            }
        }
        for (vector, sum) in sums.into_iter().enumerate() {
            let from = first + vector * LANES;
            let to = (from + LANES).min(cells.len());
            let added = residual.map_or(sum, |residual| sum.add(read(&residual[from..to])));
            write(finish(added), &mut cells[from..to]);
        }
    }

    /// The inputs of four output pixels for one tap; beyond the row they belong to others and are not stored.
    #[inline(always)]
    fn load(&self, start: usize, pixel: usize) -> F32x4 {
        let at = start + pixel * self.window.strides[1];
        match self.window.strides[1] {
            1 => vector_at(self.frame, at),
            2 => vector_at(self.frame, at).even_lanes(vector_at(self.frame, at + LANES)),
            stride => {
                let lane = |lane: usize| self.frame.get(at + lane * stride).copied().unwrap_or(0.0);
                F32x4::load(&core::array::from_fn(lane))
            }
        }
    }
}

#[inline(always)]
fn vector_at(data: &[f32], at: usize) -> F32x4 {
    match data.get(at..).and_then(|rest| rest.first_chunk::<LANES>()) {
        Some(lanes) => F32x4::load(lanes),
        None => F32x4::load_partial(data.get(at..).unwrap_or(&[]), 0.0),
    }
}

#[cfg(test)]
mod tests;
