// Regions of images resampled to one size: the mean, or the largest term, of the samples of each cell.

// Samples of a cell along an axis: first position, distance, and how many.
fn samples(first: f32, last: f32, cell_index: u32, n_cells: u32, limit: u32) -> vec3<f32> {
    //#if HALF
    let length = last - first;
    //#else
    let length = max(last - first, 1.0);
    //#end
    let cell = length / f32(n_cells);
    var n = f32(p.n_samples);
    if (p.n_samples == 0u) {
        n = max(ceil(cell), 0.0);
    }
    n = min(n, f32(limit) + 1.0);
    return vec3<f32>(first + f32(cell_index) * cell, cell, n);
}

fn invocation(i: u32) {
    let region = i / (p.out_width * p.out_height * p.n_channels) * 4u;
    let channel = i / (p.out_width * p.out_height) % p.n_channels;
    let image = from_front(images[region / 4u], p.n_images);
    let plane = (image * p.n_channels + channel) * p.height * p.width;
    let corner0 = regions[region] * p.scale - p.offset;
    let corner1 = regions[region + 1u] * p.scale - p.offset;
    let corner2 = regions[region + 2u] * p.scale - p.offset;
    let corner3 = regions[region + 3u] * p.scale - p.offset;
    let rows = samples(corner1, corner3, i / p.out_width % p.out_height, p.out_height, p.height);
    let columns = samples(corner0, corner2, i % p.out_width, p.out_width, p.width);
    var largest = bits(0xff800000u);
    var sum = 0.0;
    for (var r = 0.5; r < rows.z; r += 1.0) {
        let row = rows.x + r * rows.y / rows.z;
        for (var c = 0.5; c < columns.z; c += 1.0) {
            let column = columns.x + c * columns.y / columns.z;
            var terms = vec4<f32>();
            if (row >= -1.0 && row <= f32(p.height) && column >= -1.0 && column <= f32(p.width)) {
                let r_at = clamp(row, 0.0, f32(p.height - 1u));
                let c_at = clamp(column, 0.0, f32(p.width - 1u));
                let r0 = u32(r_at);
                let c0 = u32(c_at);
                let r1 = min(r0 + 1u, p.height - 1u);
                let c1 = min(c0 + 1u, p.width - 1u);
                let r_ratio = r_at - f32(r0);
                let c_ratio = c_at - f32(c0);
                terms = vec4<f32>(
                    x[plane + r0 * p.width + c0] * ((1.0 - r_ratio) * (1.0 - c_ratio)),
                    x[plane + r0 * p.width + c1] * ((1.0 - r_ratio) * c_ratio),
                    x[plane + r1 * p.width + c0] * (r_ratio * (1.0 - c_ratio)),
                    x[plane + r1 * p.width + c1] * (r_ratio * c_ratio),
                );
            }
            sum += terms.x + terms.y + terms.z + terms.w;
            largest = max(largest, max(max(terms.x, terms.y), max(terms.z, terms.w)));
        }
    }
    let n = rows.z * columns.z;
    y[i] = select($RESULT, 0.0, n == 0.0);
}
