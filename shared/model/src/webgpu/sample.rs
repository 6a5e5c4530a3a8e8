//! Sampling at positions that are computed.

use super::lower::{Call, Failure, LoweredStep, Lowering};
use crate::op::{SampleMode, SamplePadding};
use crate::tensor::{n_elements, strides};

/// Parameters of `Op::RoiAlign`.
pub(super) struct Regions {
    pub(super) is_max: bool,
    pub(super) half_pixel: bool,
    pub(super) n_samples: usize,
    pub(super) scale: f32,
}

impl Lowering<'_> {
    pub(super) fn grid_sample(
        &mut self,
        step: &LoweredStep<'_>,
        mode: SampleMode,
        padding: SamplePadding,
        aligns_corners: bool,
    ) -> Result<(), Failure> {
        let (x, out) = (step.input(0)?, step.output());
        let spatial = &x.dims[2..];
        let low = if aligns_corners { "0.0" } else { "(-0.5)" };
        let outside = match padding {
            SamplePadding::Zeros => "position".to_owned(),
            SamplePadding::Border => "clamp(position, 0.0, n - 1.0)".to_owned(),
            SamplePadding::Reflection => format!("reflect_at(position, {low}, n - 1.0 - {low})"),
        };
        let (n_taps, first) = match mode {
            SampleMode::Nearest => (1, "0.0"),
            SampleMode::Linear => (2, "0.0"),
            SampleMode::Cubic => (4, "1.0"),
        };
        let n_axes = spatial.len();
        let call = Call::new("grid-sample", include_str!("kernel/grid_sample.wgsl"))
            .define("AXES", n_axes)
            .define("TAPS", format!("{n_taps}u"))
            .define("FIRST", first)
            .define("LOW", low)
            .define("OUTSIDE", outside)
            .flag("ALIGNS", aligns_corners)
            .flag("NEAREST", mode == SampleMode::Nearest)
            .flag("CUBIC", mode == SampleMode::Cubic)
            .flag("ZEROS", padding == SamplePadding::Zeros)
            .uint("n_points", n_elements(&out.dims[2..]))
            .uint("n_channels", x.dims[1])
            .uint("n_inner", n_elements(spatial))
            .uint("n_taps", std::iter::repeat_n(n_taps, n_axes).product())
            .uints("length", spatial.iter().copied())
            .uints("stride", strides(spatial))
            .read("x", x)
            .read("grid", step.input(1)?)
            .write("y", out);
        self.emit(call, out.n())
    }

    pub(super) fn roi_align(&mut self, step: &LoweredStep<'_>, regions: &Regions) -> Result<(), Failure> {
        let (x, out) = (step.input(0)?, step.output());
        let &[n_images, n_channels, height, width] = x.dims.as_slice() else {
            return Err(Failure::Unsupported("images that are not four-dimensional".to_owned()));
        };
        let call = Call::new("roi-align", include_str!("kernel/roi_align.wgsl"))
            .define("RESULT", if regions.is_max { "largest" } else { "sum / n" })
            .flag("HALF", regions.half_pixel)
            .uint("n_images", n_images)
            .uint("n_channels", n_channels)
            .uint("height", height)
            .uint("width", width)
            .uint("out_height", out.dims[2])
            .uint("out_width", out.dims[3])
            .uint("n_samples", regions.n_samples)
            .float("scale", regions.scale)
            .float("offset", if regions.half_pixel { 0.5 } else { 0.0 })
            .read("x", x)
            .read("regions", step.input(1)?)
            .read("images", step.input(2)?)
            .write("y", out);
        self.emit(call, out.n())
    }
}
