// Scale and zero point that map the range of all pairs to 0–255.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    var low = 0.0;
    var high = 0.0;
    for (var at = 0u; at < p.n_pairs; at++) {
        low = min(low, x[2u * at]);
        high = max(high, x[2u * at + 1u]);
    }
    let step = (high - low) / 255.0;
    if (step == 0.0) {
        scale[0] = 1.0;
        zero_point[0] = 0;
    } else {
        scale[0] = step;
        zero_point[0] = i32(clamp(round(-low / step), 0.0, 255.0));
    }
}
