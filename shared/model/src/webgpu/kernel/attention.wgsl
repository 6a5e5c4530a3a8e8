// Attention, streaming over keys: one invocation holds QUERIES queries of one head. WIDTH and VALUES are vec4s.

fn invocation(i: u32) {
    let query = i % p.query_groups * $QUERIES;
    let head = i / p.query_groups % p.n_heads;
    let batch = i / (p.query_groups * p.n_heads);
    let k_base = batch * p.k_batch + head * p.k_head;
    let v_base = batch * p.v_batch + head * p.v_head;
    //#each r QUERIES
    let row$r = min(query + $r, p.n_queries - 1u);
    let q_at$r = batch * p.q_batch + head * p.q_head + row$r * p.q_row;
    //#if MASK
    let m$r = batch * p.mask_batch + head * p.mask_head + row$r * p.mask_row;
    //#end
    var largest$r = -3.4028234e38;
    var sum$r = 0.0;
    //#each d WIDTH
    let q$r_$d = q[q_at$r + $d];
    //#end
    //#each d VALUES
    var s$r_$d = vec4<f32>();
    //#end
    //#end
    for (var j = 0u; j < p.n_keys; j++) {
        let k_at = k_base + j * p.k_row;
        let v_at = v_base + j * p.v_row;
        //#each d WIDTH
        let k$d = k[k_at + $d];
        //#end
        //#each r QUERIES
        var dot$r = 0.0;
        //#each d WIDTH
        dot$r += dot(q$r_$d, k$d);
        //#end
        var score$r = dot$r * p.scale;
        //#if MASK
        score$r += mask[m$r + j * p.mask_column];
        //#end
        if (score$r > largest$r) {
            let shrink = exp_of(largest$r - score$r);
            sum$r *= shrink;
            //#each d VALUES
            s$r_$d *= shrink;
            //#end
            largest$r = score$r;
        }
        let weight$r = exp_of(score$r - largest$r);
        sum$r += weight$r;
        //#end
        //#each d VALUES
        let v$d = v[v_at + $d];
        //#each r QUERIES
        s$r_$d += weight$r * v$d;
        //#end
        //#end
    }
    //#each r QUERIES
    if (query + $r < p.n_queries) {
        let at = batch * p.y_batch + head * p.y_head + row$r * p.y_row;
        var factor = 1.0 / sum$r;
        //#if ZEROES
        if (sum$r == 0.0 || is_nan(sum$r)) {
            factor = 0.0;
            //#each d VALUES
            s$r_$d = vec4<f32>();
            //#end
        }
        //#end
        //#each d VALUES
        y[at + $d] = s$r_$d * factor;
        //#end
    }
    //#end
}
