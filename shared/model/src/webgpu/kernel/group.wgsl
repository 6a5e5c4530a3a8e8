// What the 64 invocations of a workgroup find out about their line together.

var<workgroup> parts: array<f32, 64>;

fn joined(local: u32, own: f32, is_largest: bool) -> f32 {
    parts[local] = own;
    workgroupBarrier();
    for (var step = 32u; step > 0u; step /= 2u) {
        if (local < step) {
            let other = parts[local + step];
            parts[local] = select(parts[local] + other, max(parts[local], other), is_largest);
        }
        workgroupBarrier();
    }
    let all = parts[0];
    workgroupBarrier();
    return all;
}
