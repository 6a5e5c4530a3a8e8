// Index of the first or last, largest or smallest element along an axis.

fn invocation(i: u32) {
    let first = i / p.inner * p.length * p.inner + i % p.inner;
    let end = first + p.length * p.inner;
    var best = x[first];
    var index = 0u;
    for (var k = 1u; k < p.length; k++) {
        let v = x[first + k * p.inner];
        if (v $BEATS best) {
            best = v;
            index = k;
        }
    }
    y[i] = i32(index);
}
