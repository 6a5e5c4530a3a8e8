//! Matrix products.

use crate::op::{Epilogue, Fact};
use crate::plan::Step;
use crate::tensor::{DType, n_elements};

use super::Lowering;
use crate::webnn::builder::{Reason, refuse};
use crate::webnn::program::{Argument, OperandId};

impl Lowering<'_> {
    pub(super) fn matmul(
        &mut self,
        step: &Step,
        transposes: [bool; 2],
        epilogue: &Epilogue,
    ) -> Result<(), Reason> {
        if transposes == [false; 2] && self.scaled_product(step, epilogue)? {
            return Ok(());
        }
        let (a, b) = (self.operand(step, 0)?, self.operand(step, 1)?);
        let bias = if epilogue.has_bias { Some(self.operand(step, 2)?) } else { None };
        let product = self.product(a, b, transposes, bias)?;
        let product = self.builder.reshape(product, &self.dims(step.outputs[0]))?;
        let y = self.epilogue(step, epilogue, 2, false, product)?;
        self.finish(step.outputs[0], y)
    }

    /// `a · b + bias`; vectors are a row on the left and a column on the right.
    pub(super) fn product(
        &mut self,
        a: OperandId,
        b: OperandId,
        [trans_a, trans_b]: [bool; 2],
        bias: Option<OperandId>,
    ) -> Result<OperandId, Reason> {
        let (a_dims, b_dims) = (self.builder.dims(a), self.builder.dims(b));
        let a_dims = if let [k] = a_dims[..] { vec![1, k] } else { a_dims };
        let b_dims = if let [k] = b_dims[..] { vec![k, 1] } else { b_dims };
        let (a, b) = (self.builder.reshape(a, &a_dims)?, self.builder.reshape(b, &b_dims)?);
        if let ([k, n], false) = (&b_dims[..], trans_a && a_dims.len() > 2) {
            return self.matrix_product(a, b, [trans_a, trans_b], if trans_b { *k } else { *n }, bias);
        }
        let a = if trans_a { self.swap_last(a)? } else { a };
        let b = if trans_b { self.swap_last(b)? } else { b };
        let product = self.builder.matmul(a, b)?;
        match bias {
            Some(bias) => self.builder.binary("add", product, bias),
            None => Ok(product),
        }
    }

    /// A batch times one matrix: the batch's rows are those of one matrix, which packs better than many.
    fn matrix_product(
        &mut self,
        a: OperandId,
        b: OperandId,
        [trans_a, trans_b]: [bool; 2],
        n_columns: usize,
        bias: Option<OperandId>,
    ) -> Result<OperandId, Reason> {
        let a_dims = self.builder.dims(a);
        let depth = a_dims[a_dims.len() - 1];
        let flat =
            if trans_a { a } else { self.builder.reshape(a, &[n_elements(&a_dims) / depth, depth])? };
        let n_rows = self.builder.dims(flat)[usize::from(trans_a)];
        let arguments = vec![Argument::Operand("a", flat), Argument::Operand("b", b)];
        let mut options = Vec::new();
        if trans_a {
            options.push(("aTranspose", Argument::Flag(true)));
        }
        if trans_b {
            options.push(("bTranspose", Argument::Flag(true)));
        }
        if let Some(bias) = bias {
            let bias = self.builder.reshape(bias, &[n_columns])?;
            options.push(("c", Argument::Operand("c", bias)));
        }
        let fact = Fact::new(DType::F32, vec![n_rows, n_columns]);
        let product = self.builder.call("gemm", arguments, options, fact)?;
        if trans_a {
            return Ok(product);
        }
        let dims = [&a_dims[..a_dims.len() - 1], &[n_columns]].concat();
        self.builder.reshape(product, &dims)
    }

    /// The last two dimensions swapped.
    pub(super) fn swap_last(&mut self, x: OperandId) -> Result<OperandId, Reason> {
        let rank = self.builder.dims(x).len();
        let mut permutation: Vec<usize> = (0..rank).collect();
        permutation.swap(rank - 2, rank - 1);
        self.builder.transpose(x, &permutation)
    }

    /// One or two operands: transposed so that batch, own and shared dimensions lie together, then one product.
    pub(super) fn einsum(
        &mut self,
        step: &Step,
        inputs: &[Vec<usize>],
        output: &[usize],
        lengths: &[usize],
    ) -> Result<(), Reason> {
        let is_plain = inputs.iter().all(|numbers| {
            numbers.iter().enumerate().all(|(index, number)| !numbers[..index].contains(number))
        });
        if !is_plain || inputs.len() > 2 {
            return refuse("an equation with a diagonal or with more than two operands");
        }
        let length = |numbers: &[usize]| -> usize { numbers.iter().map(|&number| lengths[number]).product() };
        let mut x = self.operand(step, 0)?;
        let mut order = inputs[0].clone();
        if let [left, right] = inputs {
            let split = |own: &[usize], other: &[usize]| -> [Vec<usize>; 2] {
                let (shared, alone) = own.iter().copied().partition(|number| other.contains(number));
                [shared, alone]
            };
            let ([shared, left_own], [_, right_own]) = (split(left, right), split(right, left));
            let (batch, summed): (Vec<usize>, Vec<usize>) =
                shared.into_iter().partition(|number| output.contains(number));
            let arrange = |lowering: &mut Self, position: usize, groups: [&[usize]; 3]| {
                let operand = lowering.operand(step, position)?;
                let wanted = groups.concat();
                let axis = |number: &usize| inputs[position].iter().position(|other| other == number);
                let permutation: Vec<usize> = wanted.iter().filter_map(axis).collect();
                let turned = lowering.builder.transpose(operand, &permutation)?;
                lowering.builder.reshape(turned, &groups.map(length))
            };
            let a = arrange(self, 0, [&batch, &left_own, &summed])?;
            let b = arrange(self, 1, [&batch, &summed, &right_own])?;
            x = self.builder.matmul(a, b)?;
            order = [batch, left_own, right_own].concat();
            let dims: Vec<usize> = order.iter().map(|&number| lengths[number]).collect();
            x = self.builder.reshape(x, &dims)?;
        }
        let summed: Vec<usize> = (0..order.len()).filter(|&axis| !output.contains(&order[axis])).collect();
        if !summed.is_empty() {
            x = self.builder.reduce("reduceSum", x, &summed, false)?;
            order.retain(|number| output.contains(number));
        }
        let axis = |number: &usize| order.iter().position(|other| other == number);
        let permutation: Vec<usize> = output.iter().filter_map(axis).collect();
        let y = self.builder.transpose(x, &permutation)?;
        self.finish(step.outputs[0], y)
    }
}
