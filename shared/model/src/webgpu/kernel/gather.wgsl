// Slices along an axis at the given indices.

fn invocation(i: u32) {
    let inner = i % p.inner;
    let index = from_front(indices[i / p.inner % p.n_indices], p.length);
    let outer = i / (p.inner * p.n_indices);
    y[i] = x[(outer * p.length + index) * p.inner + inner];
}
