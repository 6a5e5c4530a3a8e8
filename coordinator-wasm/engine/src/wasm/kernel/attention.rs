//! Attention of one head: `softmax(scale · q · kᵀ + mask) · v`, a block of queries at a time.
//!
//! Only the scores of one block exist at once, so memory grows with the number of keys, not with its square. The sum of the
//! weights divides the few elements of the result, not the many weights.

use super::gemm::{Addends, PackedColumns, Rows, RowsMut, gemm};
use super::norm::{exponentials, scale};

/// Queries per block: their scores over 1,000 keys take 64 kB.
const BLOCK_QUERIES: usize = 16;

/// Memory that calls share.
#[derive(Debug, Default)]
pub struct Scratch {
    keys: PackedColumns,
    values: PackedColumns,
    scores: Vec<f32>,
}

/// Added to the scores: element (query, key) is `data[query · query_stride + key · key_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Mask<'a> {
    /// Elements from that of the first query and key on.
    pub data: &'a [f32],
    /// 0 when all queries share a row.
    pub query_stride: usize,
    /// 0 when all keys share a column, else 1.
    pub key_stride: usize,
}

/// Queries [n, width], keys [m, width] and values [m, v_width] of one head to `out` [n, v_width].
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Queries.
    pub queries: Rows<'a>,
    /// Keys.
    pub keys: Rows<'a>,
    /// Values, as many rows as keys.
    pub values: Rows<'a>,
    /// Length of a query and of a key.
    pub width: usize,
    /// Length of a value.
    pub v_width: usize,
    /// Factor of the scores.
    pub scale: f32,
    /// Queries whose scores have no softmax give zeros.
    pub zeroes_undefined: bool,
    /// Added to the scores after the factor.
    pub mask: Option<Mask<'a>>,
}

/// Computes one head.
pub fn attention(head: Head<'_>, out: RowsMut<'_>, scratch: &mut Scratch) {
    let Scratch { keys, values, scores } = scratch;
    keys.repack_columns(head.keys, head.width, head.scale);
    values.repack_rows(head.values, head.v_width);
    let n_keys = head.keys.n_rows;
    // A mask that all queries share is a bias of the product.
    let (bias, mask) = match head.mask {
        Some(Mask { data, query_stride: 0, key_stride: 1 }) => (Some(&data[..n_keys]), None),
        mask => (None, mask),
    };
    for first in (0..head.queries.n_rows).step_by(BLOCK_QUERIES) {
        let queries = head.queries.slice(first, BLOCK_QUERIES);
        scores.resize(queries.n_rows * n_keys, 0.0);
        let product = RowsMut { data: scores.as_mut_slice(), stride: n_keys };
        gemm(queries, keys, Addends { column_bias: bias, residual: None }, product);
        let block = RowsMut { data: &mut out.data[first * out.stride..], stride: out.stride };
        let mut sums = [0.0; BLOCK_QUERIES];
        for (offset, row) in scores.chunks_exact_mut(n_keys.max(1)).enumerate() {
            if let Some(mask) = mask {
                mask.add_to(row, first + offset);
            }
            sums[offset] = exponentials(row);
        }
        gemm(Rows::dense(scores, n_keys), values, Addends::default(), block);
        for (offset, sum) in sums.into_iter().enumerate().take(queries.n_rows) {
            let row = &mut out.data[(first + offset) * out.stride..][..head.v_width];
            if sum.is_nan() && head.zeroes_undefined {
                row.fill(0.0);
            } else {
                scale(row, 1.0 / sum);
            }
        }
    }
}

/// Memory that calls of [`attention_in_double`] share.
#[derive(Debug, Default)]
pub struct DoubleScratch {
    /// [width, keys]
    keys: Vec<f64>,
    values: Vec<f64>,
    weights: Vec<f64>,
    sums: Vec<f64>,
}

/// Computes one head in double precision, for results that are quantized next: they must round like the exact value,
/// because one step of the quantization is worth thousands of errors of single precision.
pub fn attention_in_double(head: Head<'_>, out: RowsMut<'_>, scratch: &mut DoubleScratch) {
    let DoubleScratch { keys, values, weights, sums } = scratch;
    let n_keys = head.keys.n_rows;
    keys.resize(head.width * n_keys, 0.0);
    values.clear();
    for key in 0..n_keys {
        let elements = doubles(head.keys, key).take(head.width);
        elements.enumerate().for_each(|(index, element)| keys[index * n_keys + key] = element);
        values.extend(doubles(head.values, key).take(head.v_width));
    }
    for query in 0..head.queries.n_rows {
        weights.clear();
        weights.resize(n_keys, 0.0);
        for (element, keys) in doubles(head.queries, query).zip(keys.chunks_exact(n_keys.max(1))) {
            add_multiple(weights, element, keys);
        }
        for (key, score) in weights.iter_mut().enumerate() {
            let added =
                head.mask.map_or(0.0, |mask| mask.data[query * mask.query_stride + key * mask.key_stride]);
            *score = *score * f64::from(head.scale) + f64::from(added);
        }
        let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        weights.iter_mut().for_each(|weight| *weight = (*weight - largest).exp());
        let sum: f64 = weights.iter().sum();
        sums.clear();
        sums.resize(head.v_width, 0.0);
        for (&weight, values) in weights.iter().zip(values.chunks_exact(head.v_width.max(1))) {
            add_multiple(sums, weight, values);
        }
        let is_undefined = sum.is_nan() && head.zeroes_undefined;
        let cells = &mut out.data[query * out.stride..][..head.v_width];
        for (cell, element) in cells.iter_mut().zip(&*sums) {
            *cell = if is_undefined { 0.0 } else { (element / sum) as f32 };
        }
    }
}

/// The elements from a row's first on.
fn doubles(rows: Rows<'_>, row: usize) -> impl Iterator<Item = f64> {
    rows.data[row * rows.stride..].iter().copied().map(f64::from)
}

fn add_multiple(sums: &mut [f64], factor: f64, terms: &[f64]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += factor * term);
}

impl Mask<'_> {
    fn add_to(&self, row: &mut [f32], query: usize) {
        let from = query * self.query_stride;
        if self.key_stride == 0 {
            let shared = self.data[from];
            row.iter_mut().for_each(|score| *score += shared);
        } else {
            let added = &self.data[from..from + row.len()];
            row.iter_mut().zip(added).for_each(|(score, added)| *score += added);
        }
    }
}

#[cfg(test)]
mod tests;
