// Padding by a value, or by elements of the input; dimensions go from the innermost outwards.

fn invocation(i: u32) {
    var rest = i;
    var at = 0;
    var is_inside = true;
    //#each j RANK
    {
        let length = p.length$j;
        let q = i32(rest % p.dim$j) - p.before$j;
        rest /= p.dim$j;
        is_inside = is_inside && q >= 0 && q < length;
        at += $SOURCE * p.stride$j;
    }
    //#end
    //#if CONSTANT
    var fill = x[0] - x[0];
    //#if FILL
    fill = fill_value[0];
    //#else
    fill = $ZERO;
    //#end
    y[i] = select(fill, x[at], is_inside);
    //#else
    y[i] = x[at];
    //#end
}
