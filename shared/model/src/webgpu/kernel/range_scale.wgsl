// Scale and zero point that map the range of all pairs to 0–255.

fn invocation(i: u32) {
    var low = 0.0;
    var high = 0.0;
    for (var at = 0u; at < p.n_pairs; at++) {
        low = min(low, x[2u * at]);
        high = max(high, x[2u * at + 1u]);
    }
    let step = (high - low) / 255.0;
    if (step == 0.0) {
        scale[0] = 1.0;
        zero_point[0] = 0;
    } else {
        scale[0] = step;
        zero_point[0] = i32(clamp(round(-low / step), 0.0, 255.0));
    }
}
