// Slices at index tuples of DEPTH numbers.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    let tuple = i / p.n_slice;
    var at = tuple / p.per_batch * p.batch_stride + i % p.n_slice;
    //#each j DEPTH
    at += from_front(indices[tuple * $DEPTH + $j], p.dim$j) * p.stride$j;
    //#end
    y[i] = x[at];
}
