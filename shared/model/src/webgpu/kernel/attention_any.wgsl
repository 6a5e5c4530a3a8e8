// Attention for widths that are no multiple of four, streaming over keys; the result itself holds the running sums.

fn invocation(i: u32) {
    let query = i % p.n_queries;
    let head = i / p.n_queries % p.n_heads;
    let batch = i / (p.n_queries * p.n_heads);
    let q_at = batch * p.q_batch + head * p.q_head + query * p.q_row;
    let at = batch * p.y_batch + head * p.y_head + query * p.y_row;
    for (var d = 0u; d < p.v_width; d++) {
        y[at + d] = 0.0;
    }
    var largest = -3.4028234e38;
    var sum = 0.0;
    for (var j = 0u; j < p.n_keys; j++) {
        let k_at = batch * p.k_batch + head * p.k_head + j * p.k_row;
        var score = 0.0;
        for (var d = 0u; d < p.width; d++) {
            score += q[q_at + d] * k[k_at + d];
        }
        score *= p.scale;
        //#if MASK
        score += mask[batch * p.mask_batch + head * p.mask_head + query * p.mask_row + j * p.mask_column];
        //#end
        var shrink = 1.0;
        if (score > largest) {
            shrink = exp_of(largest - score);
            largest = score;
        }
        let weight = exp_of(score - largest);
        sum = sum * shrink + weight;
        let v_at = batch * p.v_batch + head * p.v_head + j * p.v_row;
        for (var d = 0u; d < p.v_width; d++) {
            y[at + d] = y[at + d] * shrink + weight * v[v_at + d];
        }
    }
    var factor = 1.0 / sum;
    for (var d = 0u; d < p.v_width; d++) {
        //#if ZEROES
        y[at + d] = select(y[at + d] * factor, 0.0, sum == 0.0 || is_nan(sum));
        //#else
        y[at + d] *= factor;
        //#end
    }
}
