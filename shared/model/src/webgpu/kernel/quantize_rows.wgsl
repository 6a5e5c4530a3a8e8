// Quantizes rows of length k to bytes, four to a word; what is beyond the end is the zero point.

fn invocation(i: u32) {
    let row = i / p.k4;
    let k = i % p.k4 * 4u;
    let point = zero_point[0];
    var word = 0u;
    for (var e = 0u; e < 4u; e++) {
        var q = f32(point);
        if (k + e < p.k) {
            q = clamp(round(x[row * p.k + k + e] / scale[0]) + f32(point), 0.0, 255.0);
        }
        word |= u32(q) << (8u * e);
    }
    y[i] = word;
}
