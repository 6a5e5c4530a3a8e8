// One step of an LSTM layer in one direction, one invocation per unit and sample. gates_x is the inputs' part of all steps.

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

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    let unit = i % p.hidden;
    let sample = i / p.hidden;
    let kept = sigmoid(gate(2u, unit, sample)) * c[p.state_at + i];
    let cell = kept + sigmoid(gate(0u, unit, sample)) * tanh_of(gate(3u, unit, sample));
    let next = sigmoid(gate(1u, unit, sample)) * tanh_of(cell);
    c[p.state_at + i] = cell;
    h_next[i] = next;
    y[p.y_at + i] = next;
}
