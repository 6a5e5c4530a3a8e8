//! LSTM and GRU layers: one product for the inputs of all steps, then small dispatches step after step.

use super::elementwise::{Expression, Load};
use super::linear::{Batches, Bias, Product};
use super::lower::{Call, Failure, LoweredStep, Lowering, Operand};
use crate::op::{Cell, Direction, Epilogue};
use crate::tensor::DType;

const LSTM: &str = concat!(include_str!("kernel/recurrent.wgsl"), include_str!("kernel/lstm.wgsl"));
const GRU: &str = concat!(include_str!("kernel/recurrent.wgsl"), include_str!("kernel/gru.wgsl"));
const GRU_RESET: &str = concat!(include_str!("kernel/recurrent.wgsl"), include_str!("kernel/gru_reset.wgsl"));

/// Sizes of a layer.
#[derive(Clone, Copy)]
struct Layer {
    n_steps: usize,
    n_batch: usize,
    n_directions: usize,
    hidden: usize,
    n_rows: usize,
}

impl Layer {
    fn state(&self) -> usize {
        self.n_batch * self.hidden
    }
}

impl Lowering<'_> {
    pub(super) fn recurrent(
        &mut self,
        step: &LoweredStep<'_>,
        cell: Cell,
        direction: Direction,
        hidden: usize,
    ) -> Result<(), Failure> {
        let (x, w) = (step.input(0)?, step.input(1)?);
        let &[n_steps, n_batch, width] = x.dims.as_slice() else {
            return Err(Failure::Unsupported("a sequence that is not three-dimensional".to_owned()));
        };
        if step.optional(4).is_some() {
            return Err(Failure::Unsupported("sequence lengths".to_owned()));
        }
        let n_directions = if direction == Direction::Bidirectional { 2 } else { 1 };
        let n_rows = hidden * if cell == Cell::Lstm { 4 } else { 3 };
        let layer = Layer { n_steps, n_batch, n_directions, hidden, n_rows };
        let gates = self.temporary(DType::F32, &[n_directions, n_steps * n_batch, n_rows]);
        let weights = self.columns(w, [width, n_rows], true)?;
        let m = n_steps * n_batch;
        self.product(Product {
            a: x,
            a_steps: [width, 1],
            a_matrix: m * width,
            b: weights,
            batches: Batches::new(&[1, m, width], &[n_directions, width, n_rows]),
            m,
            k: width,
            n: n_rows,
            bias: Bias::None,
            residual: None,
            epilogue: &Epilogue::default(),
            out: &gates,
        })?;
        // Outputs that nobody names still are computed into memory of their own.
        let state_dims = [n_directions, n_batch, hidden];
        let optional_output = |lowering: &mut Self, index: usize| {
            step.outputs.get(index).cloned().unwrap_or_else(|| lowering.temporary(DType::F32, &state_dims))
        };
        let last_h = optional_output(self, 1);
        let c = if cell == Cell::Lstm { Some(optional_output(self, 2)) } else { None };
        if let Some(c) = &c {
            self.initial(step.optional(6), 0, c)?;
        }
        for index in 0..n_directions {
            let is_reverse = direction == Direction::Reverse || index == 1;
            let h = self.direction(step, cell, layer, (index, is_reverse), &gates, c.as_ref())?;
            let load = Load { tensor: h.tensor, dtype: DType::F32, offset: 0, strides: vec![1] };
            let store = (index * layer.state(), vec![1]);
            self.copy(Expression::Load(load), &[layer.state()], &last_h, Some(store))?;
        }
        Ok(())
    }

    /// Copies an initial state, or zeros, to where the steps keep it.
    fn initial(&mut self, given: Option<&Operand>, offset: usize, out: &Operand) -> Result<(), Failure> {
        let expression = match given {
            Some(state) => {
                self.materialise(state.tensor)?;
                Expression::Load(Load { tensor: state.tensor, dtype: DType::F32, offset, strides: vec![1] })
            }
            None => Expression::Apply("0.0".into(), Vec::new()),
        };
        self.copy(expression, &[out.n()], out, None)
    }

    /// All steps of one direction; gives the last state.
    fn direction(
        &mut self,
        step: &LoweredStep<'_>,
        cell: Cell,
        layer: Layer,
        (index, is_reverse): (usize, bool),
        gates: &Operand,
        c: Option<&Operand>,
    ) -> Result<Operand, Failure> {
        let (r, bias, y) = (step.input(2)?, step.optional(3), step.output());
        let state_dims = [layer.n_batch, layer.hidden];
        let mut h = self.temporary(DType::F32, &state_dims);
        let mut next = self.temporary(DType::F32, &state_dims);
        self.initial(step.optional(5), index * layer.state(), &h)?;
        for time in 0..layer.n_steps {
            let at = if is_reverse { layer.n_steps - 1 - time } else { time };
            let base = |kernel: &'static str, template: &'static str| {
                Call::new(kernel, template)
                    .uint("hidden", layer.hidden)
                    .uint("n_rows", layer.n_rows)
                    .uint("x_at", (index * layer.n_steps + at) * layer.n_batch * layer.n_rows)
                    .uint("r_at", index * layer.n_rows * layer.hidden)
                    .uint("bias_at", index * layer.n_rows * 2)
                    .uint("y_at", (at * layer.n_directions + index) * layer.state())
                    .read("gates_x", gates)
                    .read("r", r)
                    .read_optional("bias", bias)
                    .read("h", &h)
            };
            let call = match (cell, c) {
                (Cell::Lstm, Some(c)) => {
                    base("lstm", LSTM).uint("state_at", index * layer.state()).write("c", c)
                }
                (Cell::Gru { linear_before_reset: false }, _) => {
                    let reset = self.temporary(DType::F32, &state_dims);
                    let call = base("gru-reset", GRU_RESET);
                    self.emit(call.write("reset_h", &reset), layer.state())?;
                    base("gru", GRU).read("reset_h", &reset)
                }
                _ => base("gru", GRU).flag("LINEAR", true),
            };
            self.emit(call.write("h_next", &next).write("y", y), layer.state())?;
            std::mem::swap(&mut h, &mut next);
        }
        Ok(h)
    }
}
