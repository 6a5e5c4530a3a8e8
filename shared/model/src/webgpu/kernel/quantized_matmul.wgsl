// Exact product of bytes, rescaled. a is [m, 4·k4] unsigned, b is [k, 4·n4], both four to a word; tiles of ROWS × 4.

fn unpack(word: u32) -> vec4<i32> {
    //#if SIGNED
    return vec4<i32>(vec4<u32>(word << 24u, word << 16u, word << 8u, word)) >> vec4<u32>(24u);
    //#else
    return vec4<i32>(vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u) & vec4<u32>(255u));
    //#end
}

fn invocation(i: u32) {
    let column = i % p.n4;
    let row = i / p.n4 * $ROWS;
    let a_point = a_points[0];
    var b_point = vec4<i32>();
    //#if B_POINT
    for (var e = 0u; e < 4u; e++) {
        b_point[e] = b_points[min(column * 4u + e, p.n_columns - 1u) * p.b_point_step];
    }
    //#end
    //#each r ROWS
    let a$r = min(row + $r, p.m - 1u) * p.k4;
    var s$r = vec4<i32>();
    //#end
    for (var k = 0u; k < p.k4; k++) {
        //#each r ROWS
        let x$r = a[a$r + k];
        //#end
        //#each e BYTES
        let w$e = unpack(b[min(k * 4u + $e, p.k - 1u) * p.n4 + column]) - b_point;
        //#each r ROWS
        s$r += (i32((x$r >> (8u * $e)) & 255u) - a_point) * w$e;
        //#end
        //#end
    }
    //#each r ROWS
    if (row + $r < p.m) {
        for (var e = 0u; e < 4u && column * 4u + e < p.n_columns; e++) {
            let at = (row + $r) * p.n_columns + column * 4u + e;
            var value = f32(s$r[e]) * (a_scale[0] * b_scale[(column * 4u + e) * p.b_scale_step]);
            //#if COLUMN_BIAS
            value += bias[column * 4u + e];
            //#end
            //#if RESIDUAL
            value += residual[at];
            //#end
            y[at] = activate(value);
        }
    }
    //#end
}
