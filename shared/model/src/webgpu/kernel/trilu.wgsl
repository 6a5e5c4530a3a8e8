// Upper or lower triangle of matrices, zero elsewhere.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    let distance = i32(i % p.n_columns) - i32(i / p.n_columns % p.n_rows) - p.diagonal;
    y[i] = select($ZERO, x[i], distance $KEEPS 0);
}
