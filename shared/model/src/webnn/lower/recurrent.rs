//! LSTM and GRU layers.

use crate::op::{Cell, Direction, Fact};
use crate::plan::Step;
use crate::tensor::DType;

use super::Lowering;
use crate::webnn::builder::{Reason, refuse};
use crate::webnn::program::{Argument, OperandId};

impl Lowering<'_> {
    pub(super) fn recurrent(
        &mut self,
        step: &Step,
        cell: Cell,
        direction: Direction,
        hidden_size: usize,
    ) -> Result<(), Reason> {
        if Self::optional(step, 4).is_some() {
            return refuse("sequence lengths");
        }
        let x = self.operand(step, 0)?;
        let &[n_steps, n_batch, _] = &self.builder.dims(x)[..] else {
            return refuse("its input is no sequence");
        };
        let n_directions = if direction == Direction::Bidirectional { 2 } else { 1 };
        let arguments = vec![
            Argument::Operand("input", x),
            Argument::Operand("weight", self.operand(step, 1)?),
            Argument::Operand("recurrentWeight", self.operand(step, 2)?),
            Argument::Number(n_steps as f64),
            Argument::Number(hidden_size as f64),
        ];
        let mut options = vec![
            ("returnSequence", Argument::Flag(true)),
            (
                "direction",
                Argument::Text(match direction {
                    Direction::Forward => "forward",
                    Direction::Reverse => "backward",
                    Direction::Bidirectional => "both",
                }),
            ),
        ];
        if let Some(bias) = Self::optional(step, 3) {
            let bias = self.planar(bias)?;
            let half = self.builder.dims(bias)[1] / 2;
            for (name, start) in [("bias", 0), ("recurrentBias", half)] {
                let part = self.builder.slice(bias, &[0, start], &[n_directions, half], &[1, 1])?;
                options.push((name, Argument::Operand(name, part)));
            }
        }
        for (position, name) in [(5, "initialHiddenState"), (6, "initialCellState")] {
            if let Some(state) = Self::optional(step, position) {
                options.push((name, Argument::Operand(name, self.planar(state)?)));
            }
        }
        let state = Fact::new(DType::F32, vec![n_directions, n_batch, hidden_size]);
        let sequence = Fact::new(DType::F32, vec![n_steps, n_directions, n_batch, hidden_size]);
        let results: Vec<OperandId> = match cell {
            Cell::Lstm => {
                options.push(("layout", Argument::Text("iofg")));
                let facts = vec![state.clone(), state, sequence];
                let results = self.builder.call_all("lstm", arguments, options, facts)?;
                vec![results[2], results[0], results[1]]
            }
            Cell::Gru { linear_before_reset } => {
                options.push(("layout", Argument::Text("zrn")));
                options.push(("resetAfter", Argument::Flag(linear_before_reset)));
                let results = self.builder.call_all("gru", arguments, options, vec![state, sequence])?;
                vec![results[1], results[0]]
            }
        };
        for (&out, operand) in step.outputs.iter().zip(results) {
            self.finish(out, operand)?;
        }
        Ok(())
    }
}
