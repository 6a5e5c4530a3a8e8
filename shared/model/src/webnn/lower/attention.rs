//! Attention from matrix products and softmax: WebNN has no operator for it.

use crate::plan::Step;

use super::Lowering;
use crate::webnn::builder::Reason;
use crate::webnn::program::OperandId;

/// Swaps length and heads.
const SWAP_HEADS: [usize; 4] = [0, 2, 1, 3];

impl Lowering<'_> {
    pub(super) fn attention(
        &mut self,
        step: &Step,
        scale: f32,
        zeroes_undefined: bool,
        heads_inside: bool,
    ) -> Result<(), Reason> {
        let turn = |lowering: &mut Self, x: OperandId, permutation: &[usize]| {
            if heads_inside { lowering.builder.transpose(x, permutation) } else { Ok(x) }
        };
        // Queries are smaller than scores: scaling them costs less.
        let q = self.operand(step, 0)?;
        let q = self.affine(q, scale, 0.0)?;
        let q = turn(self, q, &SWAP_HEADS)?;
        let k = self.operand(step, 1)?;
        let k = self.builder.transpose(k, if heads_inside { &[0, 2, 3, 1] } else { &[0, 1, 3, 2] })?;
        let v = self.operand(step, 2)?;
        let v = turn(self, v, &SWAP_HEADS)?;
        let mut scores = self.builder.matmul(q, k)?;
        if let Some(mask) = Self::optional(step, 3) {
            let mask = self.planar(mask)?;
            scores = self.builder.binary("add", scores, mask)?;
        }
        let mut weights = self.soft_weights(scores, 3)?;
        if zeroes_undefined {
            let undefined = self.test("isNaN", weights)?;
            let zero = self.builder.float(0.0)?;
            weights = self.builder.choose(undefined, zero, weights)?;
        }
        let y = self.builder.matmul(weights, v)?;
        let y = turn(self, y, &SWAP_HEADS)?;
        self.finish(step.outputs[0], y)
    }
}
