// Convolution with one output element per invocation: for integers, for depthwise ones, and where windows as columns take too
// much memory.

fn invocation(i: u32) {
    let out_column = i % p.out_width;
    let out_row = i / p.out_width % p.out_height;
    let plane = i / (p.out_width * p.out_height);
    let channel = plane % p.out_channels;
    let batch = plane / p.out_channels;
    let row0 = i32(out_row) * p.stride0 - p.pad0;
    let column0 = i32(out_column) * p.stride1 - p.pad1;
    let source = batch * p.in_channels + channel / p.per_group_out * p.per_group;
    //#if INTEGER
    var sum = 0;
    var x_point = 0;
    var w_point = 0;
    //#if X_POINTS
    x_point = x_points[0];
    //#end
    //#if W_POINTS
    w_point = w_points[channel * p.w_point_step];
    //#end
    //#else
    var sum = 0.0;
    //#end
    for (var c = 0u; c < p.per_group; c++) {
        let base = i32(source + c) * p.height * p.width;
        let weights = (channel * p.per_group + c) * p.kernel_height * p.kernel_width;
        for (var ki = 0u; ki < p.kernel_height; ki++) {
            let row = row0 + i32(ki) * p.dilation0;
            if (row < 0 || row >= p.height) {
                continue;
            }
            for (var kj = 0u; kj < p.kernel_width; kj++) {
                let column = column0 + i32(kj) * p.dilation1;
                if (column >= 0 && column < p.width) {
                    //#if INTEGER
                    sum += (x[base + row * p.width + column] - x_point) * (w[weights + ki * p.kernel_width + kj] - w_point);
                    //#else
                    sum += x[base + row * p.width + column] * w[weights + ki * p.kernel_width + kj];
                    //#end
                }
            }
        }
    }
    //#if BIAS
    sum += bias[channel];
    //#end
    //#if RESIDUAL
    sum += residual[i];
    //#end
    //#if INTEGER
    y[i] = sum;
    //#else
    y[i] = activate(sum);
    //#end
}
