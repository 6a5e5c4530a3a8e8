// Exact product of integer matrices, batches broadcast, with a zero point per row of a and per column of b.

fn invocation(i: u32) {
    let column = i % p.n_columns;
    let row = i / p.n_columns % p.m;
    var rest = i / (p.n_columns * p.m);
    var a_at = row * p.k;
    var b_at = column;
    //#each j RANK
    a_at += rest % p.batch$j * p.a_batch$j;
    b_at += rest % p.batch$j * p.b_batch$j;
    rest /= p.batch$j;
    //#end
    var a_point = 0;
    var b_point = 0;
    //#if A_POINT
    a_point = a_points[row * p.a_point_step];
    //#end
    //#if B_POINT
    b_point = b_points[column * p.b_point_step];
    //#end
    var sum = 0;
    for (var k = 0u; k < p.k; k++) {
        sum += (a[a_at + k] - a_point) * (b[b_at + k * p.n_columns] - b_point);
    }
    y[i] = sum;
}
