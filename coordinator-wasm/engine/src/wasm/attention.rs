//! Scaled dot-product attention, one block of queries of one head at a time.

use model::tensor::broadcast_strides;

use super::gemm::{Finish, Left, Matrix, Right, Target, multiply};
use super::norm::softmax_row;

/// Queries whose scores are held at once.
const QUERY_BLOCK: usize = 64;

/// Memory that calls share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    left: Left,
    keys: Right,
    values: Right,
    scores: Vec<f32>,
}

/// The operands: [batch, heads, length, width], or [batch, length, heads, width] with heads inside.
pub(super) struct Attention<'a> {
    pub(super) scale: f32,
    pub(super) heads_inside: bool,
    pub(super) q: (&'a [f32], &'a [usize]),
    pub(super) k: (&'a [f32], &'a [usize]),
    pub(super) v: (&'a [f32], &'a [usize]),
    /// Added to the scores, broadcast.
    pub(super) mask: Option<(&'a [f32], &'a [usize])>,
}

impl Attention<'_> {
    /// Rows of one head of an operand.
    fn head<'m>(&self, operand: (&'m [f32], &[usize]), batch: usize, head: usize) -> Matrix<'m> {
        let (data, dims) = operand;
        let width = dims[3];
        let (n_heads, length) = self.heads_and_length(dims);
        let (first, row_stride) = if self.heads_inside {
            (batch * length * n_heads * width + head * width, n_heads * width)
        } else {
            ((batch * n_heads + head) * length * width, width)
        };
        Matrix { data: &data[first..], n_rows: length, n_columns: width, row_stride, column_stride: 1 }
    }

    fn heads_and_length(&self, dims: &[usize]) -> (usize, usize) {
        if self.heads_inside { (dims[2], dims[1]) } else { (dims[1], dims[2]) }
    }

    /// Writes the result, which has the layout of q with the width of v.
    pub(super) fn run(&self, scratch: &mut Scratch, out: &mut [f32]) {
        let n_batch = self.q.1[0];
        let (n_heads, n_queries) = self.heads_and_length(self.q.1);
        let (_, n_keys) = self.heads_and_length(self.k.1);
        let width = self.v.1[3];
        let score_dims = [n_batch, n_heads, n_queries, n_keys];
        let mask = self.mask.map(|(data, dims)| (data, broadcast_strides(dims, &score_dims)));
        let Scratch { left, keys, values, scores } = scratch;
        scores.resize(QUERY_BLOCK.min(n_queries) * n_keys, 0.0);
        let finish = Finish { alpha: self.scale, ..Finish::NONE };
        for batch in 0..n_batch {
            for head in 0..n_heads {
                keys.pack(self.head(self.k, batch, head).transposed());
                values.pack(self.head(self.v, batch, head));
                let queries = self.head(self.q, batch, head);
                for first in (0..n_queries).step_by(QUERY_BLOCK) {
                    let n = QUERY_BLOCK.min(n_queries - first);
                    left.pack(queries.rows(first, n));
                    let block = &mut scores[..n * n_keys];
                    multiply(left, keys, finish, &mut Target { data: block, row_stride: n_keys, first_column: 0 });
                    for (offset, row) in block.chunks_exact_mut(n_keys.max(1)).enumerate() {
                        if let Some((data, strides)) = &mask {
                            let index = [batch, head, first + offset];
                            let start: usize = index.iter().zip(strides).map(|(at, stride)| at * stride).sum();
                            add_mask(row, &data[start..], strides[3]);
                        }
                        softmax_row(row);
                    }
                    left.pack(Matrix::new(block, n, n_keys));
                    let (row_stride, start) = if self.heads_inside {
                        (n_heads * width, (batch * n_queries + first) * n_heads * width + head * width)
                    } else {
                        (width, ((batch * n_heads + head) * n_queries + first) * width)
                    };
                    let mut target = Target { data: &mut out[start..], row_stride, first_column: 0 };
                    multiply(left, values, Finish::NONE, &mut target);
                }
            }
        }
    }
}

fn add_mask(row: &mut [f32], mask: &[f32], step: usize) {
    match step {
        0 => row.iter_mut().for_each(|score| *score += mask[0]),
        _ => row.iter_mut().zip(mask).for_each(|(score, &mask)| *score += mask),
    }
}
