// Product of matrices, batches broadcast: 16·ROWS × 64·COLS elements per workgroup, through workgroup memory in steps of 16
// along k. b is [k, 4·n4]; a has any strides. For GPUs; on a CPU the barriers cost more than the caches give.

var<workgroup> a_tile: array<$TYPE, $ATILE>;
var<workgroup> b_tile: array<vec4<$TYPE>, $BTILE>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first_row = group.y * $TILEROWS;
    let first_column = group.x * $TILECOLS;
    let own_row = local / 16u * $ROWS;
    let own_column = local % 16u;
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
    //#each c COLS
    var s$r_$c = vec4<f32>();
    //#end
    //#end
    for (var k0 = 0u; k0 < p.k; k0 += 16u) {
        for (var e = local; e < 16u * $TILEROWS; e += 256u) {
            let row = first_row + e / 16u;
            let k = k0 + e % 16u;
            let value = a[a_base + min(row, p.m - 1u) * p.a_row + min(k, p.k - 1u) * p.a_k];
            a_tile[e % 16u * $TILEROWS + e / 16u] = $TYPE(select(0.0, value, row < p.m && k < p.k));
        }
        for (var e = local; e < 16u * $TILECOLS; e += 256u) {
            let column = first_column + e % $TILECOLS;
            let k = k0 + e / $TILECOLS;
            let value = b[b_base + min(k, p.k - 1u) * p.n4 + min(column, p.n4 - 1u)];
            b_tile[e] = vec4<$TYPE>(select(vec4<f32>(), value, k < p.k));
        }
        workgroupBarrier();
        for (var step = 0u; step < 16u; step++) {
            //#each c COLS
            let w$c = vec4<f32>(b_tile[step * $TILECOLS + own_column + 16u * $c]);
            //#end
            //#each r ROWS
            let x$r = f32(a_tile[step * $TILEROWS + own_row + $r]);
            //#each c COLS
            s$r_$c += x$r * w$c;
            //#end
            //#end
        }
        workgroupBarrier();
    }
    //#each r ROWS
    if (first_row + own_row + $r < p.m) {
        //#each c COLS
        store(batch, first_row + own_row + $r, first_column + own_column + 16u * $c, s$r_$c);
        //#end
    }
    //#end
}
