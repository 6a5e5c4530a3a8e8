// What the steps of recurrent layers have in common: the inputs' part of a gate, and the state's.

fn input(index: u32, unit: u32, sample: u32) -> f32 {
    let row = index * p.hidden + unit;
    //#if BIAS
    return gates_x[p.x_at + sample * p.n_rows + row] + bias[p.bias_at + row];
    //#else
    return gates_x[p.x_at + sample * p.n_rows + row];
    //#end
}

fn recurrence(index: u32, unit: u32, sample: u32) -> f32 {
    let row = index * p.hidden + unit;
    var sum = 0.0;
    //#if BIAS
    sum = bias[p.bias_at + p.n_rows + row];
    //#end
    for (var k = 0u; k < p.hidden; k++) {
        sum += r[p.r_at + row * p.hidden + k] * h[sample * p.hidden + k];
    }
    return sum;
}

fn gate(index: u32, unit: u32, sample: u32) -> f32 {
    return input(index, unit, sample) + recurrence(index, unit, sample);
}
