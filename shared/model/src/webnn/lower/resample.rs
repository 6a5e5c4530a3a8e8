//! Resizing: `resample2d` where it means the same, gathers along each axis elsewhere.

use crate::op::{Fact, NearestRounding, ResizeCoordinates, ResizeMode};
use crate::plan::Step;
use crate::reference::{ResizeSample, resize_samples};
use crate::tensor::Data;

use super::Lowering;
use crate::webnn::builder::Reason;
use crate::webnn::program::{Argument, OperandId};

impl Lowering<'_> {
    pub(super) fn resize(
        &mut self,
        step: &Step,
        coordinates: ResizeCoordinates,
        mode: ResizeMode,
        scales: &[f32],
    ) -> Result<(), Reason> {
        let (out, fact) = self.result(step);
        let value = Self::value(step, 0)?;
        let from = self.dims(value);
        let is_spatial = from.len() == 4 && from[..2] == fact.dims[..2];
        if is_spatial && is_native(coordinates, mode, scales, &from, &fact.dims) {
            let image = self.image(value)?;
            let axes: Vec<usize> = [2, 3].map(|axis| self.image_axis(axis, 4)).to_vec();
            let name = if mode == ResizeMode::Linear { "linear" } else { "nearest-neighbor" };
            let options = vec![
                ("mode", Argument::Text(name)),
                ("sizes", Argument::Numbers(fact.dims[2..].to_vec())),
                ("axes", Argument::Numbers(axes)),
            ];
            let result = Fact::new(fact.dtype, self.per_image_axis(&fact.dims, 1));
            let arguments = vec![Argument::Operand("input", image)];
            let y = self.builder.call("resample2d", arguments, options, result)?;
            self.put(out, true, y);
            return Ok(());
        }
        let is_image = self.is_image(value) && from.len() == 4;
        let mut x = if is_image { self.image(value)? } else { self.planar(value)? };
        for axis in 0..from.len() {
            if from[axis] != fact.dims[axis] {
                let taps = resize_samples(coordinates, mode, scales[axis], from[axis], fact.dims[axis]);
                let axis = if is_image { self.image_axis(axis, 4) } else { axis };
                x = self.interpolate(x, axis, &taps)?;
            }
        }
        self.put(out, is_image, x);
        Ok(())
    }

    /// Takes `low + (high − low) · weight` along an axis, for the positions and weights of each tap.
    fn interpolate(&mut self, x: OperandId, axis: usize, taps: &[ResizeSample]) -> Result<OperandId, Reason> {
        let n = taps.len();
        let lows = taps.iter().map(|&(low, _, _)| low as i32).collect();
        let lows = self.builder.made(vec![n], Data::I32(lows))?;
        let low = self.builder.gather(x, lows, axis)?;
        if taps.iter().all(|&(_, _, weight)| weight == 0.0) {
            return Ok(low);
        }
        let highs = taps.iter().map(|&(_, high, _)| high as i32).collect();
        let highs = self.builder.made(vec![n], Data::I32(highs))?;
        let high = self.builder.gather(x, highs, axis)?;
        let mut along = vec![1; self.builder.dims(x).len()];
        along[axis] = n;
        let weights = taps.iter().map(|&(_, _, weight)| weight).collect();
        let weights = self.builder.made(along, Data::F32(weights))?;
        let rise = self.builder.binary("sub", high, low)?;
        let part = self.builder.binary("mul", rise, weights)?;
        self.builder.binary("add", low, part)
    }
}

/// True where `resample2d`, which counts from pixel centres, gives the same.
fn is_native(
    coordinates: ResizeCoordinates,
    mode: ResizeMode,
    scales: &[f32],
    from: &[usize],
    to: &[usize],
) -> bool {
    let has_whole_scales = (2..4).all(|axis| to[axis].is_multiple_of(from[axis]));
    let agree = (2..4).all(|axis| scales[axis] == to[axis] as f32 / from[axis] as f32);
    let is_centred = match coordinates {
        ResizeCoordinates::HalfPixel => true,
        ResizeCoordinates::PytorchHalfPixel => to[2] > 1 && to[3] > 1,
        ResizeCoordinates::AlignCorners | ResizeCoordinates::Asymmetric => false,
    };
    agree
        && match mode {
            ResizeMode::Linear => is_centred,
            // Copies of each pixel, however it is counted and rounded.
            ResizeMode::Nearest(NearestRounding::PreferFloor | NearestRounding::PreferCeil) => {
                has_whole_scales && is_centred
            }
            ResizeMode::Nearest(NearestRounding::Floor) => {
                has_whole_scales && coordinates == ResizeCoordinates::Asymmetric
            }
            ResizeMode::Nearest(NearestRounding::Ceil) => false,
        }
}
