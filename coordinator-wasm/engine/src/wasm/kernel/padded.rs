//! Images with their channels innermost, and frames of zeros around them, so that windows read without asking where the
//! edge is.

/// Height and width.
pub type Size = [usize; 2];

/// Pixels of an image, row by row, each with all its channels.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// [height, width, channels]
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
}

/// An image in a frame of zeros.
#[derive(Debug, Default)]
pub struct Padded {
    data: Vec<f32>,
}

impl Padded {
    /// The image inside the zeros that `window` asks for: the image itself, or a copy in the memory of the last call.
    pub fn frame<'a>(&'a mut self, image: Image<'a>, window: &Window) -> Image<'a> {
        if window.pads_begin == [0, 0] && window.pads_end == [0, 0] {
            return image;
        }
        let n_channels = image.n_channels();
        let [height, width] = image.size;
        let size @ [frame_height, frame_width] =
            core::array::from_fn(|axis| image.size[axis] + window.pads_begin[axis] + window.pads_end[axis]);
        let [top, left] = window.pads_begin.map(|pad| pad * n_channels);
        let (row_length, frame_row_length) = (width * n_channels, frame_width * n_channels);
        self.data.clear();
        self.data.reserve(frame_height * frame_row_length);
        self.data.resize(top * frame_width, 0.0);
        for row in image.data.chunks_exact(row_length.max(1)).take(height) {
            let end = self.data.len() + frame_row_length;
            self.data.resize(self.data.len() + left, 0.0);
            self.data.extend_from_slice(row);
            self.data.resize(end, 0.0);
        }
        self.data.resize(frame_height * frame_row_length, 0.0);
        Image { data: &self.data, size }
    }
}

/// Position of each tap relative to a window's first pixel, row by row.
pub(super) fn tap_offsets(
    window: &Window,
    frame_width: usize,
    n_channels: usize,
) -> impl Iterator<Item = usize> {
    let Window { kernel, dilations, .. } = *window;
    let row = move |ky: usize| ky * dilations[0] * frame_width * n_channels;
    (0..kernel[0]).flat_map(move |ky| (0..kernel[1]).map(move |kx| row(ky) + kx * dilations[1] * n_channels))
}
