//! Matrix product in 4×8 register tiles, with bias and residual in the same pass.
//!
//! The tile is the largest whose accumulators (8), operands (2) and broadcast (1) stay in the 16 vector registers that
//! V8 and SpiderMonkey have on x86-64; wider or unrolled ones spill. `B` is packed once per model into panels of 8 columns,
//! `A` is read where it is: four rows side by side are as fast as a packed panel, and cost no packing.
#![expect(unsafe_code, reason = "the inner loop walks pointers whose ranges are checked before it")]

use super::simd::{F32x4, LANES};

/// Rows of a tile.
pub const TILE_ROWS: usize = 4;
/// Columns of a tile.
pub const TILE_COLUMNS: usize = 8;

/// Elements of `A` that are multiplied with all panels of `B` before the next ones: 512 kB stay in the second-level cache.
const BLOCK_ELEMENTS: usize = 131_072;
/// Rows of panels that are asked for at once, 96 kB: waiting once for many is shorter than often for few.
const PREFETCHED_ROWS: usize = 3_072;

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

    /// Packs the matrix whose element at (row, column) is `element(row, column)`.
    #[must_use]
    pub fn from_fn(depth: usize, n_columns: usize, element: impl Fn(usize, usize) -> f32) -> Self {
        let mut packed = Self::default();
        packed.reset(depth, n_columns);
        for (index, lanes) in packed.panels.iter_mut().enumerate() {
            let (panel, row) = (index / depth, index % depth);
            let columns = panel * TILE_COLUMNS..((panel + 1) * TILE_COLUMNS).min(n_columns);
            lanes.iter_mut().zip(columns).for_each(|(lane, column)| *lane = element(row, column));
        }
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

    /// The panels of a matrix of another shape, to be written.
    pub(super) fn panels_of(&mut self, depth: usize, n_columns: usize) -> &mut [[f32; TILE_COLUMNS]] {
        (self.depth, self.n_columns) = (depth, n_columns);
        self.panels.resize(n_columns.div_ceil(TILE_COLUMNS) * depth, [0.0; TILE_COLUMNS]);
        &mut self.panels
    }

    fn reset(&mut self, depth: usize, n_columns: usize) {
        (self.depth, self.n_columns) = (depth, n_columns);
        self.panels.clear();
        self.panels.resize(n_columns.div_ceil(TILE_COLUMNS) * depth, [0.0; TILE_COLUMNS]);
    }

    /// The element of `B` at a row and a column.
    #[must_use]
    pub fn element(&self, row: usize, column: usize) -> f32 {
        self.panels[column / TILE_COLUMNS * self.depth + row][column % TILE_COLUMNS]
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
}

/// Added to each element of the product before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Addends<'a> {
    /// One value per column.
    pub column_bias: Option<&'a [f32]>,
    /// A matrix of the output's shape and layout.
    pub residual: Option<&'a [f32]>,
}

/// `c = a · b + addends` with `a` [m, k] and `c` [m, n].
pub fn gemm(a: Rows<'_>, b: &PackedColumns, addends: Addends<'_>, c: RowsMut<'_>) {
    let Rows { data, stride, n_rows } = a;
    let source = Source { data, start: |row| row * stride, n_rows, runs: &[0], run_length: b.depth };
    product(&source, b, addends, c);
}

/// The left side of a product whose rows need not be contiguous: each consists of runs of neighbouring elements.
#[derive(Debug)]
pub(super) struct Source<'a, S> {
    /// What rows are read from.
    pub(super) data: &'a [f32],
    /// Position of a row's start.
    pub(super) start: S,
    /// m.
    pub(super) n_rows: usize,
    /// Distance of each run from its row's start.
    pub(super) runs: &'a [usize],
    /// Elements of a run.
    pub(super) run_length: usize,
}

/// `c = a · b + addends`; the runs of a row of `a` follow each other as `b` has its rows.
pub(super) fn product<S: Fn(usize) -> usize>(
    a: &Source<'_, S>,
    b: &PackedColumns,
    addends: Addends<'_>,
    mut c: RowsMut<'_>,
) {
    let depth = b.depth;
    assert_eq!(depth, a.runs.len() * a.run_length, "both sides have the same depth");
    let n_panels = b.n_columns.div_ceil(TILE_COLUMNS);
    let panels = |first: usize, end: usize| &b.panels[first * depth..end.min(n_panels) * depth];
    let n_prefetched = (PREFETCHED_ROWS / depth.max(1)).max(1);
    let n_block_rows = n_block_rows(a.n_rows, depth);
    for first in (0..a.n_rows).step_by(n_block_rows) {
        let end = (first + n_block_rows).min(a.n_rows);
        for index in 0..n_panels {
            let panel = panels(index, index + 1);
            if index % n_prefetched == 0 {
                // The first panel with those after it.
                prefetch(panels(index + usize::from(index > 0), index + 1 + n_prefetched));
            }
            let column = index * TILE_COLUMNS;
            let width = TILE_COLUMNS.min(b.n_columns - column);
            let mut output = Output::new(&mut c, column, width, addends);
            let mut row = first;
            while row + TILE_ROWS <= end {
                output.store(row, tile::<4, 1, S>(a, row, panel, output.bias));
                row += TILE_ROWS;
            }
            match end - row {
                1 => output.store(row, tile::<1, 4, S>(a, row, panel, output.bias)),
                2 => output.store(row, tile::<2, 2, S>(a, row, panel, output.bias)),
                3 => output.store(row, tile::<3, 1, S>(a, row, panel, output.bias)),
                _ => {}
            }
        }
    }
}

/// Rows of `A` that are multiplied with all panels before the next ones: whole tiles, blocks of about the same size.
pub(super) fn n_block_rows(n_rows: usize, depth: usize) -> usize {
    let n_blocks = (n_rows * depth).div_ceil(BLOCK_ELEMENTS).max(1);
    n_rows.div_ceil(n_blocks).next_multiple_of(TILE_ROWS).max(TILE_ROWS)
}

/// Asks for the cache lines of panels, all of them on their way at the same time.
#[inline(always)]
fn prefetch(panels: &[[f32; TILE_COLUMNS]]) {
    for lanes in panels.iter().step_by(2) {
        // SAFETY: a reference is valid to read; volatile keeps a read whose value nobody wants.
        unsafe { std::ptr::from_ref(lanes).cast::<f32>().read_volatile() };
    }
}

/// Sums of one tile: for each row two vectors of four columns.
type Tile<const ROWS: usize> = [[F32x4; 2]; ROWS];

/// The inner loop: `ROWS` rows times one panel of eight columns, added to `start`. Fewer than four rows take `SPLIT`
/// steps of the depth at once into sums of their own, so that the additions overlap.
#[inline(always)]
fn tile<const ROWS: usize, const SPLIT: usize, S: Fn(usize) -> usize>(
    a: &Source<'_, S>,
    row: usize,
    panel: &[[f32; TILE_COLUMNS]],
    start: [F32x4; 2],
) -> Tile<ROWS> {
    let extent = a.runs.last().map_or(0, |last| last + a.run_length);
    let rows: [*const f32; ROWS] =
        std::array::from_fn(|offset| a.data[(a.start)(row + offset)..][..extent].as_ptr());
    let mut tiles = [[[F32x4::zero(); 2]; ROWS]; SPLIT];
    tiles[0] = [start; ROWS];
    let mut columns = panel.as_ptr().cast::<f32>();
    for &run in a.runs {
        // SAFETY: runs are in ascending order, so each ends within the extent that every row was checked to have;
        // the runs of a row are together as long as the panel, which has eight floats for each of their elements.
        unsafe {
            let mut rows = rows.map(|row| row.add(run));
            let mut rest = a.run_length;
            while rest >= SPLIT {
                for (offset, tile) in tiles.iter_mut().enumerate() {
                    step(tile, rows.map(|row| row.add(offset)), columns.add(offset * TILE_COLUMNS));
                }
                rows = rows.map(|row| row.add(SPLIT));
                columns = columns.add(SPLIT * TILE_COLUMNS);
                rest -= SPLIT;
            }
            for offset in 0..rest {
                step(&mut tiles[0], rows.map(|row| row.add(offset)), columns);
                columns = columns.add(TILE_COLUMNS);
            }
        }
    }
    let sum = |row: usize, half: usize| {
        tiles[1..].iter().fold(tiles[0][row][half], |sum, tile| sum.add(tile[row][half]))
    };
    std::array::from_fn(|row| std::array::from_fn(|half| sum(row, half)))
}

/// One step of the depth.
///
/// # Safety
/// Each of `rows` must be readable, and eight floats from `columns` on.
#[inline(always)]
unsafe fn step<const ROWS: usize>(tile: &mut Tile<ROWS>, rows: [*const f32; ROWS], columns: *const f32) {
    // SAFETY: the caller's promise.
    let (left, right) = unsafe { (F32x4::load_from(columns), F32x4::load_from(columns.add(LANES))) };
    for (sums, row) in tile.iter_mut().zip(rows) {
        // SAFETY: the caller's promise.
        let value = F32x4::splat(unsafe { row.read() });
        sums[0] = value.mul_add(left, sums[0]);
        sums[1] = value.mul_add(right, sums[1]);
    }
}

/// Where the tiles of one panel go.
struct Output<'a, 'b, 'c> {
    c: &'a mut RowsMut<'b>,
    column: usize,
    width: usize,
    bias: [F32x4; 2],
    residual: Option<&'c [f32]>,
}

impl<'a, 'b, 'c> Output<'a, 'b, 'c> {
    fn new(c: &'a mut RowsMut<'b>, column: usize, width: usize, addends: Addends<'c>) -> Self {
        let bias = addends.column_bias.map_or([F32x4::zero(); 2], |bias| {
            let bias = &bias[column..column + width];
            let (left, right) = bias.split_at(width.min(LANES));
            bias.as_array().map_or([left, right].map(|half| F32x4::load_partial(half, 0.0)), halves)
        });
        Self { c, column, width, bias, residual: addends.residual }
    }

    #[inline(always)]
    fn store<const ROWS: usize>(&mut self, row: usize, tile: Tile<ROWS>) {
        for (offset, sums) in tile.into_iter().enumerate() {
            let start = (row + offset) * self.c.stride + self.column;
            let cells = &mut self.c.data[start..start + self.width];
            let residual = self.residual.map(|residual| &residual[start..start + self.width]);
            match cells.as_mut_array::<TILE_COLUMNS>() {
                Some(cells) => {
                    let added = residual.and_then(|residual| residual.as_array::<TILE_COLUMNS>());
                    let sums = match added.map(halves) {
                        Some([left, right]) => [sums[0].add(left), sums[1].add(right)],
                        None => sums,
                    };
                    let (halves, _) = cells.as_chunks_mut::<LANES>();
                    halves.iter_mut().zip(sums).for_each(|(half, sums)| sums.store(half));
                }
                None => {
                    let sums = sums.map(F32x4::to_array);
                    for (lane, (cell, sum)) in cells.iter_mut().zip(sums.as_flattened()).enumerate() {
                        *cell = sum + residual.map_or(0.0, |residual| residual[lane]);
                    }
                }
            }
        }
    }
}

/// A panel row as two vectors.
#[inline(always)]
pub(super) fn halves(lanes: &[f32; TILE_COLUMNS]) -> [F32x4; 2] {
    let (halves, _) = lanes.as_chunks::<LANES>();
    [F32x4::load(&halves[0]), F32x4::load(&halves[1])]
}

#[cfg(test)]
mod tests;
