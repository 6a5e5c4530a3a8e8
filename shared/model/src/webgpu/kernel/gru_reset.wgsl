// The state of a GRU layer after its reset gate, for layers whose candidate is computed from that.

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

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    let unit = i % p.hidden;
    let sample = i / p.hidden;
    reset_h[i] = sigmoid(input(1u, unit, sample) + recurrence(1u, unit, sample)) * h[i];
}
