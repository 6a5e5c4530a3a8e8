// Product of matrices, batches broadcast: tiles of ROWS × 4·COLS elements in registers. b is [k, 4·n4]; a has any strides,
// or rows that are read four elements at once: then p.k, p.a_row and p.a_batch count fours.

fn invocation(i: u32) {
    let column = i % p.column_tiles * $COLS;
    let rows_left = i / p.column_tiles;
    let row = rows_left % p.row_tiles * $ROWS;
    let batch = rows_left / p.row_tiles;
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
    //#end
    //#each c COLS
    var b$c = b_base + min(column + $c, p.n4 - 1u);
    //#end
    //#each r ROWS
    //#each c COLS
    var s$r_$c = vec4<f32>();
    //#end
    //#end
    for (var k = 0u; k < p.k; k++) {
        //#if FOURS
        //#each r ROWS
        let x$r = a[a$r + k];
        //#end
        //#each e FOURS
        //#each c COLS
        let w$e_$c = b[b$c];
        b$c += p.n4;
        //#end
        //#each r ROWS
        //#each c COLS
        s$r_$c += x$r[$e] * w$e_$c;
        //#end
        //#end
        //#end
        //#else
        //#each c COLS
        let w$c = b[b$c];
        b$c += p.n4;
        //#end
        //#each r ROWS
        let x$r = a[a$r + k * p.a_k];
        //#each c COLS
        s$r_$c += x$r * w$c;
        //#end
        //#end
        //#end
    }
    //#each r ROWS
    if (row + $r < p.m) {
        //#each c COLS
        store(batch, row + $r, column + $c, s$r_$c);
        //#end
    }
    //#end
}
