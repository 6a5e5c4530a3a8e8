// Elements at the positions that indices along an axis give; dimensions and strides go from the innermost outwards.

fn invocation(i: u32) {
    var rest = i;
    var at = from_front(indices[i], p.length) * p.axis_stride;
    //#each j RANK
    at += rest % p.dim$j * p.stride$j;
    rest /= p.dim$j;
    //#end
    y[i] = x[at];
}
