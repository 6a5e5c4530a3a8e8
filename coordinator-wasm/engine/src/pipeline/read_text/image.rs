//! Pixels: sampling any four-cornered part of an image at any size, as the models' input planes.

use crate::tensor::{Tensor, TensorData};

/// Blue, green, red: the order that PP-OCR was trained with.
pub(super) const N_PLANES: usize = 3;

/// Most source pixels that are averaged along one axis of one target pixel.
const MAX_SUBSAMPLES: usize = 4;

/// An RGBA image.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) width: usize,
    pub(super) height: usize,
    pixels: Vec<u8>,
}

/// Four corners: where reading starts, then clockwise, pixels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quad {
    pub(super) corners: [[f32; 2]; 4],
}

impl Image {
    /// The image in a uint8 [height, width, 4] tensor.
    pub(super) fn from_tensor(tensor: Tensor) -> Option<Self> {
        let [height, width, 4] = tensor.shape()[..] else { return None };
        let TensorData::Uint8(pixels) = tensor.data else { return None };
        (!pixels.is_empty()).then_some(Self { width, height, pixels })
    }

    /// The corners of the image itself.
    pub(super) fn outline(&self) -> Quad {
        let (width, height) = (self.width as f32, self.height as f32);
        Quad { corners: [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]] }
    }

    /// The part of the image in `quad`, stretched to `width` × `height`, as planes of values from -1 to 1.
    pub(super) fn planes(&self, quad: &Quad, width: usize, height: usize) -> Vec<f32> {
        self.line_planes(quad, height, width, width)
    }

    /// The part of the image in `quad`, stretched to `width` × `height`, then zeros up to `padded_width`.
    pub(super) fn line_planes(
        &self,
        quad: &Quad,
        height: usize,
        width: usize,
        padded_width: usize,
    ) -> Vec<f32> {
        let width = width.min(padded_width);
        let [quad_width, quad_height] = quad.size();
        let subsamples = [quad_width / width as f32, quad_height / height as f32]
            .map(|scale| (scale.round() as usize).clamp(1, MAX_SUBSAMPLES));
        let plane_size = height * padded_width;
        let mut planes = vec![0.0; N_PLANES * plane_size];
        for y in 0..height {
            for x in 0..width {
                let color = self.mean_color(quad, [x, y], [width, height], subsamples);
                for (plane, value) in color.into_iter().enumerate() {
                    planes[plane * plane_size + y * padded_width + x] = value / 127.5 - 1.0;
                }
            }
        }
        planes
    }

    /// The mean of `subsamples` points in target pixel `at` of `size`.
    fn mean_color(
        &self,
        quad: &Quad,
        at: [usize; 2],
        size: [usize; 2],
        subsamples: [usize; 2],
    ) -> [f32; N_PLANES] {
        let mut sum = [0.0; N_PLANES];
        for step_y in 0..subsamples[1] {
            for step_x in 0..subsamples[0] {
                let part = |axis: usize, step: usize| {
                    (at[axis] as f32 + (step as f32 + 0.5) / subsamples[axis] as f32) / size[axis] as f32
                };
                let color = self.color_at(quad.point(part(0, step_x), part(1, step_y)));
                sum.iter_mut().zip(color).for_each(|(sum, value)| *sum += value);
            }
        }
        sum.map(|sum| sum / (subsamples[0] * subsamples[1]) as f32)
    }

    /// The colour at a point, between the four nearest pixels; beyond the edge it is that of the edge.
    fn color_at(&self, [x, y]: [f32; 2]) -> [f32; N_PLANES] {
        let (left, right, to_right) = neighbours(x, self.width);
        let (top, bottom, to_bottom) = neighbours(y, self.height);
        let [top_left, top_right] = [left, right].map(|x| self.pixel(x, top));
        let [bottom_left, bottom_right] = [left, right].map(|x| self.pixel(x, bottom));
        std::array::from_fn(|plane| {
            let between = |left: f32, right: f32| left + (right - left) * to_right;
            let (top, bottom) = (
                between(top_left[plane], top_right[plane]),
                between(bottom_left[plane], bottom_right[plane]),
            );
            top + (bottom - top) * to_bottom
        })
    }

    /// Blue, green and red of a pixel on white paper, 0 to 255.
    fn pixel(&self, x: usize, y: usize) -> [f32; N_PLANES] {
        let start = 4 * (y * self.width + x);
        let [red, green, blue, alpha] = [0, 1, 2, 3].map(|offset| f32::from(self.pixels[start + offset]));
        [blue, green, red].map(|value| 255.0 + (value - 255.0) * (alpha / 255.0))
    }
}

impl Quad {
    /// The point at these parts (0 to 1) of the way along and across.
    fn point(&self, along: f32, across: f32) -> [f32; 2] {
        let [start, top_right, end, bottom_left] = self.corners;
        std::array::from_fn(|axis| {
            let top = start[axis] + (top_right[axis] - start[axis]) * along;
            let bottom = bottom_left[axis] + (end[axis] - bottom_left[axis]) * along;
            top + (bottom - top) * across
        })
    }

    /// Width and height: the longer of the opposite sides, pixels.
    pub(super) fn size(&self) -> [f32; 2] {
        let [a, b, c, d] = self.corners;
        [distance(a, b).max(distance(c, d)), distance(a, d).max(distance(b, c))]
    }

    /// The width that keeps the aspect ratio at this height, at least 1.
    pub(super) fn width_at(&self, height: usize) -> usize {
        let [width, own_height] = self.size();
        ((height as f32 * width / own_height.max(1.0)).ceil() as usize).max(1)
    }

    /// The same corners, with reading starting `n` corners later: 1 is for text that runs down, 2 for text on its head.
    pub(super) fn turned(&self, n: usize) -> Self {
        let mut corners = self.corners;
        corners.rotate_left(n);
        Self { corners }
    }

    /// The quad cut to the image, or `None` when less than a letter is left.
    pub(super) fn within(mut self, width: usize, height: usize) -> Option<Self> {
        /// Shorter sides hold no text, pixels.
        const MIN_SIDE: f32 = 4.0;
        for corner in &mut self.corners {
            *corner = [corner[0].clamp(0.0, width as f32 - 1.0), corner[1].clamp(0.0, height as f32 - 1.0)];
        }
        let [a, b, _, d] = self.corners;
        (distance(a, b) >= MIN_SIDE && distance(a, d) >= MIN_SIDE).then_some(self)
    }
}

/// The two pixels around a coordinate, and how far it is on the way from the first to the second.
fn neighbours(coordinate: f32, length: usize) -> (usize, usize, f32) {
    let position = (coordinate - 0.5).clamp(0.0, length as f32 - 1.0);
    let first = position as usize;
    (first, (first + 1).min(length - 1), position - first as f32)
}

fn distance(from: [f32; 2], to: [f32; 2]) -> f32 {
    (to[0] - from[0]).hypot(to[1] - from[1])
}

#[cfg(test)]
mod tests;
