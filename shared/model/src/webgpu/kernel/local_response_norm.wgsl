// Elements divided by a power of the mean square of neighbouring channels.

fn invocation(i: u32) {
    let c = i / p.inner % p.n_channels;
    let base = i - c * p.inner;
    let begin = c - min(c, (p.size - 1u) / 2u);
    let end = min(c + p.size / 2u, p.n_channels - 1u);
    var squares = 0.0;
    for (var other = begin; other <= end; other++) {
        let v = x[base + other * p.inner];
        squares += v * v;
    }
    y[i] = x[i] / power(p.bias + p.alpha / f32(p.size) * squares, p.beta);
}
