// Softmax of rows of scores that are sums of two floats.

@compute @workgroup_size($WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * $WG;
    if (i >= p.n) {
        return;
    }
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
