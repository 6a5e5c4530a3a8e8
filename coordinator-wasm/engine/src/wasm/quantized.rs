//! Products of floats with 8-bit weights, computed in exact integers.
//!
//! Rows of the left operand are quantized per call; weights are packed in panels of eight columns with pairs along
//! the inner dimension beside each other (`[k / 2][8][2]`), as the 16-bit dot product wants them.

use model::tensor::DataRef;

use super::elementwise::{largest, smallest};
use super::simd::I32x4;

/// Columns of a panel.
const COLUMNS: usize = 8;
/// Rows of a tile.
const ROWS: usize = 4;

/// 8-bit weights in panels. Unsigned weights are stored with 128 subtracted.
#[derive(Debug)]
pub(super) struct PackedWeights {
    panels: Vec<i8>,
    n_inner: usize,
    n_columns: usize,
    /// What is still to be subtracted from a stored weight: one number, or one per column.
    points: Vec<i32>,
}

impl PackedWeights {
    /// Packs a matrix `[k, n]`; `None` when it is not one of bytes.
    pub(super) fn new(weights: DataRef<'_>, dims: &[usize], points: Option<DataRef<'_>>) -> Option<Self> {
        let &[n_inner, n_columns] = dims else { return None };
        let (stored, offset): (Vec<i8>, i32) = match weights {
            DataRef::I8(data) => (data.to_vec(), 0),
            DataRef::U8(data) => (data.iter().map(|&x| (x ^ 0x80).cast_signed()).collect(), 128),
            _ => return None,
        };
        let points = match points {
            Some(points) => points.to_i64()?.into_iter().map(|point| point as i32 - offset).collect(),
            None => vec![-offset],
        };
        let n_pairs = n_inner.div_ceil(2);
        let mut panels = vec![0; n_columns.div_ceil(COLUMNS) * n_pairs * 2 * COLUMNS];
        for (index, panel) in panels.chunks_exact_mut((n_pairs * 2 * COLUMNS).max(1)).enumerate() {
            for inner in 0..n_inner {
                for column in 0..COLUMNS.min(n_columns - index * COLUMNS) {
                    let place = (inner / 2) * 2 * COLUMNS + 2 * column + inner % 2;
                    panel[place] = stored[inner * n_columns + index * COLUMNS + column];
                }
            }
        }
        Some(Self { panels, n_inner, n_columns, points })
    }

    fn point(&self, column: usize) -> i32 {
        self.points[if self.points.len() == 1 { 0 } else { column }]
    }
}

/// The left operand quantized, in panels of up to four rows with pairs along the inner dimension (`[k / 2][rows][2]`).
#[derive(Debug, Default)]
pub(super) struct QuantizedLeft {
    panels: Vec<i16>,
    /// Sum of each row, for the weights' zero points.
    row_sums: Vec<i32>,
    /// Value of one quantization step.
    scale: f32,
}

impl QuantizedLeft {
    /// Quantizes rows of `n_inner` floats with one range, as ONNX's `DynamicQuantizeLinear` does.
    fn quantize(&mut self, x: &[f32], n_inner: usize) {
        let (low, high) = (smallest(x).min(0.0), largest(x).max(0.0));
        let range = (high - low) / 255.0;
        self.scale = if range == 0.0 { 1.0 } else { range };
        let point = if range == 0.0 { 0.0 } else { (-low / range).round_ties_even().clamp(0.0, 255.0) };
        let n_rows = x.len() / n_inner.max(1);
        let n_pairs = n_inner.div_ceil(2);
        self.panels.clear();
        self.panels.resize(n_rows * n_pairs * 2, 0);
        self.row_sums.clear();
        for (index, row) in x.chunks_exact(n_inner.max(1)).enumerate() {
            let first = index / ROWS * ROWS;
            let width = ROWS.min(n_rows - first);
            let panel = &mut self.panels[first * n_pairs * 2..];
            let offset = 2 * (index - first);
            let mut sum = 0;
            for (pair, values) in row.chunks(2).enumerate() {
                for (half, &value) in values.iter().enumerate() {
                    let quantized = (value / self.scale).round_ties_even() + point;
                    let centred = quantized.clamp(0.0, 255.0) as i16 - point as i16;
                    panel[pair * 2 * width + offset + half] = centred;
                    sum += i32::from(centred);
                }
            }
            self.row_sums.push(sum);
        }
    }
}

/// `x · weights`, rescaled, with one scale or one per column. Each row of the result is as long as the weights' rows.
pub(super) fn multiply(
    x: &[f32],
    weights: &PackedWeights,
    scales: &[f32],
    left: &mut QuantizedLeft,
    out: &mut [f32],
) {
    let (n_inner, n_columns) = (weights.n_inner, weights.n_columns);
    left.quantize(x, n_inner);
    let n_rows = left.row_sums.len();
    let n_pairs = n_inner.div_ceil(2);
    for (index, panel) in weights.panels.chunks_exact((n_pairs * 2 * COLUMNS).max(1)).enumerate() {
        for row in (0..n_rows).step_by(ROWS) {
            let tile = Tile { left, weights, scales, row, column: index * COLUMNS };
            match n_rows - row {
                1 => tile.run::<1>(panel, n_pairs, n_columns, out),
                2 => tile.run::<2>(panel, n_pairs, n_columns, out),
                3 => tile.run::<3>(panel, n_pairs, n_columns, out),
                _ => tile.run::<ROWS>(panel, n_pairs, n_columns, out),
            }
        }
    }
}

struct Tile<'a> {
    left: &'a QuantizedLeft,
    weights: &'a PackedWeights,
    scales: &'a [f32],
    row: usize,
    column: usize,
}

impl Tile<'_> {
    fn run<const N: usize>(&self, panel: &[i8], n_pairs: usize, n_columns: usize, out: &mut [f32]) {
        let start = self.row * n_pairs * 2;
        let (pairs, _) = self.left.panels[start..start + N * n_pairs * 2].as_chunks::<2>();
        let (pairs, _) = pairs.as_chunks::<N>();
        let (columns, _) = panel.as_chunks::<8>();
        let (columns, _) = columns.as_chunks::<2>();
        let mut sums = [[I32x4::zero(); 2]; N];
        for (pairs, [low, high]) in pairs.iter().zip(columns) {
            for (sums, &pair) in sums.iter_mut().zip(pairs) {
                sums[0] = sums[0].dot_pairs(pair, low);
                sums[1] = sums[1].dot_pairs(pair, high);
            }
        }
        let width = COLUMNS.min(n_columns - self.column);
        for (offset, sums) in sums.into_iter().enumerate() {
            let row = self.row + offset;
            let start = row * n_columns + self.column;
            let values = sums[0].to_array().into_iter().chain(sums[1].to_array());
            for (index, (to, sum)) in out[start..start + width].iter_mut().zip(values).enumerate() {
                let column = self.column + index;
                let exact = sum.wrapping_sub(self.weights.point(column).wrapping_mul(self.left.row_sums[row]));
                let scale = self.scales[if self.scales.len() == 1 { 0 } else { column }];
                *to = exact as f32 * (self.left.scale * scale);
            }
        }
    }
}
