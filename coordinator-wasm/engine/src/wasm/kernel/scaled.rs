//! Products with weights of 8 bits that stand for floats: a panel becomes floats when its turn comes.
//!
//! The floats are those that the whole weight would have, so that results are the same; they stay in the first-level cache,
//! and memory is read once in bytes.

use model::{DataRef, ScaledBytes};

use super::gemm::{Addends, PackedColumns, Rows, RowsMut, TILE_COLUMNS, gemm, halves, n_block_rows};
use super::simd::{F32x4, LANES};
use super::simd_integer::{BYTE_BIAS, biased_floats};

/// `B` of shape [k, n] as [`PackedColumns`] has it, in 8 bits with a scale and a zero point per column.
#[derive(Debug)]
pub struct ScaledColumns {
    panels: Vec<[i8; TILE_COLUMNS]>,
    depth: usize,
    n_columns: usize,
    /// By panel.
    scales: Vec<[f32; TILE_COLUMNS]>,
    /// Of bytes that are signed.
    points: Vec<[f32; TILE_COLUMNS]>,
}

impl ScaledColumns {
    /// Packs a matrix whose rows are those of `B`, or its columns when it `is_transposed`; `None` when scales differ along
    /// the depth.
    #[must_use]
    pub fn new(weights: &ScaledBytes, is_transposed: bool) -> Option<Self> {
        let &[n_rows, row_length] = weights.bytes().dims() else { return None };
        let (depth, n_columns) = if is_transposed { (row_length, n_rows) } else { (n_rows, row_length) };
        if weights.axis().is_some_and(|axis| axis != usize::from(!is_transposed)) {
            return None;
        }
        let n_panels = n_columns.div_ceil(TILE_COLUMNS);
        let mut packed = Self {
            panels: vec![[0; TILE_COLUMNS]; n_panels * depth],
            depth,
            n_columns,
            scales: vec![[0.0; TILE_COLUMNS]; n_panels],
            points: vec![[0.0; TILE_COLUMNS]; n_panels],
        };
        // Unsigned bytes become signed ones, and their zero points follow.
        let (signed, shift): (&dyn Fn(usize) -> i8, i32) = match weights.bytes().data() {
            DataRef::I8(bytes) => (&move |index: usize| bytes[index], 0),
            DataRef::U8(bytes) => (&move |index: usize| (bytes[index] ^ 0x80).cast_signed(), 128),
            _ => return None,
        };
        for column in 0..n_columns {
            let (panel, lane) = (column / TILE_COLUMNS, column % TILE_COLUMNS);
            packed.scales[panel][lane] = weights.scale(column);
            packed.points[panel][lane] = (weights.point(column) - shift) as f32;
        }
        for (index, lanes) in packed.panels.iter_mut().enumerate() {
            let (panel, row) = (index / depth, index % depth);
            let columns = panel * TILE_COLUMNS..((panel + 1) * TILE_COLUMNS).min(n_columns);
            for (lane, column) in lanes.iter_mut().zip(columns) {
                *lane = signed(if is_transposed { column * depth + row } else { row * n_columns + column });
            }
        }
        Some(packed)
    }

    /// The element of `B` at a row and a column.
    #[must_use]
    pub fn element(&self, row: usize, column: usize) -> f32 {
        let (panel, lane) = (column / TILE_COLUMNS, column % TILE_COLUMNS);
        let byte = self.panels[panel * self.depth + row][lane];
        (f32::from(byte) - self.points[panel][lane]) * self.scales[panel][lane]
    }

    /// The floats of one panel.
    fn unpack(&self, panel: usize, floats: &mut [[f32; TILE_COLUMNS]]) {
        let scales = halves(&self.scales[panel]);
        let points = halves(&self.points[panel]).map(|points| points.add(F32x4::splat(BYTE_BIAS)));
        let unpack = |bytes: &[[i8; TILE_COLUMNS]; 2], floats: &mut [[f32; TILE_COLUMNS]; 2]| {
            let (vectors, _) = floats.as_flattened_mut().as_chunks_mut::<LANES>();
            for (index, (lanes, byte)) in vectors.iter_mut().zip(biased_floats(bytes)).enumerate() {
                byte.sub(points[index % 2]).mul(scales[index % 2]).store(lanes);
            }
        };
        let (pairs, last) = self.panels[panel * self.depth..(panel + 1) * self.depth].as_chunks();
        let (targets, last_target) = floats.as_chunks_mut();
        targets.iter_mut().zip(pairs).for_each(|(floats, bytes)| unpack(bytes, floats));
        if let ([bytes], [floats]) = (last, last_target) {
            let mut pair = [[0.0; TILE_COLUMNS]; 2];
            unpack(&[*bytes, [0; TILE_COLUMNS]], &mut pair);
            *floats = pair[0];
        }
    }
}

/// `c = a · b + addends` with `a` [m, k] and `c` [m, n]; `floats` is memory for one panel.
pub fn scaled_gemm(
    a: Rows<'_>,
    b: &ScaledColumns,
    addends: Addends<'_>,
    c: RowsMut<'_>,
    floats: &mut PackedColumns,
) {
    let n_block_rows = n_block_rows(a.n_rows, b.depth);
    for first in (0..a.n_rows).step_by(n_block_rows) {
        let block = a.slice(first, n_block_rows);
        for (panel, column) in (0..b.n_columns).step_by(TILE_COLUMNS).enumerate() {
            let width = TILE_COLUMNS.min(b.n_columns - column);
            b.unpack(panel, floats.panels_of(b.depth, width));
            let start = first * c.stride + column;
            let addends = Addends {
                column_bias: addends.column_bias.map(|bias| &bias[column..column + width]),
                residual: addends.residual.map(|residual| &residual[start..]),
            };
            gemm(block, floats, addends, RowsMut { data: &mut c.data[start..], stride: c.stride });
        }
    }
}

#[cfg(test)]
mod tests;
