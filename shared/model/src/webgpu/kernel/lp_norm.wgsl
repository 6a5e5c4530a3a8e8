// Elements divided by their norm along an axis; zeros stay zeros.

fn invocation(i: u32) {
    let first = i / p.inner * p.length * p.inner + i % p.inner;
    let end = first + p.length * p.inner;
    var sum = 0.0;
    for (var at = first; at < end; at += p.inner) {
        let v = x[at];
        sum += $TERM;
    }
    let norm = $NORM;
    for (var at = first; at < end; at += p.inner) {
        y[at] = select(x[at] / norm, 0.0, norm == 0.0);
    }
}
