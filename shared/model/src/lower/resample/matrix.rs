//! Resizing along one axis as a matrix: which elements each result is made of, and how much of each.

use crate::op::{NearestRounding, ResizeCoordinates};
use crate::reference::cubic_weight;

/// How a position between elements gets its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Interpolation {
    Nearest(NearestRounding),
    Linear,
    /// Cubic convolution with this coefficient.
    Cubic {
        a: f64,
    },
}

/// How an output position maps to an input position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Position {
    Plain(ResizeCoordinates),
    /// Half-pixel, with what rounding the length leaves over on both sides.
    Symmetric,
    /// Within a region, corner to corner.
    Crop,
}

/// Resizing along one axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    pub(super) position: Position,
    pub(super) interpolation: Interpolation,
    pub(super) scale: f64,
    /// First and last point as fractions of the input.
    pub(super) region: [f64; 2],
    pub(super) n_in: usize,
    pub(super) n_out: usize,
    /// Kernels widen when the result is smaller.
    pub(super) is_antialiased: bool,
    /// Weights of elements beyond the ends are dropped, else given to the ends.
    pub(super) excludes_outside: bool,
}

/// `[n_out, n_in]`
pub(super) struct Matrix {
    pub(super) elements: Vec<f32>,
    n_in: usize,
}

impl Matrix {
    pub(super) fn is_identity(&self) -> bool {
        let diagonal = |index: usize| f32::from(index / self.n_in == index % self.n_in);
        self.elements.len() == self.n_in * self.n_in
            && self.elements.iter().enumerate().all(|(index, &x)| x == diagonal(index))
    }
}

impl Sampling {
    /// The matrix, and which results lie within the input.
    pub(super) fn matrix(&self) -> (Matrix, Vec<bool>) {
        let last = self.n_in.saturating_sub(1);
        let mut elements = vec![0.0; self.n_out * self.n_in];
        let mut is_inside = Vec::with_capacity(self.n_out);
        for (out, row) in elements.chunks_exact_mut(self.n_in.max(1)).enumerate() {
            let position = self.input_position(out as f64);
            is_inside.push(self.position != Position::Crop || (0.0..=last as f64).contains(&position));
            let mut taps = self.taps(position);
            if self.excludes_outside {
                taps.retain(|&(at, _)| (0..=last as i64).contains(&at));
            }
            let total: f64 = taps.iter().map(|&(_, weight)| weight).sum();
            for (at, weight) in taps {
                row[at.clamp(0, last as i64) as usize] += (weight / total) as f32;
            }
        }
        (Matrix { elements, n_in: self.n_in }, is_inside)
    }

    fn input_position(&self, out: f64) -> f64 {
        let Self { scale, region: [first, last], .. } = *self;
        let n_in = self.n_in as f64;
        let (n_out, n_exact) = (self.n_out as f64, scale * n_in);
        let half_pixel = (out + 0.5) / scale - 0.5;
        match self.position {
            Position::Plain(ResizeCoordinates::HalfPixel) => half_pixel,
            Position::Plain(ResizeCoordinates::PytorchHalfPixel) if n_exact == 1.0 => 0.0,
            Position::Plain(ResizeCoordinates::PytorchHalfPixel) => half_pixel,
            Position::Plain(ResizeCoordinates::AlignCorners) if n_exact == 1.0 => 0.0,
            Position::Plain(ResizeCoordinates::AlignCorners) => out * (n_in - 1.0) / (n_exact - 1.0),
            Position::Plain(ResizeCoordinates::Asymmetric) => out / scale,
            Position::Symmetric => n_in / 2.0 * (1.0 - n_out / n_exact) + half_pixel,
            Position::Crop if self.n_out == 1 => (first + last) * (n_in - 1.0) / 2.0,
            Position::Crop => (first + out * (last - first) / (n_out - 1.0)) * (n_in - 1.0),
        }
    }

    /// Elements and their weights, which may lie beyond the ends and need not add up to 1.
    fn taps(&self, position: f64) -> Vec<(i64, f64)> {
        let shrink = if self.is_antialiased { self.scale.min(1.0) } else { 1.0 };
        let low = position.floor();
        let spread = |reach: f64, weight: &dyn Fn(f64) -> f64| {
            let reach = (reach / shrink).ceil() as i64;
            let tap = |offset: i64| {
                let at = low as i64 + offset;
                (at, weight((at as f64 - position) * shrink))
            };
            (1 - reach..=reach).map(tap).collect()
        };
        match self.interpolation {
            Interpolation::Nearest(rounding) => {
                let nearest = match rounding {
                    NearestRounding::PreferFloor => (position - 0.5).ceil(),
                    NearestRounding::PreferCeil => (position + 0.5).floor(),
                    NearestRounding::Floor => low,
                    NearestRounding::Ceil => position.ceil(),
                };
                vec![(nearest as i64, 1.0)]
            }
            Interpolation::Linear => spread(1.0, &|distance| (1.0 - distance.abs()).max(0.0)),
            Interpolation::Cubic { a } => spread(2.0, &|distance| cubic_weight(a, distance.abs())),
        }
    }
}
