// Softmax of rows of scores that are sums of two floats.

fn invocation(i: u32) {
    let first = i * p.n_keys;
    var largest = x[first];
    for (var j = first; j < first + p.n_keys; j++) {
        if (x[j].x > largest.x) {
            largest = x[j];
        }
    }
    var sum = 0.0;
    for (var j = first; j < first + p.n_keys; j++) {
        // An infinite score has no error worth the name.
        let shifted = x[j].x - largest.x;
        let weight = exp_of(select(shifted + (x[j].y - largest.y), shifted, is_infinite(shifted)));
        y[j] = weight;
        sum += weight;
    }
    //#if ZEROES
    let is_undefined = sum == 0.0 || is_nan(sum);
    //#end
    for (var j = first; j < first + p.n_keys; j++) {
        //#if ZEROES
        y[j] = select(y[j] / sum, 0.0, is_undefined);
        //#else
        y[j] /= sum;
        //#end
    }
}
