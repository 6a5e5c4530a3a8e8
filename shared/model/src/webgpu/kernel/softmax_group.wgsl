// Softmax, or its logarithm, of the elements along an axis: a line for each workgroup.

fn line(i: u32, local: u32) {
    let first = i / p.inner * p.length * p.inner + i % p.inner;
    var own = bits(0xff800000u);
    for (var e = local; e < p.length; e += 64u) {
        own = max(own, x[first + e * p.inner]);
    }
    let largest = joined(local, own, true);
    own = 0.0;
    for (var e = local; e < p.length; e += 64u) {
        own += exp_of(x[first + e * p.inner] - largest);
    }
    let sum = joined(local, own, false);
    for (var e = local; e < p.length; e += 64u) {
        let at = first + e * p.inner;
        //#if LOG
        y[at] = x[at] - largest - log(sum);
        //#else
        y[at] = exp_of(x[at] - largest) / sum;
        //#end
    }
}
