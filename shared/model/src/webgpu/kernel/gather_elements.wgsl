// Elements at the positions that indices along an axis give; dimensions and strides go from the innermost outwards.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
    var rest = i;
    var at = from_front(indices[i], p.length) * p.axis_stride;
    //#each j RANK
    at += rest % p.dim$j * p.stride$j;
    rest /= p.dim$j;
    //#end
    y[i] = x[at];
}
