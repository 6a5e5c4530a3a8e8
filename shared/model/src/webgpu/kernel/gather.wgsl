// Slices along an axis at the given indices.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    let inner = i % p.inner;
    let index = from_front(indices[i / p.inner % p.n_indices], p.length);
    let outer = i / (p.inner * p.n_indices);
    y[i] = x[(outer * p.length + index) * p.inner + inner];
}
