//! The speed of kernels at the shapes of real models, beside a bare register tile measured in the same run.

use std::hint::black_box;

use model::op::Unary;

use super::kernel::attention::{self, Head, Mask};
use super::kernel::conv::{self, PackedFilters};
use super::kernel::depthwise::{self, DepthwiseFilters};
use super::kernel::elementwise;
use super::kernel::gemm::{Addends, PackedColumns, Rows, RowsMut, TILE_COLUMNS, TILE_ROWS, gemm};
use super::kernel::norm;
use super::kernel::padded::{Image, Size, Window};
use super::kernel::simd::{F32x4, LANES};
use super::kernel::transposed::{Channels, TransposedFilters, add_transposed};
use crate::web::sys::now_micros;

/// Length of one sample: two hundred ticks of the coarsest clock, 20 µs in Firefox.
const SAMPLE_MICROS: u64 = 4_000;
const N_SAMPLES: usize = 15;

/// Speed of a kernel in units of work per nanosecond: floating-point operations, or elements.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Speed {
    kernel: &'static str,
    shape: String,
    unit: &'static str,
    median: f64,
    best: f64,
}

/// Measures everything.
pub(crate) fn run() -> Vec<Speed> {
    let mut speeds = vec![raw_tile(480)];
    for [m, k, n] in [
        [16, 384, 384],
        [16, 384, 1536],
        [16, 1536, 384],
        [128, 384, 384],
        [128, 384, 1536],
        [128, 1536, 384],
        [1024, 384, 384],
        [1024, 384, 1536],
        [1024, 1536, 384],
        [480, 480, 480],
    ] {
        speeds.push(product(m, k, n));
    }
    for (n_in, n_out, side, kernel, stride) in [
        (3, 16, 320, 3, 2),
        (96, 24, 80, 3, 1),
        (96, 24, 40, 3, 1),
        (16, 32, 160, 1, 1),
        (48, 48, 80, 1, 1),
        (192, 192, 20, 1, 1),
        (384, 384, 10, 1, 1),
    ] {
        speeds.push(convolution(n_in, n_out, side, kernel, stride));
    }
    for (n_channels, side, kernel, stride) in
        [(16, 160, 3, 1), (32, 160, 3, 2), (48, 80, 3, 1), (192, 20, 5, 1), (192, 20, 5, 2), (384, 10, 5, 1)]
    {
        speeds.push(depthwise_convolution(n_channels, side, kernel, stride));
    }
    speeds.push(transposed_convolution(24, 24, 80));
    speeds.push(attention_head(128, 32));
    speeds.push(rows("layer norm", 384, |x, y| norm::layer_norm(x, x, Some(x), 1e-5, false, y)));
    speeds.push(rows("softmax", 128, |x, y| {
        y.copy_from_slice(x);
        norm::softmax(y);
    }));
    let functions = [
        ("relu", Unary::Relu),
        ("hard-swish", Unary::HardSwish),
        ("exp", Unary::Exp),
        ("erf", Unary::Erf),
        ("gelu", Unary::Gelu),
        ("tanh", Unary::Tanh),
        ("sigmoid", Unary::Sigmoid),
    ];
    for (name, function) in functions {
        speeds.push(rows(name, 1536, |x, y| {
            y.copy_from_slice(x);
            elementwise::apply(&[function], y);
        }));
    }
    speeds
}

/// Repeats `call`, which does `work` units, and divides.
fn measure(
    kernel: &'static str,
    shape: String,
    unit: &'static str,
    work: usize,
    mut call: impl FnMut(),
) -> Speed {
    let mut sample = |n_calls: u64| {
        let started = now_micros();
        (0..n_calls).for_each(|_| call());
        now_micros().saturating_sub(started).max(1)
    };
    // Compiles, fills the caches, and tells how many calls are long enough.
    let mut n_calls = 1;
    while sample(n_calls) < SAMPLE_MICROS {
        n_calls *= 2;
    }
    let speed = |micros: u64| (work as u64 * n_calls) as f64 / micros as f64 / 1e3;
    let mut speeds: Vec<f64> = (0..N_SAMPLES).map(|_| speed(sample(n_calls))).collect();
    speeds.sort_by(f64::total_cmp);
    Speed { kernel, shape, unit, median: speeds[N_SAMPLES / 2], best: speeds[N_SAMPLES - 1] }
}

fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 7919 % 1009) as f32 / 504.5 - 1.0).collect()
}

/// Four packed rows times eight packed columns in the first-level cache, nothing else: what the tile could reach.
fn raw_tile(depth: usize) -> Speed {
    let (rows, columns) = (numbers(depth * TILE_ROWS), numbers(depth * TILE_COLUMNS));
    let ((rows, _), (columns, _)) = (rows.as_chunks::<TILE_ROWS>(), columns.as_chunks::<TILE_COLUMNS>());
    let work = 2 * depth * TILE_ROWS * TILE_COLUMNS;
    measure("bare tile", format!("4x{depth}x8"), "GFLOP/s", work, || {
        black_box(product_of_panels(black_box(rows), black_box(columns)));
    })
}

// A function of its own, so that the compiler keeps the sums in registers.
#[inline(never)]
fn product_of_panels(rows: &[[f32; TILE_ROWS]], columns: &[[f32; TILE_COLUMNS]]) -> [[F32x4; 2]; TILE_ROWS] {
    let mut tile = [[F32x4::zero(); 2]; TILE_ROWS];
    for (row_values, column_values) in rows.iter().zip(columns) {
        let (halves, _) = column_values.as_chunks::<LANES>();
        let [left, right] = [F32x4::load(&halves[0]), F32x4::load(&halves[1])];
        for (sums, &value) in tile.iter_mut().zip(row_values) {
            let value = F32x4::splat(value);
            sums[0] = value.mul_add(left, sums[0]);
            sums[1] = value.mul_add(right, sums[1]);
        }
    }
    tile
}

fn product(m: usize, k: usize, n: usize) -> Speed {
    let (a, b, mut c) = (numbers(m * k), numbers(k * n), vec![0.0; m * n]);
    let packed = PackedColumns::from_rows(Rows::dense(&b, n), n);
    measure("product", format!("{m}x{k}x{n}"), "GFLOP/s", 2 * m * k * n, || {
        gemm(Rows::dense(&a, k), &packed, Addends::default(), RowsMut { data: &mut c, stride: n });
    })
}

/// As many zeros around as keep the size.
fn window(kernel: usize, stride: usize) -> Window {
    let pads = [kernel / 2; 2];
    Window { kernel: [kernel; 2], strides: [stride; 2], dilations: [1, 1], pads_begin: pads, pads_end: pads }
}

fn convolution(n_in: usize, n_out: usize, side: usize, kernel: usize, stride: usize) -> Speed {
    let (window, size) = (window(kernel, stride), [side; 2]);
    let n_taps = n_in * kernel * kernel;
    let filters = PackedFilters::new(&numbers(n_out * n_taps), n_in, window.kernel, 1);
    let data = numbers(n_in * side * side);
    let n_pixels: usize = window.output_size(size).into_iter().product();
    let mut out = vec![0.0; n_out * n_pixels];
    let mut scratch = conv::Scratch::default();
    let shape = format!("{n_in}->{n_out} {kernel}x{kernel}/{stride} at {side}x{side}");
    measure("convolution", shape, "GFLOP/s", 2 * n_pixels * n_out * n_taps, || {
        conv::conv(
            Image { data: &data, size },
            &filters,
            &window,
            Addends::default(),
            &mut out,
            &mut scratch,
        );
    })
}

fn depthwise_convolution(n_channels: usize, side: usize, kernel: usize, stride: usize) -> Speed {
    let (window, size) = (window(kernel, stride), [side; 2]);
    let filters = DepthwiseFilters::new(&numbers(n_channels * kernel * kernel), n_channels);
    let data = numbers(n_channels * side * side);
    let n_pixels: usize = window.output_size(size).into_iter().product();
    let mut out = vec![0.0; n_channels * n_pixels];
    let mut scratch = depthwise::Scratch::default();
    let shape = format!("{n_channels} {kernel}x{kernel}/{stride} at {side}x{side}");
    let work = 2 * n_pixels * n_channels * kernel * kernel;
    measure("depthwise", shape, "GFLOP/s", work, || {
        let image = Image { data: &data, size };
        depthwise::depthwise(image, &filters, &window, Addends::default(), &mut out, &mut scratch);
    })
}

fn transposed_convolution(n_in: usize, n_out: usize, side: usize) -> Speed {
    let window = Window { pads_begin: [0, 0], pads_end: [0, 0], ..window(2, 2) };
    let filters = TransposedFilters::new(&numbers(n_in * n_out * 4), n_in, 4);
    let data = numbers(n_in * side * side);
    let out_size: Size = [2 * side; 2];
    let (mut out, mut products) = (vec![0.0; n_out * 4 * side * side], Vec::new());
    let places = [n_in, n_out].map(|n_all| Channels { first: 0, n_all });
    let shape = format!("{n_in}->{n_out} 2x2/2 at {side}x{side}");
    measure("transposed", shape, "GFLOP/s", 2 * side * side * n_in * n_out * 4, || {
        let image = Image { data: &data, size: [side; 2] };
        add_transposed(image, &filters, &window, places, &mut out, out_size, &mut products);
    })
}

fn attention_head(length: usize, width: usize) -> Speed {
    let (q, k, v) = (numbers(length * width), numbers(length * width), numbers(length * width));
    let (mask, mut out) = (vec![0.0; length], vec![0.0; length * width]);
    let mut scratch = attention::Scratch::default();
    let [queries, keys, values] = [&q, &k, &v].map(|data| Rows::dense(data, width));
    let head = Head {
        queries,
        keys,
        values,
        width,
        v_width: width,
        scale: 0.2,
        zeroes_undefined: false,
        mask: Some(Mask { data: &mask, query_stride: 0, key_stride: 1 }),
    };
    measure(
        "attention",
        format!("{length}x{width}, one head"),
        "GFLOP/s",
        4 * length * length * width,
        || {
            attention::attention(head, RowsMut { data: &mut out, stride: width }, &mut scratch);
        },
    )
}

/// A function of rows, over 128 rows of `width` elements.
fn rows(kernel: &'static str, width: usize, call: impl Fn(&[f32], &mut [f32])) -> Speed {
    let (x, mut y) = (numbers(128 * width), vec![0.0; 128 * width]);
    measure(kernel, format!("128x{width}"), "Gelements/s", x.len(), || {
        x.chunks_exact(width).zip(y.chunks_exact_mut(width)).for_each(|(x, y)| call(x, y));
    })
}
