// Upper or lower triangle of matrices, zero elsewhere.

fn invocation(i: u32) {
    let distance = i32(i % p.n_columns) - i32(i / p.n_columns % p.n_rows) - p.diagonal;
    y[i] = select($ZERO, x[i], distance $KEEPS 0);
}
