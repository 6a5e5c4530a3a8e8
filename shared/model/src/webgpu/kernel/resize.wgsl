// Resampling along one axis: samples holds two input positions and the weight of the second per output position.

fn invocation(i: u32) {
    let inner = i % p.inner;
    let at = i / p.inner % p.n_out * 3u;
    let base = i / (p.inner * p.n_out) * p.length * p.inner + inner;
    let low = x[base + u32(samples[at]) * p.inner];
    let high = x[base + u32(samples[at + 1u]) * p.inner];
    let weight = bitcast<f32>(samples[at + 2u]);
    y[i] = select(low + (high - low) * weight, low, weight == 0.0);
}
