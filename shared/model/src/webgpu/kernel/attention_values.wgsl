// Values weighed by attention, with what each sum loses kept and added at the end (Kahan).

fn invocation(i: u32) {
    let d = i % p.v_width;
    let row = i / p.v_width;
    let query = row % p.n_queries;
    let head = row / p.n_queries % p.n_heads;
    let batch = row / (p.n_queries * p.n_heads);
    let v_at = batch * p.v_batch + head * p.v_head + d;
    var sum = 0.0;
    var lost = 0.0;
    for (var j = 0u; j < p.n_keys; j++) {
        let term = weights[row * p.n_keys + j] * v[v_at + j * p.v_row] - lost;
        let next = sum + term;
        lost = (next - sum) - term;
        sum = next;
    }
    y[batch * p.y_batch + head * p.y_head + query * p.y_row + d] = sum;
}
