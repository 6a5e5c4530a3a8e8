// Copies matrices with any strides to [batch, k, 4·n4]; what is beyond the last column repeats it.

fn invocation(i: u32) {
    let column = min(i % p.padded, p.n_columns - 1u);
    let k = i / p.padded % p.k;
    var rest = i / (p.padded * p.k);
    var base = 0u;
    //#each j RANK
    base += rest % p.batch$j * p.x_batch$j;
    rest /= p.batch$j;
    //#end
    y[i] = x[base + k * p.x_k + column * p.x_column];
}
