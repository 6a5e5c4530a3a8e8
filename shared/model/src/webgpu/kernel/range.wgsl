// Smallest and largest element, widened to hold 0, of every p.n-th element: pairs that range_scale.wgsl combines.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    var low = 0.0;
    var high = 0.0;
    for (var at = i; at < p.length; at += p.n) {
        low = min(low, x[at]);
        high = max(high, x[at]);
    }
    y[2u * i] = low;
    y[2u * i + 1u] = high;
}
