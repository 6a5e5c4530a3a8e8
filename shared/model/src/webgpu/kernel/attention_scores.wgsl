// Scores of every query and key as sums of two floats, so that what is quantized after the attention rounds like the exact
// value: a score's last bit is worth thousands of those of its weight.

// The rounding error of a product: both factors are split into halves whose products are exact (Dekker, 1971).
fn product_error(a: f32, b: f32, product: f32) -> f32 {
    let wide = 4097.0 * vec2<f32>(a, b);
    let high = wide - (wide - vec2<f32>(a, b));
    let low = vec2<f32>(a, b) - high;
    return ((high.x * high.y - product) + high.x * low.y + low.x * high.y) + low.x * low.y;
}

// A sum of two floats, plus a float (Knuth's two-sum).
fn add(sum: vec2<f32>, x: f32) -> vec2<f32> {
    let high = sum.x + x;
    let part = high - sum.x;
    return vec2<f32>(high, sum.y + ((sum.x - (high - part)) + (x - part)));
}

fn invocation(i: u32) {
    let key = i % p.n_keys;
    let query = i / p.n_keys % p.n_queries;
    let head = i / (p.n_keys * p.n_queries) % p.n_heads;
    let batch = i / (p.n_keys * p.n_queries * p.n_heads);
    let q_at = batch * p.q_batch + head * p.q_head + query * p.q_row;
    let k_at = batch * p.k_batch + head * p.k_head + key * p.k_row;
    var score = vec2<f32>();
    for (var d = 0u; d < p.width; d++) {
        let scaled = q[q_at + d] * p.scale;
        let product = scaled * k[k_at + d];
        score = add(score, product);
        score.y += product_error(scaled, k[k_at + d], product);
    }
    //#if MASK
    score = add(score, mask[batch * p.mask_batch + head * p.mask_head + query * p.mask_row + key * p.mask_column]);
    //#end
    y[i] = score;
}
