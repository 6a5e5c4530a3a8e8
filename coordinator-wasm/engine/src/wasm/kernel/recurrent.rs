//! LSTM and GRU layers: inputs of all steps are multiplied at once, states step by step.

use model::op::{Cell, Direction, Unary};

use super::elementwise;
use super::gemm::{Addends, PackedColumns, Rows, RowsMut, gemm};

/// Weights of one direction.
#[derive(Debug)]
struct PackedDirection {
    /// `[width, gates · hidden]`
    input: PackedColumns,
    /// `[hidden, gates · hidden]`; for GRU without the candidate's.
    recurrence: PackedColumns,
    /// `[hidden, hidden]` of a GRU's candidate.
    candidate: PackedColumns,
    input_bias: Vec<f32>,
    recurrence_bias: Vec<f32>,
}

/// Weights of a layer.
#[derive(Debug)]
pub(in crate::wasm) struct PackedRecurrent {
    directions: Vec<PackedDirection>,
    cell: Cell,
    hidden: usize,
    width: usize,
    is_reverse: bool,
}

/// Memory that calls share.
#[derive(Debug, Default)]
pub(in crate::wasm) struct Scratch {
    inputs: Vec<f32>,
    gates: Vec<f32>,
    candidate: Vec<f32>,
}

impl PackedRecurrent {
    /// Packs `w` and `r`, of ONNX's shapes `[directions, gates · hidden, …]`.
    pub(in crate::wasm) fn new(
        cell: Cell,
        direction: Direction,
        hidden: usize,
        w: (&[f32], &[usize]),
        r: &[f32],
        bias: Option<&[f32]>,
    ) -> Self {
        let &[n_directions, n_rows, width] = w.1 else { return Self::empty(cell) };
        let n_recurrent = if cell == Cell::Lstm { n_rows } else { 2 * hidden };
        let directions = (0..n_directions)
            .map(|d| {
                let input = Rows::dense(&w.0[d * n_rows * width..(d + 1) * n_rows * width], width);
                let recurrence = Rows::dense(&r[d * n_rows * hidden..(d + 1) * n_rows * hidden], hidden);
                let candidate = recurrence.slice(n_recurrent, n_rows - n_recurrent);
                let half = |index: usize| {
                    let start = (2 * d + index) * n_rows;
                    bias.map_or_else(|| vec![0.0; n_rows], |bias| bias[start..start + n_rows].to_vec())
                };
                PackedDirection {
                    input: PackedColumns::from_columns(input, width),
                    recurrence: PackedColumns::from_columns(recurrence.slice(0, n_recurrent), hidden),
                    candidate: PackedColumns::from_columns(candidate, hidden),
                    input_bias: half(0),
                    recurrence_bias: half(1),
                }
            })
            .collect();
        Self { directions, cell, hidden, width, is_reverse: direction == Direction::Reverse }
    }

    /// The element at an index of `w`.
    pub(in crate::wasm) fn input_weight(&self, index: usize) -> f32 {
        let row = index / self.width;
        let n_rows = self.directions[0].input.n_columns();
        self.directions[row / n_rows].input.element(index % self.width, row % n_rows)
    }

    /// The element at an index of `r`.
    pub(in crate::wasm) fn recurrence_weight(&self, index: usize) -> f32 {
        let row = index / self.hidden;
        let n_rows = self.directions[0].input.n_columns();
        let PackedDirection { recurrence, candidate, .. } = &self.directions[row / n_rows];
        let (row, column) = (row % n_rows, index % self.hidden);
        match row.checked_sub(recurrence.n_columns()) {
            None => recurrence.element(column, row),
            Some(row) => candidate.element(column, row),
        }
    }

    fn empty(cell: Cell) -> Self {
        Self { directions: Vec::new(), cell, hidden: 0, width: 0, is_reverse: false }
    }

    /// Runs some steps over a batch. The states `h` and `c` start as the initial states and end as the last ones; `c` is
    /// empty for GRU.
    pub(in crate::wasm) fn run(
        &self,
        x: &[f32],
        [n_steps, n_batch]: [usize; 2],
        scratch: &mut Scratch,
        y: &mut [f32],
        [h, c]: [&mut [f32]; 2],
    ) {
        let n_directions = self.directions.len();
        let state = n_batch * self.hidden;
        let Scratch { inputs, gates, candidate } = scratch;
        for (d, weights) in self.directions.iter().enumerate() {
            let n_rows = weights.input_bias.len();
            inputs.resize(n_steps * n_batch * n_rows, 0.0);
            let x = Rows::dense(x, self.width);
            project(x, &weights.input, &weights.input_bias, inputs);
            let h = &mut h[d * state..(d + 1) * state];
            for step in 0..n_steps {
                let at = if self.is_reverse || d == 1 { n_steps - 1 - step } else { step };
                let inputs = &inputs[at * n_batch * n_rows..(at + 1) * n_batch * n_rows];
                let mut step = Step { weights, n_batch, hidden: self.hidden, inputs, gates };
                match self.cell {
                    Cell::Lstm => step.lstm(h, &mut c[d * state..(d + 1) * state]),
                    Cell::Gru { linear_before_reset } => step.gru(linear_before_reset, candidate, h),
                }
                let start = (at * n_directions + d) * state;
                y[start..start + state].copy_from_slice(h);
            }
        }
    }
}

struct Step<'a> {
    weights: &'a PackedDirection,
    n_batch: usize,
    hidden: usize,
    /// Products of this step's inputs, biased: `[batch, gates · hidden]`.
    inputs: &'a [f32],
    gates: &'a mut Vec<f32>,
}

/// `x · weights + bias`
fn project(x: Rows<'_>, weights: &PackedColumns, bias: &[f32], out: &mut [f32]) {
    let addends = Addends { column_bias: Some(bias), residual: None };
    gemm(x, weights, addends, RowsMut { data: out, stride: weights.n_columns() });
}

impl Step<'_> {
    fn lstm(&mut self, h: &mut [f32], c: &mut [f32]) {
        let n = self.hidden;
        let n_rows = 4 * n;
        self.gates.resize(self.n_batch * n_rows, 0.0);
        let weights = self.weights;
        let bias = &weights.recurrence_bias;
        project(Rows::dense(h, n), &weights.recurrence, bias, self.gates);
        self.gates.iter_mut().zip(self.inputs).for_each(|(gate, input)| *gate += input);
        let rows = self.gates.chunks_exact_mut(n_rows.max(1));
        for ((gates, h), c) in rows.zip(h.chunks_exact_mut(n)).zip(c.chunks_exact_mut(n)) {
            let (squashed, cell) = gates.split_at_mut(3 * n);
            elementwise::apply(&[Unary::Sigmoid], squashed);
            elementwise::apply(&[Unary::Tanh], cell);
            for unit in 0..n {
                c[unit] = squashed[2 * n + unit] * c[unit] + squashed[unit] * cell[unit];
            }
            cell.copy_from_slice(c);
            elementwise::apply(&[Unary::Tanh], cell);
            for unit in 0..n {
                h[unit] = squashed[n + unit] * cell[unit];
            }
        }
    }

    fn gru(&mut self, linear_before_reset: bool, candidate: &mut Vec<f32>, h: &mut [f32]) {
        let n = self.hidden;
        let weights = self.weights;
        self.gates.resize(self.n_batch * 2 * n, 0.0);
        candidate.resize(self.n_batch * n, 0.0);
        let (gate_bias, candidate_bias) = weights.recurrence_bias.split_at(2 * n);
        project(Rows::dense(h, n), &weights.recurrence, gate_bias, self.gates);
        for (gates, inputs) in self.gates.chunks_exact_mut(2 * n).zip(self.inputs.chunks_exact(3 * n)) {
            gates.iter_mut().zip(inputs).for_each(|(gate, input)| *gate += input);
        }
        elementwise::apply(&[Unary::Sigmoid], self.gates);
        if linear_before_reset {
            project(Rows::dense(h, n), &weights.candidate, candidate_bias, candidate);
            for (row, gates) in candidate.chunks_exact_mut(n).zip(self.gates.chunks_exact(2 * n)) {
                row.iter_mut().zip(&gates[n..]).for_each(|(value, reset)| *value *= reset);
            }
        } else {
            for ((row, gates), h) in
                candidate.chunks_exact_mut(n).zip(self.gates.chunks_exact(2 * n)).zip(h.chunks_exact(n))
            {
                row.iter_mut().zip(&gates[n..]).zip(h).for_each(|((value, reset), h)| *value = reset * h);
            }
            let reset = candidate.clone();
            project(Rows::dense(&reset, n), &weights.candidate, candidate_bias, candidate);
        }
        for (row, inputs) in candidate.chunks_exact_mut(n).zip(self.inputs.chunks_exact(3 * n)) {
            row.iter_mut().zip(&inputs[2 * n..]).for_each(|(value, input)| *value += input);
        }
        elementwise::apply(&[Unary::Tanh], candidate);
        for ((h, gates), row) in
            h.chunks_exact_mut(n).zip(self.gates.chunks_exact(2 * n)).zip(candidate.chunks_exact(n))
        {
            for unit in 0..n {
                h[unit] = (1.0 - gates[unit]) * row[unit] + gates[unit] * h[unit];
            }
        }
    }
}
