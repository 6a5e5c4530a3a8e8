//! Recurrent layers.

use crate::graph::ValueId;
use crate::lower::movement::{concat, slice, transpose};
use crate::lower::shape::filled;
use crate::lower::{Call, Reason, invalid, length, unsupported};
use crate::op::{Cell, Direction, Fact, Op};
use crate::tensor::DType;

/// A gate whose sum is this is 1 in 32-bit floats, and the opposite one 0.
const SATURATED: f32 = 100.0;

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    match call.node.op_type.as_str() {
        "LSTM" => recurrent(call, Cell::Lstm, 4),
        "GRU" => {
            let linear_before_reset = call.node.attributes.flag("linear_before_reset", false);
            recurrent(call, Cell::Gru { linear_before_reset }, 3)
        }
        // A plain layer is a GRU that always takes its candidate.
        "RNN" => recurrent(call, Cell::Gru { linear_before_reset: false }, 1),
        _ => return Ok(None),
    }
    .map(Some)
}

/// Refuses the forms of a layer that are not implemented.
fn check_form(call: &Call<'_>, n_gates: usize) -> Result<(), Reason> {
    let attributes = &call.node.attributes;
    let defaults: &[&str] = match n_gates {
        4 => &["Sigmoid", "Tanh", "Tanh"],
        3 => &["Sigmoid", "Tanh"],
        _ => &["Tanh"],
    };
    if let Some(given) = attributes.strings("activations")
        && !given.iter().enumerate().all(|(index, name)| name == defaults[index % defaults.len()])
    {
        return unsupported("its activations");
    }
    if attributes.has("clip") || attributes.int("input_forget", 0) != 0 || call.optional(7).is_some() {
        return unsupported("clipping, coupled gates or peepholes");
    }
    Ok(())
}

fn recurrent(call: &mut Call<'_>, cell: Cell, n_gates: usize) -> Result<Vec<ValueId>, Reason> {
    check_form(call, n_gates)?;
    let (mut x, w, r) = (call.input(0)?, call.input(1)?, call.input(2)?);
    call.needs_dtype(x, &[DType::F32])?;
    let is_batch_first = call.node.attributes.int("layout", 0) != 0;
    let (direction, n_directions) = match call.node.attributes.text("direction", "forward") {
        "forward" => (Direction::Forward, 1),
        "reverse" => (Direction::Reverse, 1),
        "bidirectional" => (Direction::Bidirectional, 2),
        other => return invalid(format!("direction `{other}`")),
    };
    let mut states = [call.optional(5), if cell == Cell::Lstm { call.optional(6) } else { None }];
    if is_batch_first {
        if call.dims(x).len() != 3 {
            return invalid("its input does not have 3 dimensions");
        }
        x = transpose(call, x, vec![1, 0, 2])?;
        for state in states.iter_mut().flatten() {
            if call.dims(*state).len() != 3 {
                return invalid("a state does not have 3 dimensions");
            }
            *state = transpose(call, *state, vec![1, 0, 2])?;
        }
    }
    let (&[n_steps, batch, width], &[_, _, hidden_size]) = (&call.dims(x)[..], &call.dims(r)[..]) else {
        return invalid("its input or recurrence weights do not have 3 dimensions");
    };
    if length(call.node.attributes.int("hidden_size", hidden_size as i64))? != hidden_size {
        return invalid("its hidden size does not fit its weights");
    }
    let state_dims = vec![n_directions, batch, hidden_size];
    let expected = [
        (Some(w), vec![n_directions, n_gates * hidden_size, width]),
        (Some(r), vec![n_directions, n_gates * hidden_size, hidden_size]),
        (call.optional(3), vec![n_directions, 2 * n_gates * hidden_size]),
        (states[0], state_dims.clone()),
        (states[1], state_dims.clone()),
    ];
    for (value, dims) in expected.into_iter().filter_map(|(value, dims)| value.map(|value| (value, dims))) {
        if call.dims(value) != dims || call.dtype(value) != DType::F32 {
            return invalid(format!("an operand of shape {:?} is not float32 {dims:?}", call.dims(value)));
        }
    }
    if let Some(lengths) = call.ints(4, "its sequence lengths")?
        && lengths.iter().any(|&length| length != n_steps as i64)
    {
        return unsupported("sequences of different lengths");
    }
    let [w, r, bias] = if n_gates == 1 {
        let bias = call.optional(3);
        as_gru(call, [w, r], bias, n_directions, hidden_size)?
    } else {
        [Some(w), Some(r), call.optional(3)]
    };
    let state = Fact::new(DType::F32, state_dims);
    let mut facts =
        vec![Fact::new(DType::F32, vec![n_steps, n_directions, batch, hidden_size]), state.clone()];
    let mut inputs = vec![Some(x), w, r, bias, None, states[0]];
    if cell == Cell::Lstm {
        facts.push(state);
        inputs.push(states[1]);
    }
    let mut outputs = call.emit_all(Op::Recurrent { cell, direction, hidden_size }, &inputs, facts)?;
    if is_batch_first {
        outputs[0] = transpose(call, outputs[0], vec![2, 0, 1, 3])?;
        for state in &mut outputs[1..] {
            *state = transpose(call, *state, vec![1, 0, 2])?;
        }
    }
    Ok(outputs)
}

/// Weights and bias of a plain layer as those of a GRU: no state is kept, none is reset.
fn as_gru(
    call: &mut Call<'_>,
    weights: [ValueId; 2],
    bias: Option<ValueId>,
    n_directions: usize,
    hidden_size: usize,
) -> Result<[Option<ValueId>; 3], Reason> {
    let mut with_gates = [None; 3];
    for (slot, value) in with_gates.iter_mut().zip(weights) {
        let mut dims = call.dims(value);
        dims[1] = 2 * hidden_size;
        let gates = filled(call, dims, 0.0)?;
        *slot = Some(concat(call, &[gates, value], 1)?);
    }
    let dims = [n_directions, hidden_size];
    let mut gate = |value: f32| filled(call, dims.to_vec(), value);
    let [update, reset, zeros] = [gate(-SATURATED)?, gate(SATURATED)?, gate(0.0)?];
    let halves = match bias {
        Some(bias) => {
            let half = |call: &mut Call<'_>, first: usize| {
                slice(call, bias, vec![0, first], vec![1, 1], dims.to_vec())
            };
            [half(call, 0)?, half(call, hidden_size)?]
        }
        None => [zeros, zeros],
    };
    with_gates[2] = Some(concat(call, &[update, reset, halves[0], zeros, zeros, halves[1]], 1)?);
    Ok(with_gates)
}
