// Sum over products of elements with named dimensions.

fn invocation(i: u32) {
    var rest = i;
$OUTER
    var sum = 0.0;
    for (var term = 0u; term < p.n_summed; term++) {
        var inner = term;
$INNER
        sum += $PRODUCT;
    }
    y[i] = sum;
}
