// Softmax, or its logarithm, of the elements along an axis.

fn invocation(i: u32) {
    let first = i / p.inner * p.length * p.inner + i % p.inner;
    let end = first + p.length * p.inner;
    var largest = bits(0xff800000u);
    for (var at = first; at < end; at += p.inner) {
        largest = max(largest, x[at]);
    }
    var sum = 0.0;
    for (var at = first; at < end; at += p.inner) {
        sum += exp_of(x[at] - largest);
    }
    //#if LOG
    let shift = log(sum);
    //#else
    let factor = 1.0 / sum;
    //#end
    for (var at = first; at < end; at += p.inner) {
        //#if LOG
        y[at] = x[at] - largest - shift;
        //#else
        y[at] = exp_of(x[at] - largest) * factor;
        //#end
    }
}
