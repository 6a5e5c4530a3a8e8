// Rows with their mean taken off (unless RMS) and divided by their root mean square, then scaled and shifted per element,
// or per channel of p.per_channel elements.

fn invocation(i: u32) {
    let first = i * p.length;
    let end = first + p.length;
    var mean = 0.0;
    //#if RMS
    //#else
    for (var at = first; at < end; at++) {
        mean += x[at];
    }
    mean /= f32(p.length);
    //#end
    // What each sum loses is kept (Kahan): the factor's error is one of the whole row.
    var square = 0.0;
    var lost = 0.0;
    for (var at = first; at < end; at++) {
        let d = x[at] - mean;
        let term = d * d - lost;
        let next = square + term;
        lost = (next - square) - term;
        square = next;
    }
    let factor = 1.0 / sqrt(square / f32(p.length) + p.epsilon);
    for (var at = first; at < end; at++) {
        let c = at / p.per_channel % p.n_scales;
        //#if BIAS
        y[at] = (x[at] - mean) * factor * scale[c] + bias[c];
        //#else
        y[at] = (x[at] - mean) * factor * scale[c];
        //#end
    }
}
