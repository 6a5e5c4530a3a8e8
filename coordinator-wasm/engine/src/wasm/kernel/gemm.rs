//! Matrix product in 4×8 register tiles over packed operands, with bias, residual and activation in the same pass.
//!
//! The tile is the largest whose accumulators (8), operands (2) and broadcast (1) stay in the 16 vector registers that
//! V8 and SpiderMonkey have on x86-64; wider tiles spill. `B` is packed once per model into panels of 8 columns,
//! `A` into panels of 4 rows per call, so that the inner loop reads both in order.

use super::simd::{F32x4, LANES};

/// Rows of a tile.
pub const TILE_ROWS: usize = 4;
/// Columns of a tile.
pub const TILE_COLUMNS: usize = 8;

/// Depth of one block: a panel of `B` is then 16 kB and stays in the first-level cache while all rows pass over it.
const BLOCK_DEPTH: usize = 512;

/// Rows of a matrix inside a larger buffer.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Elements from the first row's first on.
    pub data: &'a [f32],
    /// Distance between the starts of two rows.
    pub stride: usize,
    /// Number of rows.
    pub n_rows: usize,
}

impl<'a> Rows<'a> {
    /// A matrix without gaps between its rows.
    #[must_use]
    pub fn dense(data: &'a [f32], n_columns: usize) -> Self {
        Self { data, stride: n_columns, n_rows: data.len().checked_div(n_columns).unwrap_or(0) }
    }

    /// The rows from `first` on, at most `n_rows`.
    #[must_use]
    pub fn slice(self, first: usize, n_rows: usize) -> Self {
        let n_rows = n_rows.min(self.n_rows.saturating_sub(first));
        Self { data: self.data.get(first * self.stride..).unwrap_or(&[]), stride: self.stride, n_rows }
    }

    #[inline(always)]
    fn row(&self, row: usize, from: usize, to: usize) -> &'a [f32] {
        &self.data[row * self.stride + from..row * self.stride + to]
    }
}

/// Rows of a matrix inside a larger buffer, to be written.
#[derive(Debug)]
pub struct RowsMut<'a> {
    /// Elements from the first row's first on.
    pub data: &'a mut [f32],
    /// Distance between the starts of two rows.
    pub stride: usize,
}

/// `B` of shape [k, n] in panels of 8 columns, each panel [k][8]; missing columns are zero.
#[derive(Debug, Clone, Default)]
pub struct PackedColumns {
    panels: Vec<[f32; TILE_COLUMNS]>,
    depth: usize,
    n_columns: usize,
}

impl PackedColumns {
    /// Packs `b`, whose rows are those of `B`.
    #[must_use]
    pub fn from_rows(b: Rows<'_>, n_columns: usize) -> Self {
        let mut packed = Self::default();
        packed.repack_rows(b, n_columns);
        packed
    }

    /// Packs `b`, whose rows are the columns of `B`.
    #[must_use]
    pub fn from_columns(b: Rows<'_>, depth: usize) -> Self {
        let mut packed = Self::default();
        packed.repack_columns(b, depth, 1.0);
        packed
    }

    /// Like [`Self::from_rows`], in the memory of another matrix.
    pub fn repack_rows(&mut self, b: Rows<'_>, n_columns: usize) {
        self.reset(b.n_rows, n_columns);
        for row in 0..self.depth {
            for (panel_index, columns) in b.row(row, 0, n_columns).chunks(TILE_COLUMNS).enumerate() {
                self.panels[panel_index * self.depth + row][..columns.len()].copy_from_slice(columns);
            }
        }
    }

    /// Like [`Self::from_columns`], in the memory of another matrix, each element multiplied by `factor`.
    pub fn repack_columns(&mut self, b: Rows<'_>, depth: usize, factor: f32) {
        self.reset(depth, b.n_rows);
        for column in 0..self.n_columns {
            let panel = &mut self.panels[column / TILE_COLUMNS * depth..][..depth];
            for (lanes, &value) in panel.iter_mut().zip(b.row(column, 0, depth)) {
                lanes[column % TILE_COLUMNS] = factor * value;
            }
        }
    }

    fn reset(&mut self, depth: usize, n_columns: usize) {
        (self.depth, self.n_columns) = (depth, n_columns);
        self.panels.clear();
        self.panels.resize(n_columns.div_ceil(TILE_COLUMNS) * depth, [0.0; TILE_COLUMNS]);
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

    /// Bytes held.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of_val(self.panels.as_slice())
    }
}

/// Added to each element of the product before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Addends<'a> {
    /// One value per column.
    pub column_bias: Option<&'a [f32]>,
    /// A matrix of the output's shape and layout.
    pub residual: Option<&'a [f32]>,
}

/// `c = finish(a · b + addends)` with `a` [m, k] and `c` [m, n]; `scratch` is reused between calls.
pub fn gemm(
    a: Rows<'_>,
    b: &PackedColumns,
    addends: Addends<'_>,
    finish: impl Fn(F32x4) -> F32x4 + Copy,
    mut c: RowsMut<'_>,
    scratch: &mut Vec<[f32; TILE_ROWS]>,
) {
    let (depth, n_columns) = (b.depth, b.n_columns);
    if depth == 0 || n_columns == 0 {
        finish_empty(a.n_rows, n_columns, addends, finish, &mut c);
        return;
    }
    let n_full = a.n_rows / TILE_ROWS * TILE_ROWS;
    for block_start in (0..depth).step_by(BLOCK_DEPTH) {
        let block = Block { start: block_start, end: (block_start + BLOCK_DEPTH).min(depth), depth };
        pack_rows(a, n_full, block, scratch);
        for (panel_index, panel) in b.panels.chunks_exact(depth).enumerate() {
            let column = panel_index * TILE_COLUMNS;
            let width = TILE_COLUMNS.min(n_columns - column);
            let panel = &panel[block.start..block.end];
            let mut output = Output { c: &mut c, column, width, addends, block };
            for (group, rows) in scratch.chunks_exact(block.end - block.start).enumerate() {
                output.store(group * TILE_ROWS, product_of_panels(rows, panel), finish);
            }
            // The last one to three rows are read where they are.
            match a.n_rows - n_full {
                1 => output.store(n_full, product_of_rows::<1>(a, n_full, block, panel), finish),
                2 => output.store(n_full, product_of_rows::<2>(a, n_full, block, panel), finish),
                3 => output.store(n_full, product_of_rows::<3>(a, n_full, block, panel), finish),
                _ => {}
            }
        }
    }
}

/// The part of the depth that one pass covers.
#[derive(Debug, Clone, Copy)]
struct Block {
    start: usize,
    end: usize,
    depth: usize,
}

/// Packs every full group of four rows of the block.
fn pack_rows(a: Rows<'_>, n_full: usize, block: Block, scratch: &mut Vec<[f32; TILE_ROWS]>) {
    scratch.clear();
    for first in (0..n_full).step_by(TILE_ROWS) {
        let [r0, r1, r2, r3] = core::array::from_fn(|offset| a.row(first + offset, block.start, block.end));
        let quads = r0.iter().zip(r1).zip(r2).zip(r3);
        scratch.extend(quads.map(|(((&a, &b), &c), &d)| [a, b, c, d]));
    }
}

/// Sums of one tile: for each row two vectors of four columns.
pub(super) type Tile<const ROWS: usize> = [[F32x4; 2]; ROWS];

/// The inner loop: four packed rows times one panel of eight columns.
#[inline(always)]
pub(super) fn product_of_panels(
    rows: &[[f32; TILE_ROWS]],
    columns: &[[f32; TILE_COLUMNS]],
) -> Tile<TILE_ROWS> {
    let mut tile = [[F32x4::zero(); 2]; TILE_ROWS];
    for (row_values, column_values) in rows.iter().zip(columns) {
        let [left, right] = halves(column_values);
        for (accumulators, &value) in tile.iter_mut().zip(row_values) {
            let value = F32x4::splat(value);
            accumulators[0] = value.mul_add(left, accumulators[0]);
            accumulators[1] = value.mul_add(right, accumulators[1]);
        }
    }
    tile
}

/// Fewer than four rows times one panel, with two accumulators per lane so that the additions overlap.
#[inline(always)]
fn product_of_rows<const ROWS: usize>(
    a: Rows<'_>,
    first: usize,
    block: Block,
    columns: &[[f32; TILE_COLUMNS]],
) -> Tile<ROWS> {
    let rows: [&[f32]; ROWS] = core::array::from_fn(|offset| a.row(first + offset, block.start, block.end));
    let mut even = [[F32x4::zero(); 2]; ROWS];
    let mut odd = [[F32x4::zero(); 2]; ROWS];
    let (pairs, last) = columns.as_chunks::<2>();
    for (pair_index, [first, second]) in pairs.iter().enumerate() {
        for (tile, column_values, depth_index) in
            [(&mut even, first, 2 * pair_index), (&mut odd, second, 2 * pair_index + 1)]
        {
            accumulate(tile, &rows, depth_index, column_values);
        }
    }
    for column_values in last {
        accumulate(&mut even, &rows, columns.len() - 1, column_values);
    }
    core::array::from_fn(|row| core::array::from_fn(|half| even[row][half].add(odd[row][half])))
}

#[inline(always)]
fn accumulate<const ROWS: usize>(
    tile: &mut Tile<ROWS>,
    rows: &[&[f32]; ROWS],
    depth_index: usize,
    column_values: &[f32; TILE_COLUMNS],
) {
    let [left, right] = halves(column_values);
    for (accumulators, row) in tile.iter_mut().zip(rows) {
        let value = F32x4::splat(row[depth_index]);
        accumulators[0] = value.mul_add(left, accumulators[0]);
        accumulators[1] = value.mul_add(right, accumulators[1]);
    }
}

/// A panel row as two vectors.
#[inline(always)]
fn halves(lanes: &[f32; TILE_COLUMNS]) -> [F32x4; 2] {
    let (halves, _) = lanes.as_chunks::<LANES>();
    [F32x4::load(&halves[0]), F32x4::load(&halves[1])]
}

struct Output<'a, 'b, 'c> {
    c: &'a mut RowsMut<'b>,
    column: usize,
    width: usize,
    addends: Addends<'c>,
    block: Block,
}

impl Output<'_, '_, '_> {
    #[inline(always)]
    fn store<const ROWS: usize>(&mut self, row: usize, tile: Tile<ROWS>, finish: impl Fn(F32x4) -> F32x4) {
        let is_first = self.block.start == 0;
        let is_last = self.block.end == self.block.depth;
        for (offset, sums) in tile.into_iter().enumerate() {
            let start = (row + offset) * self.c.stride + self.column;
            for (half, sum) in sums.into_iter().enumerate() {
                let from = (half * LANES).min(self.width);
                let to = (from + LANES).min(self.width);
                let cells = &mut self.c.data[start + from..start + to];
                let mut value = sum;
                if !is_first {
                    value = value.add(read(cells));
                }
                if is_last {
                    if let Some(bias) = self.addends.column_bias {
                        value = value.add(read(&bias[self.column + from..self.column + to]));
                    }
                    if let Some(residual) = self.addends.residual {
                        value = value.add(read(&residual[start + from..start + to]));
                    }
                    value = finish(value);
                }
                write(value, cells);
            }
        }
    }
}

/// A product without terms is zero; what follows it still applies.
fn finish_empty(
    n_rows: usize,
    n_columns: usize,
    addends: Addends<'_>,
    finish: impl Fn(F32x4) -> F32x4,
    c: &mut RowsMut<'_>,
) {
    for row in 0..n_rows {
        for column in 0..n_columns {
            let index = row * c.stride + column;
            let bias = addends.column_bias.map_or(0.0, |bias| bias[column]);
            let residual = addends.residual.map_or(0.0, |matrix| matrix[index]);
            c.data[index] = finish(F32x4::splat(bias + residual)).to_array()[0];
        }
    }
}

/// Four lanes, or the fewer there are and zeros.
#[inline(always)]
pub(super) fn read(lanes: &[f32]) -> F32x4 {
    match lanes.as_array::<LANES>() {
        Some(full) => F32x4::load(full),
        None => F32x4::load_partial(lanes, 0.0),
    }
}

/// As many lanes as there is room for.
#[inline(always)]
pub(super) fn write(vector: F32x4, lanes: &mut [f32]) {
    match lanes.as_mut_array::<LANES>() {
        Some(full) => vector.store(full),
        None => vector.store_partial(lanes),
    }
}

#[cfg(test)]
mod tests;
