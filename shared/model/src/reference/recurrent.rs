//! LSTM and GRU layers.

use crate::op::{Cell, Direction};
use crate::reference::{EvaluationError, Operands};
use crate::tensor::Data;

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Weights of one direction: input, recurrence, and the two halves of the bias.
struct Weights<'a> {
    input: &'a [f32],
    recurrence: &'a [f32],
    input_bias: &'a [f32],
    recurrence_bias: &'a [f32],
    width: usize,
    hidden: usize,
}

impl Weights<'_> {
    fn input(&self, gate_row: usize, x: &[f32]) -> f32 {
        let row = &self.input[gate_row * self.width..(gate_row + 1) * self.width];
        dot(row, x) + self.input_bias[gate_row]
    }

    fn recurrence(&self, gate_row: usize, h: &[f32]) -> f32 {
        let row = &self.recurrence[gate_row * self.hidden..(gate_row + 1) * self.hidden];
        dot(row, h) + self.recurrence_bias[gate_row]
    }

    fn gate(&self, gate_row: usize, x: &[f32], h: &[f32]) -> f32 {
        self.input(gate_row, x) + self.recurrence(gate_row, h)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() as f32
}

fn lstm_step(weights: &Weights<'_>, x: &[f32], h: &mut [f32], c: &mut [f32]) {
    let n = weights.hidden;
    let next: Vec<(f32, f32)> = (0..n)
        .map(|unit| {
            let [input, output, forget, cell] =
                std::array::from_fn(|gate| weights.gate(gate * n + unit, x, h));
            let state = sigmoid(forget) * c[unit] + sigmoid(input) * cell.tanh();
            (sigmoid(output) * state.tanh(), state)
        })
        .collect();
    for (unit, (hidden, state)) in next.into_iter().enumerate() {
        h[unit] = hidden;
        c[unit] = state;
    }
}

fn gru_step(weights: &Weights<'_>, linear_before_reset: bool, x: &[f32], h: &mut [f32]) {
    let n = weights.hidden;
    let reset: Vec<f32> = (0..n).map(|unit| sigmoid(weights.gate(n + unit, x, h))).collect();
    let reset_h: Vec<f32> = reset.iter().zip(h.iter()).map(|(r, h)| r * h).collect();
    let next: Vec<f32> = (0..n)
        .map(|unit| {
            let update = sigmoid(weights.gate(unit, x, h));
            let row = 2 * n + unit;
            let candidate = if linear_before_reset {
                weights.input(row, x) + reset[unit] * weights.recurrence(row, h)
            } else {
                weights.gate(row, x, &reset_h)
            };
            (1.0 - update) * candidate.tanh() + update * h[unit]
        })
        .collect();
    h.copy_from_slice(&next);
}

pub(super) fn recurrent(
    cell: Cell,
    direction: Direction,
    hidden: usize,
    operands: &Operands<'_>,
) -> Result<Vec<Data>, EvaluationError> {
    let &[n_steps, n_batch, width] = operands.view(0)?.dims else {
        return Err(EvaluationError::Shape { operator: "recurrent" });
    };
    let n_directions = if direction == Direction::Bidirectional { 2 } else { 1 };
    let n_rows = hidden * if cell == Cell::Lstm { 4 } else { 3 };
    let state_size = n_directions * n_batch * hidden;
    let (x, w, r) = (operands.f32s(0)?, operands.f32s(1)?, operands.f32s(2)?);
    let optional = |index: usize, n: usize| match operands.optional(index) {
        Some(_) => operands.f32s(index).map(<[f32]>::to_vec),
        None => Ok(vec![0.0; n]),
    };
    let bias = optional(3, n_directions * 2 * n_rows)?;
    let mut h = optional(5, state_size)?;
    let mut c = optional(6, state_size)?;
    let mut y = vec![0.0; n_steps * state_size];
    for d in 0..n_directions {
        let (input_bias, recurrence_bias) = bias[d * 2 * n_rows..(d + 1) * 2 * n_rows].split_at(n_rows);
        let weights = Weights {
            input: &w[d * n_rows * width..(d + 1) * n_rows * width],
            recurrence: &r[d * n_rows * hidden..(d + 1) * n_rows * hidden],
            input_bias,
            recurrence_bias,
            width,
            hidden,
        };
        let is_reverse = direction == Direction::Reverse || d == 1;
        for step in 0..n_steps {
            let at = if is_reverse { n_steps - 1 - step } else { step };
            for batch in 0..n_batch {
                let x = &x[(at * n_batch + batch) * width..][..width];
                let state = (d * n_batch + batch) * hidden;
                let (h, c) = (&mut h[state..state + hidden], &mut c[state..state + hidden]);
                match cell {
                    Cell::Lstm => lstm_step(&weights, x, h, c),
                    Cell::Gru { linear_before_reset } => gru_step(&weights, linear_before_reset, x, h),
                }
                let out = ((at * n_directions + d) * n_batch + batch) * hidden;
                y[out..out + hidden].copy_from_slice(h);
            }
        }
    }
    let mut outputs = vec![Data::F32(y), Data::F32(h)];
    if cell == Cell::Lstm {
        outputs.push(Data::F32(c));
    }
    Ok(outputs)
}
