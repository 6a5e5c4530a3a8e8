// Combines the elements along an axis: a line for each workgroup of 64 invocations.

var<workgroup> parts: array<$TYPE, 64>;

fn line(i: u32, local: u32) {
    let first = i / p.inner * p.length * p.inner + i % p.inner;
    var part: $TYPE = $START;
    for (var e = local; e < p.length; e += 64u) {
        let v = x[first + e * p.inner];
        part = $STEP;
    }
    parts[local] = part;
    workgroupBarrier();
    for (var step = 32u; step > 0u; step /= 2u) {
        if (local < step) {
            let all = parts[local];
            let part = parts[local + step];
            parts[local] = $JOIN;
        }
        workgroupBarrier();
    }
    if (local == 0u) {
        let all = parts[0];
        y[i] = $FINISH;
    }
}
