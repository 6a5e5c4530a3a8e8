//! Exact product of 8-bit matrices in 32-bit sums: 4×8 tiles over pairs of the depth.
//!
//! Differences from a zero point fit 16 bits, and the product of two pairs of them fits 32, so nothing saturates: unlike
//! instructions that add pairs of 8-bit products in 16 bits, the result is the integer that the definition asks for.

use super::reduce::reduce_row;
use super::simd::{F32x4, LANES};
use super::simd_integer::{I16x8, I32x4};

/// Rows of a tile.
const TILE_ROWS: usize = 4;
/// Columns of a tile.
pub const TILE_COLUMNS: usize = 8;
/// Bytes of a panel for one pair of the depth.
const PAIR_BYTES: usize = 2 * TILE_COLUMNS;

/// `B` of shape [k, n] in panels of 8 columns, each panel [k / 2][8][2]; missing elements equal the zero point.
#[derive(Debug, Clone, Default)]
pub struct PackedBytes {
    panels: Vec<[i8; PAIR_BYTES]>,
    /// Subtracted from every element of a column; a single one serves all.
    zero_points: Vec<i32>,
    depth: usize,
    n_columns: usize,
}

/// Row-major 8-bit elements.
#[derive(Debug, Clone, Copy)]
pub enum Bytes<'a> {
    /// −128..=127
    Signed(&'a [i8]),
    /// 0..=255
    Unsigned(&'a [u8]),
}

impl Bytes<'_> {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Signed(bytes) => bytes.len(),
            Self::Unsigned(bytes) => bytes.len(),
        }
    }

    /// True without elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What unsigned elements are shifted by to become signed.
    fn shift(&self) -> i32 {
        match self {
            Self::Signed(_) => 0,
            Self::Unsigned(_) => 128,
        }
    }

    fn signed(&self, index: usize) -> i8 {
        match self {
            Self::Signed(bytes) => bytes[index],
            Self::Unsigned(bytes) => (bytes[index] ^ 0x80).cast_signed(),
        }
    }
}

impl PackedBytes {
    /// Packs a row-major [k, n] matrix with its zero points: none (0), one, or one per column.
    #[must_use]
    pub fn new(b: Bytes<'_>, depth: usize, n_columns: usize, zero_points: &[i32]) -> Self {
        let n_pairs = depth.div_ceil(2);
        let mut panels = vec![[0_i8; PAIR_BYTES]; n_columns.div_ceil(TILE_COLUMNS) * n_pairs];
        for row in 0..depth {
            for column in 0..n_columns {
                let pair = &mut panels[column / TILE_COLUMNS * n_pairs + row / 2];
                pair[column % TILE_COLUMNS * 2 + row % 2] = b.signed(row * n_columns + column);
            }
        }
        let zero_points = if zero_points.is_empty() { &[0] } else { zero_points };
        let zero_points = zero_points.iter().map(|zero_point| zero_point - b.shift()).collect();
        Self { panels, zero_points, depth, n_columns }
    }

    /// The element of `B` at a row and a column as it was packed from signed elements; −128 is unsigned 0.
    #[must_use]
    pub fn element(&self, row: usize, column: usize) -> i8 {
        let pair = &self.panels[column / TILE_COLUMNS * self.depth.div_ceil(2) + row / 2];
        pair[column % TILE_COLUMNS * 2 + row % 2]
    }

    /// k.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// n.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    fn zero_points(&self, first_column: usize) -> [i32; TILE_COLUMNS] {
        core::array::from_fn(|lane| match self.zero_points[..] {
            [shared] => shared,
            ref per_column => per_column.get(first_column + lane).copied().unwrap_or(0),
        })
    }
}

/// `A` of shape [m, k] as differences from its zero point, in panels of up to four rows, each [k / 2][rows][2].
#[derive(Debug, Default)]
pub struct PackedDifferences {
    pairs: Vec<[i16; 2]>,
    /// Sum of the differences of each row.
    sums: Vec<i32>,
    n_pairs: usize,
}

impl PackedDifferences {
    /// Packs a row-major [m, k] matrix with one zero point, or one per row, in the memory of the last call.
    pub fn fill(&mut self, a: Bytes<'_>, depth: usize, zero_points: &[i32]) {
        match a {
            Bytes::Signed(bytes) => self.fill_rows(bytes, depth, zero_points),
            Bytes::Unsigned(bytes) => self.fill_rows(bytes, depth, zero_points),
        }
    }

    fn fill_rows<T: Copy + Into<i16>>(&mut self, a: &[T], depth: usize, zero_points: &[i32]) {
        let n_rows = a.len().checked_div(depth).unwrap_or(0);
        self.n_pairs = depth.div_ceil(2);
        self.pairs.clear();
        self.pairs.resize(n_rows * self.n_pairs, [0; 2]);
        self.sums.clear();
        for (row, elements) in a.chunks_exact(depth.max(1)).enumerate() {
            let zero_point = match *zero_points {
                [] => 0,
                [shared] => shared as i16,
                ref per_row => per_row[row] as i16,
            };
            let first = row / TILE_ROWS * TILE_ROWS;
            let n_group_rows = TILE_ROWS.min(n_rows - first);
            let places = self.pairs[first * self.n_pairs + row - first..].iter_mut().step_by(n_group_rows);
            let mut sum = 0;
            for (place, pair) in places.zip(elements.chunks(2)) {
                for (place, &element) in place.iter_mut().zip(pair) {
                    *place = element.into() - zero_point;
                    sum += i32::from(*place);
                }
            }
            self.sums.push(sum);
        }
    }

    /// m.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.sums.len()
    }
}

/// `(a − zero point of a) · (b − zero point of b)`; `store` gets row, first column, number of columns and eight sums,
/// once for each row and panel.
pub fn integer_gemm(
    a: &PackedDifferences,
    b: &PackedBytes,
    mut store: impl FnMut(usize, usize, usize, [I32x4; 2]),
) {
    if a.n_pairs == 0 {
        for row in 0..a.n_rows() {
            for column in (0..b.n_columns).step_by(TILE_COLUMNS) {
                store(row, column, TILE_COLUMNS.min(b.n_columns - column), [I32x4::splat(0); 2]);
            }
        }
        return;
    }
    for (panel_index, panel) in b.panels.chunks_exact(a.n_pairs).enumerate() {
        let column = panel_index * TILE_COLUMNS;
        let width = TILE_COLUMNS.min(b.n_columns - column);
        let zero_points = b.zero_points(column);
        for (group, pairs) in a.pairs.chunks(TILE_ROWS * a.n_pairs).enumerate() {
            let row = group * TILE_ROWS;
            let mut each = |offset: usize, sums: [I32x4; 2]| {
                let corrected = correct(sums, a.sums[row + offset], zero_points);
                store(row + offset, column, width, corrected);
            };
            match pairs.len() / a.n_pairs {
                4 => tile::<4>(pairs, panel).into_iter().enumerate().for_each(|(i, sums)| each(i, sums)),
                3 => tile::<3>(pairs, panel).into_iter().enumerate().for_each(|(i, sums)| each(i, sums)),
                2 => tile::<2>(pairs, panel).into_iter().enumerate().for_each(|(i, sums)| each(i, sums)),
                _ => tile::<1>(pairs, panel).into_iter().enumerate().for_each(|(i, sums)| each(i, sums)),
            }
        }
    }
}

/// Σ a · (b − z) is Σ a · b less z · Σ a.
#[inline(always)]
fn correct(sums: [I32x4; 2], row_sum: i32, zero_points: [i32; TILE_COLUMNS]) -> [I32x4; 2] {
    if zero_points == [0; TILE_COLUMNS] {
        return sums;
    }
    let [left, right] = sums.map(I32x4::to_array);
    let corrected = |sum: i32, zero_point: i32| sum.wrapping_sub(row_sum.wrapping_mul(zero_point));
    let lanes: [i32; TILE_COLUMNS] = core::array::from_fn(|lane| {
        let sum = if lane < 4 { left[lane] } else { right[lane - 4] };
        corrected(sum, zero_points[lane])
    });
    [0, 4].map(|from| I32x4::from_array([lanes[from], lanes[from + 1], lanes[from + 2], lanes[from + 3]]))
}

#[inline(always)]
fn tile<const ROWS: usize>(pairs: &[[i16; 2]], panel: &[[i8; PAIR_BYTES]]) -> [[I32x4; 2]; ROWS] {
    let mut sums = [[I32x4::splat(0); 2]; ROWS];
    let (groups, _) = pairs.as_chunks::<ROWS>();
    for (rows, bytes) in groups.iter().zip(panel) {
        let [left, right] = I16x8::load_bytes(bytes);
        for (sums, &pair) in sums.iter_mut().zip(rows) {
            let pair = I16x8::splat_pair(pair);
            sums[0] = sums[0].add(pair.dot(left));
            sums[1] = sums[1].add(pair.dot(right));
        }
    }
    sums
}

/// Quantizes floats to 8 bits as ONNX `DynamicQuantizeLinear`: the range includes 0 and maps to 0..=255.
/// Gives scale and zero point; `quantized` is refilled. All-zero input has scale 1 and zero point 0.
pub fn quantize_dynamic(x: &[f32], quantized: &mut Vec<u8>) -> (f32, u8) {
    let low = reduce_row(0.0, F32x4::min, x);
    let high = reduce_row(0.0, F32x4::max, x);
    let scale = (high - low) / 255.0;
    quantized.clear();
    if scale == 0.0 {
        quantized.resize(x.len(), 0);
        return (1.0, 0);
    }
    let zero_point = (-low / scale).round_ties_even().clamp(0.0, 255.0);
    let [scales, zero_points, smallest, largest] = [scale, zero_point, 0.0, 255.0].map(F32x4::splat);
    let quantize = |x: F32x4| {
        let shifted = x.div(scales).round().add(zero_points);
        shifted.max(smallest).min(largest).to_array().map(|x| x as u8)
    };
    let (vectors, rest) = x.as_chunks::<LANES>();
    quantized.extend(vectors.iter().flat_map(|lanes| quantize(F32x4::load(lanes))));
    quantized.extend(&quantize(F32x4::load_partial(rest, 0.0))[..rest.len()]);
    (scale, zero_point as u8)
}

#[cfg(test)]
mod tests;
