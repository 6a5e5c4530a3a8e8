// Combines the elements along an axis, in blocks, which keeps long sums exact enough.

fn invocation(i: u32) {
    let first = i / p.inner * p.length * p.inner + i % p.inner;
    let end = first + p.length * p.inner;
    //#if SHIFTED
    var largest = bits(0xff800000u);
    for (var at = first; at < end; at += p.inner) {
        largest = larger(x[at], largest);
    }
    //#end
    let start: $TYPE = $START;
    var all = start;
    let step = 128u * p.inner;
    for (var block = first; block < end; block += step) {
        var part = start;
        for (var at = block; at < min(block + step, end); at += p.inner) {
            let v = x[at];
            part = $STEP;
        }
        all = $JOIN;
    }
    y[i] = $FINISH;
}
