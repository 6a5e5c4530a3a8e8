// Resampling along one axis: samples holds two input positions and the weight of the second per output position.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    let inner = i % p.inner;
    let at = i / p.inner % p.n_out * 3u;
    let base = i / (p.inner * p.n_out) * p.length * p.inner + inner;
    let low = x[base + u32(samples[at]) * p.inner];
    let high = x[base + u32(samples[at + 1u]) * p.inner];
    let weight = bitcast<f32>(samples[at + 2u]);
    y[i] = select(low + (high - low) * weight, low, weight == 0.0);
}
