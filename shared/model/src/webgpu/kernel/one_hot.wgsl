// The second of two values where an index points, the first elsewhere.

fn invocation(i: u32) {
    let at = i32(i / p.inner % p.depth);
    let index = indices[i / (p.inner * p.depth) * p.inner + i % p.inner];
    let is_hot = index == at || index + i32(p.depth) == at;
    y[i] = select(values[0], values[1], is_hot);
}
