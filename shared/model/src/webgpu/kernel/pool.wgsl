// Largest element, its position in the whole input, or the mean of windows over one or two spatial dimensions.

fn invocation(i: u32) {
    let out_column = i % p.out_width;
    let out_row = i / p.out_width % p.out_height;
    let base = i32(i / (p.out_width * p.out_height)) * p.height * p.width;
    let row0 = i32(out_row) * p.stride0 - p.pad0;
    let column0 = i32(out_column) * p.stride1 - p.pad1;
    var largest = bits(0xff800000u);
    var position = 0;
    var sum = 0.0;
    var count = 0.0;
    for (var ki = 0u; ki < p.kernel_height; ki++) {
        let row = row0 + i32(ki) * p.dilation0;
        for (var kj = 0u; kj < p.kernel_width; kj++) {
            let column = column0 + i32(kj) * p.dilation1;
            if (row >= 0 && row < p.height && column >= 0 && column < p.width) {
                let v = x[base + row * p.width + column];
                position = select(position, row * p.width + column, count == 0.0 || v > largest);
                largest = larger(v, largest);
                sum += v;
                count += 1.0;
            } else if (p.counts_padding == 1u && row < p.height + p.pad_end0 && column < p.width + p.pad_end1) {
                count += 1.0;
            }
        }
    }
    y[i] = $RESULT;
}
