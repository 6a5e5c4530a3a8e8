// One step of a GRU layer in one direction, one invocation per unit and sample. gates_x is the inputs' part of all steps.

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

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    let unit = i % p.hidden;
    let sample = i / p.hidden;
    let update = sigmoid(input(0u, unit, sample) + recurrence(0u, unit, sample));
    //#if LINEAR
    let reset = sigmoid(input(1u, unit, sample) + recurrence(1u, unit, sample));
    let candidate = tanh_of(input(2u, unit, sample) + reset * recurrence(2u, unit, sample));
    //#else
    let candidate = tanh_of(input(2u, unit, sample) + recurrence_after_reset(2u, unit, sample));
    //#end
    let next = (1.0 - update) * candidate + update * h[i];
    h_next[i] = next;
    y[p.y_at + i] = next;
}
