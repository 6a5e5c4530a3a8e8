// Transposed convolution with one output element per invocation, which gathers from the inputs that reach it.

fn invocation(i: u32) {
    let out_column = i32(i % p.out_width);
    let out_row = i32(i / p.out_width % p.out_height);
    let plane = i / (p.out_width * p.out_height);
    let channel = plane % p.out_channels;
    let batch = plane / p.out_channels;
    let group = channel / p.per_group_out;
    let source = group * p.per_group;
    var sum = 0.0;
    for (var ki = 0u; ki < p.kernel_height; ki++) {
        let above = out_row + p.pad0 - i32(ki) * p.dilation0;
        let row = above / p.stride0;
        if (above < 0 || above % p.stride0 != 0 || row >= p.height) {
            continue;
        }
        for (var kj = 0u; kj < p.kernel_width; kj++) {
            let before = out_column + p.pad1 - i32(kj) * p.dilation1;
            let column = before / p.stride1;
            if (before < 0 || before % p.stride1 != 0 || column >= p.width) {
                continue;
            }
            for (var c = source; c < source + p.per_group; c++) {
                let at = (i32(batch * p.in_channels + c) * p.height + row) * p.width + column;
                let weights = (c * p.per_group_out + channel % p.per_group_out) * p.kernel_height + ki;
                sum += x[at] * w[weights * p.kernel_width + kj];
            }
        }
    }
    //#if BIAS
    sum += bias[channel];
    //#end
    //#if RESIDUAL
    sum += residual[i];
    //#end
    y[i] = activate(sum);
}
