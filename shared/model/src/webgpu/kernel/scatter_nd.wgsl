// Combines slices at index tuples of DEPTH numbers with updates; y starts as a copy. One invocation takes every
// p.n_parallel-th update of an element, so that one alone sees all updates in order.

fn invocation(i: u32) {
    let inner = i % p.n_slice;
    for (var tuple = i / p.n_slice; tuple < p.n_tuples; tuple += p.n_parallel) {
        var at = inner;
        //#each j DEPTH
        at += from_front(indices[tuple * $DEPTH + $j], p.dim$j) * p.stride$j;
        //#end
        let old = y[at];
        let new_value = updates[tuple * p.n_slice + inner];
        y[at] = $COMBINE;
    }
}
