// The k largest or smallest elements along an axis in order, the first of equal ones first, and their indices.

fn invocation(i: u32) {
    let first = i / p.inner * p.length * p.inner + i % p.inner;
    let end = first + p.length * p.inner;
    var previous = x[first];
    var previous_index = 0u;
    for (var rank = 0u; rank < p.k; rank++) {
        var best = previous;
        var index = p.length;
        for (var k = 0u; k < p.length; k++) {
            let v = x[first + k * p.inner];
            let follows = rank == 0u || previous $BEATS v || (v == previous && k > previous_index);
            if (follows && (index == p.length || v $BEATS best)) {
                best = v;
                index = k;
            }
        }
        let at = (i / p.inner * p.k + rank) * p.inner + i % p.inner;
        values[at] = best;
        indices[at] = i32(index);
        previous = best;
        previous_index = index;
    }
}
