//! Matrix products of floats: operands are packed into panels, and 4 × 8 tiles of the result stay in registers.
//!
//! A left panel holds up to four rows interleaved (`[k][rows]`), a right panel eight columns (`[k][8]`), so the inner
//! loop reads both front to back. Wider tiles spill registers in V8.

use model::op::Unary;

use super::elementwise;
use super::simd::F32x4;

/// Rows of a tile.
pub(super) const TILE_ROWS: usize = 4;
/// Columns of a tile.
pub(super) const TILE_COLUMNS: usize = 8;
/// Steps along the inner dimension before moving on: a right panel of 16 kB stays in the first-level cache.
const INNER_BLOCK: usize = 512;
/// Rows computed before their activations are applied: they are then still in the second-level cache.
const ROW_BLOCK: usize = 64;
/// Right panels that a single row is multiplied with at once, to have enough independent sums in flight.
const ROW_PANELS: usize = 4;

/// A matrix read with strides.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) n_rows: usize,
    pub(super) n_columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix in C order.
    pub(super) fn new(data: &'a [f32], n_rows: usize, n_columns: usize) -> Self {
        Self { data, n_rows, n_columns, row_stride: n_columns, column_stride: 1 }
    }

    pub(super) fn transposed(self) -> Self {
        Self {
            n_rows: self.n_columns,
            n_columns: self.n_rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Some of the rows.
    pub(super) fn rows(self, first: usize, n_rows: usize) -> Self {
        Self { data: &self.data[first * self.row_stride..], n_rows, ..self }
    }
}

/// The left operand in panels of four rows; the last panel has as many rows as are left.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) data: Vec<f32>,
    pub(super) n_rows: usize,
    pub(super) n_inner: usize,
}

impl Left {
    pub(super) fn pack(&mut self, matrix: Matrix<'_>) {
        let (n_rows, n_inner) = (matrix.n_rows, matrix.n_columns);
        (self.n_rows, self.n_inner) = (n_rows, n_inner);
        self.data.resize(n_rows * n_inner, 0.0);
        for (index, panel) in self.data.chunks_mut((TILE_ROWS * n_inner).max(1)).enumerate() {
            let first = index * TILE_ROWS;
            let width = TILE_ROWS.min(n_rows - first);
            for row in 0..width {
                let source = &matrix.data[(first + row) * matrix.row_stride..];
                let packed = panel[row..].iter_mut().step_by(width);
                if matrix.column_stride == 1 {
                    packed.zip(&source[..n_inner]).for_each(|(to, &from)| *to = from);
                } else {
                    let source = source.iter().step_by(matrix.column_stride);
                    packed.zip(source).take(n_inner).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }

    pub(super) fn packed(matrix: Matrix<'_>) -> Self {
        let mut left = Self::default();
        left.pack(matrix);
        left
    }
}

/// The right operand in panels of eight columns, padded with zeros.
#[derive(Debug, Default)]
pub(super) struct Right {
    pub(super) data: Vec<f32>,
    pub(super) n_inner: usize,
    pub(super) n_columns: usize,
}

impl Right {
    pub(super) fn pack(&mut self, matrix: Matrix<'_>) {
        let (n_inner, n_columns) = (matrix.n_rows, matrix.n_columns);
        (self.n_inner, self.n_columns) = (n_inner, n_columns);
        self.data.resize(n_columns.div_ceil(TILE_COLUMNS) * TILE_COLUMNS * n_inner, 0.0);
        for (index, panel) in self.data.chunks_mut((TILE_COLUMNS * n_inner).max(1)).enumerate() {
            let first = index * TILE_COLUMNS;
            let width = TILE_COLUMNS.min(n_columns - first);
            let (packed_rows, _) = panel.as_chunks_mut::<TILE_COLUMNS>();
            for (row, packed) in packed_rows.iter_mut().enumerate() {
                let start = row * matrix.row_stride + first * matrix.column_stride;
                if matrix.column_stride == 1 && width == TILE_COLUMNS {
                    packed.copy_from_slice(&matrix.data[start..start + TILE_COLUMNS]);
                } else {
                    packed.fill(0.0);
                    let source = matrix.data[start..].iter().step_by(matrix.column_stride);
                    packed.iter_mut().zip(source).take(width).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }

    pub(super) fn packed(matrix: Matrix<'_>) -> Self {
        let mut right = Self::default();
        right.pack(matrix);
        right
    }
}

/// What happens to the product before it is stored: `activations(alpha · product + bias + residual)`.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) alpha: f32,
    /// One number per row.
    pub(super) row_bias: Option<&'a [f32]>,
    /// One number per column.
    pub(super) column_bias: Option<&'a [f32]>,
    /// As large as the result, laid out like it.
    pub(super) residual: Option<&'a [f32]>,
    pub(super) activations: &'a [Unary],
}

impl Finish<'_> {
    /// The product alone.
    pub(super) const NONE: Finish<'static> =
        Finish { alpha: 1.0, row_bias: None, column_bias: None, residual: None, activations: &[] };

    fn is_product(&self) -> bool {
        self.alpha == 1.0 && self.row_bias.is_none() && self.column_bias.is_none() && self.residual.is_none()
    }
}

/// Where tiles go: a matrix in C order whose rows may be longer than the product's.
pub(super) struct Target<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) row_stride: usize,
    /// Column of the matrix in which the product's first column goes.
    pub(super) first_column: usize,
}

/// `left · right` with the finish, into the target.
pub(super) fn multiply(left: &Left, right: &Right, finish: Finish<'_>, target: &mut Target<'_>) {
    multiply_panels(left, &right.data, right.n_columns, finish, target);
}

/// As [`multiply`], with the right operand's panels in borrowed memory.
pub(super) fn multiply_panels(
    left: &Left,
    right: &[f32],
    n_columns: usize,
    finish: Finish<'_>,
    target: &mut Target<'_>,
) {
    let (n_rows, n_inner) = (left.n_rows, left.n_inner);
    for first_row in (0..n_rows).step_by(ROW_BLOCK) {
        let block_rows = ROW_BLOCK.min(n_rows - first_row);
        let mut first_inner = 0;
        loop {
            let inner = first_inner..n_inner.min(first_inner + INNER_BLOCK);
            let pass = Pass {
                left: &left.data,
                right,
                n_inner,
                n_columns,
                rows: first_row..first_row + block_rows,
                adds: first_inner > 0,
                is_last: inner.end == n_inner,
                inner,
                finish,
            };
            pass.run(target);
            if pass.is_last {
                break;
            }
            first_inner = pass.inner.end;
        }
        if !finish.activations.is_empty() {
            for row in first_row..first_row + block_rows {
                let start = row * target.row_stride + target.first_column;
                elementwise::apply(finish.activations, &mut target.data[start..start + n_columns]);
            }
        }
    }
}

/// All tiles of some rows, over a part of the inner dimension.
struct Pass<'a> {
    left: &'a [f32],
    right: &'a [f32],
    n_inner: usize,
    n_columns: usize,
    rows: std::ops::Range<usize>,
    inner: std::ops::Range<usize>,
    /// The target holds the sums of the part before.
    adds: bool,
    /// The sums are complete and can be finished.
    is_last: bool,
    finish: Finish<'a>,
}

impl Pass<'_> {
    fn run(&self, target: &mut Target<'_>) {
        let n_panels = self.n_columns.div_ceil(TILE_COLUMNS);
        let mut panel = 0;
        if self.rows.len() == 1 {
            while panel + ROW_PANELS <= n_panels {
                self.row_panels(panel, target);
                panel += ROW_PANELS;
            }
        }
        for panel in panel..n_panels {
            let right = self.right_panel(panel);
            for row in self.rows.clone().step_by(TILE_ROWS) {
                match self.rows.end - row {
                    1 => self.tile::<1>(row, panel, right, target),
                    2 => self.tile::<2>(row, panel, right, target),
                    3 => self.tile::<3>(row, panel, right, target),
                    _ => self.tile::<TILE_ROWS>(row, panel, right, target),
                }
            }
        }
    }

    fn right_panel(&self, panel: usize) -> &[f32] {
        let start = panel * TILE_COLUMNS * self.n_inner;
        &self.right[start + self.inner.start * TILE_COLUMNS..start + self.inner.end * TILE_COLUMNS]
    }

    fn tile<const ROWS: usize>(&self, row: usize, panel: usize, right: &[f32], target: &mut Target<'_>) {
        let start = row * self.n_inner + self.inner.start * ROWS;
        let left = &self.left[start..start + self.inner.len() * ROWS];
        let sums = tile_sums::<ROWS>(left, right);
        for (offset, sums) in sums.into_iter().enumerate() {
            self.store(row + offset, panel, sums, target);
        }
    }

    /// One row with several panels, whose sums do not wait for each other.
    fn row_panels(&self, panel: usize, target: &mut Target<'_>) {
        let row = self.rows.start;
        let left = &self.left[row * self.n_inner + self.inner.start..row * self.n_inner + self.inner.end];
        let rights: [&[[f32; TILE_COLUMNS]]; ROW_PANELS] =
            std::array::from_fn(|index| self.right_panel(panel + index).as_chunks().0);
        let [r0, r1, r2, r3] = rights;
        let mut sums = [[F32x4::splat(0.0); 2]; ROW_PANELS];
        for ((((&a, r0), r1), r2), r3) in left.iter().zip(r0).zip(r1).zip(r2).zip(r3) {
            let a = F32x4::splat(a);
            for (sums, right) in sums.iter_mut().zip([r0, r1, r2, r3]) {
                let [low, high] = halves(right);
                sums[0] = a.mul_add(low, sums[0]);
                sums[1] = a.mul_add(high, sums[1]);
            }
        }
        for (index, sums) in sums.into_iter().enumerate() {
            self.store(row, panel + index, sums, target);
        }
    }

    #[inline(always)]
    fn store(&self, row: usize, panel: usize, sums: [F32x4; 2], target: &mut Target<'_>) {
        let column = panel * TILE_COLUMNS;
        let width = TILE_COLUMNS.min(self.n_columns - column);
        let start = row * target.row_stride + target.first_column + column;
        let out = &mut target.data[start..start + width];
        let plain = !self.adds && (!self.is_last || self.finish.is_product());
        if let (Ok(out), true) = (<&mut [f32; TILE_COLUMNS]>::try_from(&mut *out), plain) {
            let (halves, _) = out.as_chunks_mut::<4>();
            sums[0].store(&mut halves[0]);
            sums[1].store(&mut halves[1]);
            return;
        }
        let mut values = [0.0; TILE_COLUMNS];
        {
            let (halves, _) = values.as_chunks_mut::<4>();
            sums[0].store(&mut halves[0]);
            sums[1].store(&mut halves[1]);
        }
        if self.adds {
            values.iter_mut().zip(out.iter()).for_each(|(value, &old)| *value += old);
        }
        if self.is_last {
            let finish = &self.finish;
            if finish.alpha != 1.0 {
                values.iter_mut().for_each(|value| *value *= finish.alpha);
            }
            if let Some(bias) = finish.row_bias {
                values.iter_mut().for_each(|value| *value += bias[row]);
            }
            if let Some(bias) = finish.column_bias {
                values.iter_mut().zip(&bias[column..]).for_each(|(value, &bias)| *value += bias);
            }
            if let Some(residual) = finish.residual {
                values.iter_mut().zip(&residual[start..]).for_each(|(value, &residual)| *value += residual);
            }
        }
        out.copy_from_slice(&values[..width]);
    }
}

#[inline(always)]
fn halves(row: &[f32; TILE_COLUMNS]) -> [F32x4; 2] {
    let (halves, _) = row.as_chunks::<4>();
    [F32x4::load(&halves[0]), F32x4::load(&halves[1])]
}

/// The inner loop: sums of a tile over the whole length of two panels.
#[inline(always)]
fn tile_sums<const ROWS: usize>(left: &[f32], right: &[f32]) -> [[F32x4; 2]; ROWS] {
    let (left, _) = left.as_chunks::<ROWS>();
    let (right, _) = right.as_chunks::<TILE_COLUMNS>();
    let mut sums = [[F32x4::splat(0.0); 2]; ROWS];
    for (left, right) in left.iter().zip(right) {
        let [low, high] = halves(right);
        for (sums, &a) in sums.iter_mut().zip(left) {
            let a = F32x4::splat(a);
            sums[0] = a.mul_add(low, sums[0]);
            sums[1] = a.mul_add(high, sums[1]);
        }
    }
    sums
}
