// Windows of an image as columns: y is [batch, channel · kernel, 4·n4 pixels], zero where a window meets padding.

fn pixel(base: u32, tap: vec2<i32>, at: u32) -> f32 {
    let row = i32(at / p.out_width) * p.stride0 + tap.x;
    let column = i32(at % p.out_width) * p.stride1 + tap.y;
    if (row < 0 || row >= p.height || column < 0 || column >= p.width) {
        return 0.0;
    }
    return x[base + u32(row * p.width + column)];
}

fn invocation(i: u32) {
    let at = i % p.n4 * 4u;
    let plane = i / p.n4;
    let k = plane % p.taps;
    let base = plane / p.taps * u32(p.height * p.width);
    let tap = vec2<i32>(
        i32(k / p.kernel_width) * p.dilation0 - p.pad0,
        i32(k % p.kernel_width) * p.dilation1 - p.pad1,
    );
    y[i] = vec4<f32>(
        pixel(base, tap, at),
        pixel(base, tap, at + 1u),
        pixel(base, tap, at + 2u),
        pixel(base, tap, at + 3u),
    );
}
