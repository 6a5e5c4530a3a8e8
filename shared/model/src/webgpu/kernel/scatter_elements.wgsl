// Combines elements at positions along an axis with updates, in order; y starts as a copy. One invocation per line along the axis.

fn invocation(i: u32) {
    let inner = i % p.inner;
    var rest = i;
    var base = 0u;
    //#each j RANK
    base += rest % p.dim$j * p.stride$j;
    rest /= p.dim$j;
    //#end
    for (var k = 0u; k < p.n_updates; k++) {
        let from_at = (i / p.inner * p.n_updates + k) * p.inner + inner;
        let at = base + from_front(indices[from_at], p.length) * p.axis_stride;
        let old = y[at];
        let new_value = updates[from_at];
        y[at] = $COMBINE;
    }
}
