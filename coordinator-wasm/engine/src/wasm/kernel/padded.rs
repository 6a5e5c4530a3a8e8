//! Images copied into a frame of zeros, so that convolutions read without asking where the edge is.

/// Height and width.
pub type Size = [usize; 2];

/// Channels of an image, one after another, each row by row.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// [channels, height, width]
    pub data: &'a [f32],
    /// Height and width.
    pub size: Size,
}

impl Image<'_> {
    /// Number of channels.
    #[must_use]
    pub fn n_channels(&self) -> usize {
        self.data.len().checked_div(self.size[0] * self.size[1]).unwrap_or(0)
    }

    /// The image of one channel.
    #[must_use]
    pub fn channel(&self, channel: usize) -> Self {
        let n_pixels = self.size[0] * self.size[1];
        Self { data: &self.data[channel * n_pixels..][..n_pixels], size: self.size }
    }
}

/// A window that moves over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Taps.
    pub kernel: Size,
    /// Step between windows.
    pub strides: Size,
    /// Distance between taps.
    pub dilations: Size,
    /// Zeros before the first row and column.
    pub pads_begin: Size,
    /// Zeros after the last row and column.
    pub pads_end: Size,
}

impl Window {
    /// Size of the output over an image of a size; 0 where the window does not fit.
    #[must_use]
    pub fn output_size(&self, size: Size) -> Size {
        core::array::from_fn(|axis| {
            let padded = size[axis] + self.pads_begin[axis] + self.pads_end[axis];
            let extent = (self.kernel[axis] - 1) * self.dilations[axis] + 1;
            padded.checked_sub(extent).map_or(0, |rest| rest / self.strides[axis] + 1)
        })
    }

    /// True when each output element reads exactly the input element at its own place.
    #[must_use]
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1]
            && self.strides == [1, 1]
            && self.pads_begin == [0, 0]
            && self.pads_end == [0, 0]
    }
}

/// Channels in frames, one after another, with slack at the end for vectors that read too far.
#[derive(Debug, Default)]
pub struct Padded {
    data: Vec<f32>,
    size: Size,
}

/// Floats after the last frame: a strided vector reads at most two vectors from its first element on.
const SLACK: usize = 16;

impl Padded {
    /// Copies the channels of `image` into frames, in the memory of the last call.
    pub fn fill(&mut self, image: Image<'_>, window: &Window) {
        let [height, width] = image.size;
        self.size =
            core::array::from_fn(|axis| image.size[axis] + window.pads_begin[axis] + window.pads_end[axis]);
        let [frame_height, frame_width] = self.size;
        self.data.clear();
        self.data.resize(image.n_channels() * frame_height * frame_width + SLACK, 0.0);
        let [top, left] = window.pads_begin;
        for (channel_index, channel) in image.data.chunks_exact((height * width).max(1)).enumerate() {
            for (y, row) in channel.chunks_exact(width).enumerate() {
                let start = (channel_index * frame_height + top + y) * frame_width + left;
                self.data[start..start + width].copy_from_slice(row);
            }
        }
    }

    /// Height and width of a frame.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The frame of a channel and everything after it.
    #[must_use]
    pub fn from_channel(&self, channel: usize) -> &[f32] {
        &self.data[channel * self.size[0] * self.size[1]..]
    }
}
