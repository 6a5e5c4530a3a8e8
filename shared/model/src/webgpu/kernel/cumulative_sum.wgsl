// Running sum along an axis.

fn invocation(i: u32) {
    let first = i / p.inner * p.length * p.inner + i % p.inner;
    let end = first + p.length * p.inner;
    var sum = x[first] - x[first];
    for (var k = 0u; k < p.length; k++) {
        //#if REVERSE
        let at = end - (k + 1u) * p.inner;
        //#else
        let at = first + k * p.inner;
        //#end
        let v = x[at];
        //#if EXCLUSIVE
        y[at] = sum;
        sum += v;
        //#else
        sum += v;
        y[at] = sum;
        //#end
    }
}
