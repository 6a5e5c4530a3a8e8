//! Weights of 8 bits with their scales: floats that take a quarter of the memory until somebody reads them.

use std::sync::Arc;

use crate::tensor::{DType, DataRef, Tensor, n_elements};

/// 8-bit integers that stand for floats: `(byte − point) · scale`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledBytes {
    bytes: Arc<Tensor>,
    /// Dimension along which scales and points differ, should there be several.
    axis: usize,
    scales: Vec<f32>,
    points: Vec<i32>,
}

impl ScaledBytes {
    /// Bytes with scales and zero points, one each or one per place along `axis`; `None` when they do not fit each other.
    #[must_use]
    pub fn new(bytes: Arc<Tensor>, axis: usize, scales: Vec<f32>, points: Vec<i32>) -> Option<Self> {
        let is_bytes = matches!(bytes.dtype(), DType::I8 | DType::U8) && !bytes.is_released();
        let length = bytes.dims().get(axis).copied();
        let fits = |n: usize| n == 1 || Some(n) == length;
        (is_bytes && fits(scales.len()) && fits(points.len())).then_some(Self { bytes, axis, scales, points })
    }

    /// The integers.
    #[must_use]
    pub fn bytes(&self) -> &Arc<Tensor> {
        &self.bytes
    }

    /// Dimension along which scales or points differ; `None` when there is one of each.
    #[must_use]
    pub fn axis(&self) -> Option<usize> {
        (self.scales.len() > 1 || self.points.len() > 1).then_some(self.axis)
    }

    /// The scale at a place along the axis.
    #[must_use]
    pub fn scale(&self, place: usize) -> f32 {
        self.scales[if self.scales.len() == 1 { 0 } else { place }]
    }

    /// The zero point at a place along the axis.
    #[must_use]
    pub fn point(&self, place: usize) -> i32 {
        self.points[if self.points.len() == 1 { 0 } else { place }]
    }

    /// The same bytes with other scales, when these are still as they were cast: without a scale or zero point of their own.
    pub(crate) fn with_scales(&self, axis: usize, scales: Vec<f32>) -> Option<Self> {
        let is_cast = self.scales == [1.0] && self.points == [0];
        Self::new(Arc::clone(&self.bytes), axis, scales, vec![0]).filter(|_| is_cast)
    }

    /// The floats from element `start` on, as many as `floats` has.
    pub fn read(&self, start: usize, mut floats: &mut [f32]) {
        let dims = self.bytes.dims();
        let (length, n_inner) = match self.axis() {
            Some(axis) => (dims[axis], n_elements(&dims[axis + 1..])),
            None => (1, n_elements(dims)),
        };
        let mut at = start;
        while !floats.is_empty() {
            // Neighbours that share a scale.
            let n_run = (n_inner - at % n_inner).min(floats.len());
            let (run, rest) = floats.split_at_mut(n_run);
            let place = at / n_inner % length;
            let (scale, point) = (self.scale(place), self.point(place));
            self.bytes.with_part(at..at + n_run, |bytes| match bytes {
                DataRef::I8(bytes) => {
                    let bytes = bytes.iter().map(|&byte| i32::from(byte));
                    run.iter_mut().zip(bytes).for_each(|(x, byte)| *x = (byte - point) as f32 * scale);
                }
                DataRef::U8(bytes) => {
                    let bytes = bytes.iter().map(|&byte| i32::from(byte));
                    run.iter_mut().zip(bytes).for_each(|(x, byte)| *x = (byte - point) as f32 * scale);
                }
                // `new` takes bytes only.
                _ => {}
            });
            at += n_run;
            floats = rest;
        }
    }
}

#[cfg(test)]
mod tests;
