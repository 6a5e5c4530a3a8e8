// Product of matrices, batches broadcast: 64 × 64 elements per workgroup, through workgroup memory in steps of 16 along k.
// b is [k, 4·n4]; a has any strides. For GPUs; on a CPU the barriers cost more than the caches give.

var<workgroup> a_tile: array<f32, 1024>;
var<workgroup> b_tile: array<vec4<f32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let own_column = local % 16u;
    let own_row = local / 16u * 4u;
    let column = group.x * 16u + own_column;
    let first_row = group.y * 64u;
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
    var s$r = vec4<f32>();
    //#end
    for (var k0 = 0u; k0 < p.k; k0 += 16u) {
        for (var e = local; e < 1024u; e += 256u) {
            let row = first_row + e / 16u;
            let k = k0 + e % 16u;
            let value = a[a_base + min(row, p.m - 1u) * p.a_row + min(k, p.k - 1u) * p.a_k];
            a_tile[e % 16u * 64u + e / 16u] = select(0.0, value, row < p.m && k < p.k);
        }
        let k = k0 + local / 16u;
        let value = b[b_base + min(k, p.k - 1u) * p.n4 + min(column, p.n4 - 1u)];
        b_tile[local] = select(vec4<f32>(), value, k < p.k);
        workgroupBarrier();
        for (var step = 0u; step < 16u; step++) {
            let w = b_tile[step * 16u + own_column];
            //#each r ROWS
            s$r += a_tile[step * 64u + own_row + $r] * w;
            //#end
        }
        workgroupBarrier();
    }
    //#each r ROWS
    if (first_row + own_row + $r < p.m) {
        store(batch, first_row + own_row + $r, column, s$r);
    }
    //#end
}
