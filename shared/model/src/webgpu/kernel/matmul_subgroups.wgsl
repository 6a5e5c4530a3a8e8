// Product of matrices, batches broadcast: ROWS × 256 elements per workgroup, four columns per lane. The lanes of a subgroup
// read the left operand once for all of them and pass it around. b is [k, 4·n4]; a has any strides.

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) size: u32,
) {
    let column = group.x * 64u + local;
    let row = group.y * $ROWS;
    let batch = group.z;
    var rest = batch;
    var a_base = 0u;
    var b_base = 0u;
    //#each j RANK
    a_base += rest % p.batch$j * p.a_batch$j;
    b_base += rest % p.batch$j * p.b_batch$j;
    rest /= p.batch$j;
    //#end
    //#each r ROWS
    let a$r = a_base + min(row + $r, p.m - 1u) * p.a_row;
    var s$r = vec4<f32>();
    //#end
    let width = min(size, 64u);
    let own = b_base + min(column, p.n4 - 1u);
    for (var k0 = 0u; k0 < p.k; k0 += width) {
        let k = min(k0 + lane, p.k - 1u) * p.a_k;
        //#each r ROWS
        let x$r = a[a$r + k];
        //#end
        for (var step = 0u; step < min(width, p.k - k0); step++) {
            let w = b[own + (k0 + step) * p.n4];
            //#each r ROWS
            s$r += subgroupShuffle(x$r, step) * w;
            //#end
        }
    }
    //#each r ROWS
    if (row + $r < p.m) {
        store(batch, row + $r, column, s$r);
    }
    //#end
}
