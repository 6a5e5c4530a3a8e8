// Finishes four elements of a product and writes them: what all matmul kernels end with.

fn store(batch: u32, row: u32, column: u32, sum: vec4<f32>) {
    if (column >= p.n4) {
        return;
    }
    var value = sum;
    //#if ROW_BIAS
    value += bias[batch % p.groups * p.m + row];
    //#end
    //#if WHOLE
    let at = (batch * p.m + row) * p.n4 + column;
    //#if COLUMN_BIAS
    value += bias[column];
    //#end
    //#if RESIDUAL
    value += residual[at];
    //#end
    y[at] = vec4<f32>(activate(value.x), activate(value.y), activate(value.z), activate(value.w));
    //#else
    for (var e = 0u; e < 4u && column * 4u + e < p.n_columns; e++) {
        let at = (batch * p.m + row) * p.n_columns + column * 4u + e;
        var one = value[e];
        //#if COLUMN_BIAS
        one += bias[column * 4u + e];
        //#end
        //#if RESIDUAL
        one += residual[at];
        //#end
        y[at] = activate(one);
    }
    //#end
}
