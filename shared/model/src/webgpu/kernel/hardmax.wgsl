// One at the first largest element along an axis, zero elsewhere.

fn invocation(i: u32) {
    let first = i / p.inner * p.length * p.inner + i % p.inner;
    let end = first + p.length * p.inner;
    var best = first;
    for (var at = first; at < end; at += p.inner) {
        if (x[at] > x[best]) {
            best = at;
        }
    }
    for (var at = first; at < end; at += p.inner) {
        y[at] = select(0.0, 1.0, at == best);
    }
}
