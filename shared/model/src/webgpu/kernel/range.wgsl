// Smallest and largest element, widened to hold 0, of every p.n-th element: pairs that range_scale.wgsl combines.

fn invocation(i: u32) {
    var low = 0.0;
    var high = 0.0;
    for (var at = i; at < p.length; at += p.n) {
        low = min(low, x[at]);
        high = max(high, x[at]);
    }
    y[2u * i] = low;
    y[2u * i + 1u] = high;
}
