// The second of two values where an index points, the first elsewhere.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    let at = i32(i / p.inner % p.depth);
    let index = indices[i / (p.inner * p.depth) * p.inner + i % p.inner];
    let is_hot = index == at || index + i32(p.depth) == at;
    y[i] = select(values[0], values[1], is_hot);
}
