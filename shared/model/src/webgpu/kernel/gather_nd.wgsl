// Slices at index tuples of DEPTH numbers.

fn invocation(i: u32) {
    let tuple = i / p.n_slice;
    var at = tuple / p.per_batch * p.batch_stride + i % p.n_slice;
    //#each j DEPTH
    at += from_front(indices[tuple * $DEPTH + $j], p.dim$j) * p.stride$j;
    //#end
    y[i] = x[at];
}
