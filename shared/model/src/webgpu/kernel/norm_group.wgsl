// Rows with their mean taken off (unless RMS) and divided by their root mean square, then scaled and shifted per element,
// or per channel of p.per_channel elements: a row for each workgroup.

fn line(i: u32, local: u32) {
    let first = i * p.length;
    let end = first + p.length;
    var mean = 0.0;
    var own = 0.0;
    //#if RMS
    //#else
    for (var at = first + local; at < end; at += 64u) {
        own += x[at];
    }
    mean = joined(local, own, false) / f32(p.length);
    own = 0.0;
    //#end
    for (var at = first + local; at < end; at += 64u) {
        let d = x[at] - mean;
        own += d * d;
    }
    let factor = 1.0 / sqrt(joined(local, own, false) / f32(p.length) + p.epsilon);
    for (var at = first + local; at < end; at += 64u) {
        let c = at / p.per_channel % p.n_scales;
        //#if BIAS
        y[at] = (x[at] - mean) * factor * scale[c] + bias[c];
        //#else
        y[at] = (x[at] - mean) * factor * scale[c];
        //#end
    }
}
