// Sum over products of elements with named dimensions.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    var rest = i;
$OUTER
    var sum = 0.0;
    for (var term = 0u; term < p.n_summed; term++) {
        var inner = term;
$INNER
        sum += $PRODUCT;
    }
    y[i] = sum;
}
