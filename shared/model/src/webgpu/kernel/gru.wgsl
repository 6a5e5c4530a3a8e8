// One step of a GRU layer in one direction, one invocation per unit and sample. gates_x is the inputs' part of all steps.

//#if LINEAR
//#else
fn recurrence_after_reset(index: u32, unit: u32, sample: u32) -> f32 {
    let row = index * p.hidden + unit;
    var sum = 0.0;
    //#if BIAS
    sum = bias[p.bias_at + p.n_rows + row];
    //#end
    for (var k = 0u; k < p.hidden; k++) {
        sum += r[p.r_at + row * p.hidden + k] * reset_h[sample * p.hidden + k];
    }
    return sum;
}
//#end

fn invocation(i: u32) {
    let unit = i % p.hidden;
    let sample = i / p.hidden;
    let update = sigmoid(gate(0u, unit, sample));
    //#if LINEAR
    let reset = sigmoid(gate(1u, unit, sample));
    let candidate = tanh_of(input(2u, unit, sample) + reset * recurrence(2u, unit, sample));
    //#else
    let candidate = tanh_of(input(2u, unit, sample) + recurrence_after_reset(2u, unit, sample));
    //#end
    let next = (1.0 - update) * candidate + update * h[i];
    h_next[i] = next;
    y[p.y_at + i] = next;
}
