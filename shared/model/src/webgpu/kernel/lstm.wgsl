// One step of an LSTM layer in one direction, one invocation per unit and sample. gates_x is the inputs' part of all steps.

fn invocation(i: u32) {
    let unit = i % p.hidden;
    let sample = i / p.hidden;
    let kept = sigmoid(gate(2u, unit, sample)) * c[p.state_at + i];
    let cell = kept + sigmoid(gate(0u, unit, sample)) * tanh_of(gate(3u, unit, sample));
    let next = sigmoid(gate(1u, unit, sample)) * tanh_of(cell);
    c[p.state_at + i] = cell;
    h_next[i] = next;
    y[p.y_at + i] = next;
}
