//! Every operator lowered for both kinds of adapter: which kernels run, and that every generated text is valid WGSL.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::graph::Graph;
use crate::op::{
    Binary, Cell, Direction, Epilogue, Fact, Op, PadMode, Pooling, Reduction, ResizeCoordinates, ResizeMode,
    SampleMode, SamplePadding, ScatterMode, Unary, Window,
};
use crate::tensor::Data;
use crate::testing::{GraphBuilder, noise};

const SOFTWARE: Target = Target {
    is_software: true,
    compiles_slowly: false,
    max_binding_bytes: 1 << 30,
    max_buffer_bytes: 1 << 30,
    max_storage_buffers: 10,
    max_workgroups: 65_535,
    has_f16: false,
    has_subgroups: false,
    choices: Choices { forced: Vec::new(), measured: BTreeMap::new() },
};

fn floats(dims: &[usize]) -> Fact {
    Fact::new(DType::F32, dims.to_vec())
}

fn typed(dtype: DType, dims: &[usize]) -> Fact {
    Fact::new(dtype, dims.to_vec())
}

/// A graph of one operator on inputs.
fn single(op: Op, inputs: &[Fact], outputs: &[Fact]) -> Graph {
    let mut b = GraphBuilder::default();
    let values: Vec<usize> = inputs
        .iter()
        .map(|fact| {
            let value = b.graph.add_value("x", fact.clone());
            b.graph.inputs.push(value);
            value
        })
        .collect();
    let first = b.typed(op, &values, outputs[0].dtype, &outputs[0].dims);
    let mut results = vec![first];
    for fact in &outputs[1..] {
        let value = b.graph.add_value("further", fact.clone());
        b.graph.nodes[0].outputs.push(value);
        results.push(value);
    }
    b.graph.outputs = results.into_iter().map(|value| ("y".to_owned(), value)).collect();
    b.graph.check().expect("the graph is valid");
    b.graph
}

/// What a text needs beyond WebGPU's core.
fn capabilities(text: &str) -> naga::valid::Capabilities {
    use naga::valid::Capabilities;
    let needed =
        |word: &str, capability| if text.contains(word) { capability } else { Capabilities::empty() };
    needed("f16", Capabilities::SHADER_FLOAT16) | needed("subgroup", Capabilities::SUBGROUP)
}

#[track_caller]
fn validate(text: &str) {
    // naga has subgroups, and does not know the line that browsers want for them.
    let text = text.strip_prefix("enable subgroups;\n").unwrap_or(text);
    let module = match naga::front::wgsl::parse_str(text) {
        Ok(module) => module,
        Err(error) => panic!("{}", error.emit_to_string(text)),
    };
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities(text));
    if let Err(error) = validator.validate(&module) {
        panic!("{}\n{text}", error.emit_to_string(text));
    }
}

/// Lowers a graph, validates every shader and what every dispatch binds; gives the kernels in order.
#[track_caller]
fn kernels(graph: &Graph, target: &Target) -> Vec<&'static str> {
    let program = Program::new(&Plan::new(graph.clone()), target).expect("the plan is lowered");
    program.shaders.iter().for_each(|text| validate(text));
    for dispatch in &program.dispatches {
        let text = &program.shaders[dispatch.shader];
        assert_eq!(text.matches("@group(0)").count(), dispatch.bindings.len() + 1, "{text}");
        assert!(dispatch.workgroups.iter().all(|&n| (1..=target.max_workgroups).contains(&n)));
        let written: Vec<usize> = text
            .lines()
            .filter(|line| line.contains("var<storage"))
            .zip(&dispatch.bindings)
            .filter_map(|(line, &buffer)| line.contains("read_write").then_some(buffer))
            .collect();
        for buffer in written {
            let n_bound = dispatch.bindings.iter().filter(|&&other| other == buffer).count();
            assert_eq!(n_bound, 1, "{} writes a buffer that it binds twice", dispatch.kernel);
        }
    }
    program.dispatches.iter().map(|dispatch| dispatch.kernel).collect()
}

#[track_caller]
fn check(op: Op, inputs: &[Fact], outputs: &[Fact], expected: &[&str]) {
    let graph = single(op, inputs, outputs);
    assert_eq!(kernels(&graph, &SOFTWARE), expected);
    kernels(&graph, &Target::default());
    kernels(&graph, &Target { max_binding_bytes: 32, max_storage_buffers: 10_000, ..Target::default() });
}

const UNARY: [Unary; 45] = [
    Unary::Abs,
    Unary::Neg,
    Unary::Ceil,
    Unary::Floor,
    Unary::Round,
    Unary::Sign,
    Unary::Sqrt,
    Unary::Reciprocal,
    Unary::Exp,
    Unary::Log,
    Unary::Erf,
    Unary::Sin,
    Unary::Cos,
    Unary::Tan,
    Unary::Asin,
    Unary::Acos,
    Unary::Atan,
    Unary::Sinh,
    Unary::Cosh,
    Unary::Tanh,
    Unary::Asinh,
    Unary::Acosh,
    Unary::Atanh,
    Unary::Sigmoid,
    Unary::Relu,
    Unary::LeakyRelu(0.1),
    Unary::Elu(-1.0),
    Unary::Celu(2.0),
    Unary::Selu { alpha: 1e-30, gamma: 1e30 },
    Unary::Softplus,
    Unary::Softsign,
    Unary::HardSigmoid { alpha: 0.2, beta: 0.5 },
    Unary::HardSwish,
    Unary::Silu,
    Unary::Mish,
    Unary::Gelu,
    Unary::GeluTanh,
    Unary::ThresholdedRelu(1.0),
    Unary::Shrink { lambda: 0.5, bias: 0.25 },
    Unary::Clip { low: f32::NEG_INFINITY, high: 6.0 },
    Unary::Affine { scale: 2.0, shift: -1.0 },
    Unary::Power(2.5),
    Unary::IsNan,
    Unary::IsInf { positive: true, negative: false },
    Unary::Not,
];

const BINARY: [Binary; 14] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Pow,
    Binary::Min,
    Binary::Max,
    Binary::Mod,
    Binary::Fmod,
    Binary::PRelu,
    Binary::Equal,
    Binary::Greater,
    Binary::Less,
    Binary::LessOrEqual,
];

#[test]
fn element_wise_functions_are_valid_for_every_type() {
    let x = floats(&[2, 3]);
    let one = ["element-wise"];
    check(Op::Unary(UNARY.to_vec()), std::slice::from_ref(&x), std::slice::from_ref(&x), &one);
    let truth = typed(DType::Bool, &[2, 3]);
    check(Op::Unary(vec![Unary::IsNan]), std::slice::from_ref(&x), std::slice::from_ref(&truth), &one);
    for dtype in [DType::I64, DType::I32, DType::U8, DType::I8, DType::F32] {
        let x = typed(dtype, &[2, 3]);
        if dtype != DType::F32 {
            let functions = [Unary::Abs, Unary::Neg, Unary::Sign, Unary::Relu, Unary::BitNot];
            check(Op::Unary(functions.to_vec()), std::slice::from_ref(&x), std::slice::from_ref(&x), &one);
        }
        for function in BINARY {
            let result = if function.is_comparison() { DType::Bool } else { dtype };
            check(Op::Binary(function), &[x.clone(), typed(dtype, &[3])], &[typed(result, &[2, 3])], &one);
        }
        check(
            Op::Where,
            &[typed(DType::Bool, &[3]), x.clone(), typed(dtype, &[])],
            std::slice::from_ref(&x),
            &one,
        );
        for to in [DType::F32, DType::I64, DType::U8, DType::I8, DType::Bool] {
            check(Op::Cast, std::slice::from_ref(&x), &[typed(to, &[2, 3])], &one);
        }
    }
    for function in [Binary::And, Binary::Or, Binary::Xor] {
        check(Op::Binary(function), &[truth.clone(), truth.clone()], std::slice::from_ref(&truth), &one);
    }
}

#[test]
fn movement_has_kernels() {
    let x = floats(&[2, 3, 4]);
    let integers = |dims: &[usize]| typed(DType::I64, dims);
    let one = std::slice::from_ref(&x);
    check(Op::Transpose(vec![2, 0, 1]), one, &[floats(&[4, 2, 3])], &["element-wise"]);
    check(
        Op::Slice { starts: vec![0, 2, 1], steps: vec![1, -1, 2] },
        one,
        &[floats(&[2, 3, 2])],
        &["element-wise"],
    );
    check(Op::Expand, &[floats(&[3, 1])], &[floats(&[2, 3, 4])], &["element-wise"]);
    check(Op::Tile, one, &[floats(&[4, 3, 8])], &["element-wise"]);
    check(
        Op::Concat { axis: 1 },
        &[x.clone(), floats(&[2, 0, 4]), x.clone()],
        &[floats(&[2, 6, 4])],
        &["element-wise"; 2],
    );
    check(Op::Gather { axis: 1 }, &[x.clone(), integers(&[2, 2])], &[floats(&[2, 2, 2, 4])], &["gather"]);
    check(
        Op::GatherElements { axis: 2 },
        &[x.clone(), integers(&[2, 3, 1])],
        &[floats(&[2, 3, 1])],
        &["gather-elements"],
    );
    check(
        Op::GatherNd { batch_dims: 1 },
        &[x.clone(), integers(&[2, 5, 1])],
        &[floats(&[2, 5, 4])],
        &["gather-nd"],
    );
    for mode in [ScatterMode::Replace, ScatterMode::Add, ScatterMode::Mul, ScatterMode::Max, ScatterMode::Min]
    {
        check(
            Op::ScatterNd(mode),
            &[x.clone(), integers(&[5, 2]), floats(&[5, 4])],
            one,
            &["element-wise", "scatter-nd"],
        );
        check(
            Op::ScatterElements { axis: 1, mode },
            &[x.clone(), integers(&[2, 1, 4]), floats(&[2, 1, 4])],
            one,
            &["element-wise", "scatter-elements"],
        );
    }
    for mode in [PadMode::Constant, PadMode::Reflect, PadMode::Edge, PadMode::Wrap] {
        let pad = Op::Pad { before: vec![0, 1, 0], after: vec![0, 1, 2], mode };
        check(pad.clone(), one, &[floats(&[2, 5, 6])], &["pad"]);
        check(pad, &[x.clone(), floats(&[])], &[floats(&[2, 5, 6])], &["pad"]);
    }
    check(Op::Trilu { upper: true, diagonal: i64::MIN }, one, one, &["trilu"]);
    check(Op::OneHot { axis: 1 }, &[integers(&[2]), floats(&[2])], &[floats(&[2, 7])], &["one-hot"]);
}

#[test]
fn lines_have_kernels() {
    let x = floats(&[2, 3, 4]);
    let one = std::slice::from_ref(&x);
    for kind in [
        Reduction::Sum,
        Reduction::Mean,
        Reduction::Max,
        Reduction::Min,
        Reduction::Prod,
        Reduction::L1,
        Reduction::L2,
        Reduction::LogSum,
        Reduction::LogSumExp,
        Reduction::SumSquare,
    ] {
        check(Op::Reduce { kind, axes: vec![1] }, one, &[floats(&[2, 4])], &["reduce"]);
        check(Op::Reduce { kind, axes: vec![0, 2] }, one, &[floats(&[1, 3, 1])], &["element-wise", "reduce"]);
    }
    let integers = typed(DType::I64, &[2, 4]);
    for kind in [Reduction::Sum, Reduction::Max, Reduction::Min, Reduction::Prod] {
        check(
            Op::Reduce { kind, axes: vec![1] },
            std::slice::from_ref(&integers),
            &[typed(DType::I64, &[2])],
            &["reduce"],
        );
    }
    let arg = Op::ArgReduce { axis: 1, is_max: true, takes_last: true };
    check(arg, one, &[typed(DType::I64, &[2, 4])], &["arg-reduce"]);
    let top = Op::TopK { axis: 2, is_max: false };
    check(top, one, &[floats(&[2, 3, 2]), typed(DType::I64, &[2, 3, 2])], &["top-k"]);
    for is_reverse in [false, true] {
        let sum = Op::CumSum { axis: 1, is_exclusive: is_reverse, is_reverse };
        check(sum, one, one, &["cumulative-sum"]);
        check(Op::Softmax { axis: 1, is_log: is_reverse }, one, one, &["softmax"]);
        let norm = Op::LayerNorm { axis: 1, epsilon: 1e-5, is_rms: is_reverse };
        let name = if is_reverse { "rms-norm" } else { "norm" };
        check(norm, &[x.clone(), floats(&[3, 4]), floats(&[3, 4])], one, &[name]);
    }
    check(Op::Hardmax { axis: 0 }, one, one, &["hardmax"]);
    check(Op::LpNorm { axis: 1, p: 1 }, one, one, &["lp-norm"]);
    check(
        Op::GroupNorm { n_groups: 3, epsilon: 0.1 },
        &[x.clone(), floats(&[3]), floats(&[3])],
        one,
        &["norm"],
    );
    check(Op::ChannelAffine, &[x.clone(), floats(&[3]), floats(&[3])], one, &["element-wise"]);
    let response = Op::LocalResponseNorm { size: 3, alpha: 1e-4, beta: 0.75, bias: 1.0 };
    check(response, one, one, &["local-response-norm"]);
}

/// An epilogue with everything.
fn full() -> Epilogue {
    Epilogue { has_bias: true, has_residual: true, activations: vec![Unary::Gelu, Unary::Relu] }
}

#[test]
fn products_have_kernels() {
    for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
        for (m, k, n) in [(1, 3, 5), (16, 8, 64), (7, 5, 4)] {
            let turn = |is_turned: bool, rows: usize, columns: usize| {
                floats(&if is_turned { [2, columns, rows] } else { [2, rows, columns] })
            };
            let inputs = [turn(trans_a, m, k), turn(trans_b, k, n), floats(&[n]), floats(&[2, m, n])];
            let needs_pack = trans_b || n % 4 != 0;
            let expected: &[&str] = if needs_pack { &["pack", "matmul"] } else { &["matmul"] };
            check(
                Op::MatMul { trans_a, trans_b, epilogue: full() },
                &inputs,
                &[floats(&[2, m, n])],
                expected,
            );
        }
    }
    let plain = Op::MatMul { trans_a: false, trans_b: false, epilogue: Epilogue::default() };
    check(plain, &[floats(&[3, 1, 4, 8]), floats(&[2, 8, 8])], &[floats(&[3, 2, 4, 8])], &["matmul"]);
    let points =
        [typed(DType::U8, &[2, 8]), typed(DType::I8, &[8, 3]), typed(DType::U8, &[]), typed(DType::I8, &[3])];
    check(Op::MatMulInteger, &points, &[typed(DType::I32, &[2, 3])], &["matmul-integer"]);
    for heads_inside in [true, false] {
        let attention = Op::Attention { scale: 0.5, zeroes_undefined: heads_inside, heads_inside };
        for (width, expected) in [(8, "attention"), (6, "attention-any")] {
            let x = floats(&[2, 6, 6, width]);
            let inputs = [x.clone(), x.clone(), x.clone(), floats(&[2, 1, 1, 6])];
            check(attention.clone(), &inputs, std::slice::from_ref(&x), &[expected]);
        }
    }
    let einsum =
        Op::Einsum { inputs: vec![vec![0, 1], vec![1, 2]], output: vec![2, 0], lengths: vec![2, 3, 4] };
    check(einsum, &[floats(&[2, 3]), floats(&[3, 4])], &[floats(&[4, 2])], &["einsum"]);
}

/// A device that has everything.
fn able() -> Target {
    Target { has_f16: true, has_subgroups: true, ..Target::default() }
}

#[test]
fn every_variant_has_a_name_and_a_valid_text() {
    let product = single(
        Op::MatMul { trans_a: false, trans_b: false, epilogue: full() },
        &[floats(&[3, 65, 32]), floats(&[32, 70]), floats(&[70]), floats(&[3, 65, 70])],
        &[floats(&[3, 65, 70])],
    );
    let rows = floats(&[9, 100]);
    let softmax = single(
        Op::Softmax { axis: 1, is_log: true },
        std::slice::from_ref(&rows),
        std::slice::from_ref(&rows),
    );
    for variant in Variant::all() {
        assert_eq!(variant.to_string().parse(), Ok(variant));
        let choices = Choices { forced: vec![variant], ..Choices::default() };
        let target = Target { choices, ..able() };
        let is_for_lines = matches!(variant, Variant::Lines | Variant::SharedLines);
        let graph = if is_for_lines { &softmax } else { &product };
        kernels(graph, &target);
        let program = Program::new(&Plan::new(graph.clone()), &target).expect("the plan is lowered");
        assert_eq!(program.tunables[0].variant, variant);
    }
    assert_eq!(
        "tiled-7x7".parse::<Variant>().map_err(|error| error.to_string()),
        Err("no WebGPU variant is called `tiled-7x7`".to_owned())
    );
}

#[test]
fn measured_variants_replace_the_default_where_they_can_run() {
    let shape = Shape::Product { batch: 1, m: 100, k: 384, n: 384, in_fours: true };
    assert_eq!(shape.class(), "matmul f32 1x128x512x512");
    let tiled: Variant = "tiled-32x64".parse().expect("it has this name");
    let half: Variant = "tiled-32x64-f16".parse().expect("it has this name");
    let measured = |variant| BTreeMap::from([(shape.class(), variant)]);
    let with = |forced: &[Variant], variant| Target {
        choices: Choices { forced: forced.to_vec(), measured: measured(variant) },
        ..SOFTWARE
    };
    assert_eq!(shape.choose(&with(&[], tiled)), tiled);
    // This device has no 16-bit floats.
    assert_eq!(shape.choose(&with(&[], half)), shape.choose(&SOFTWARE));
    assert_eq!(shape.choose(&with(&[half, Variant::Lines], tiled)), tiled);
    let candidates = shape.candidates(&able());
    assert_eq!(candidates[0], shape.choose(&able()));
    assert!(candidates.contains(&half));
    assert!(!shape.candidates(&SOFTWARE).contains(&half));
}

#[test]
fn a_trial_computes_what_it_is_a_trial_of() {
    let product = Shape::Product { batch: 2, m: 33, k: 20, n: 40, in_fours: true };
    let lines = ["softmax", "norm", "reduce"].map(|kernel| Shape::Lines { kernel, n: 5, length: 70 });
    for shape in lines.into_iter().chain([product]) {
        let program = Program::new(&shape.trial(), &able()).expect("the trial is lowered");
        let tunables: Vec<Shape> = program.tunables.iter().map(|tunable| tunable.shape).collect();
        assert_eq!((tunables, program.dispatches.len()), (vec![shape], 1));
    }
}

fn window(kernel: [usize; 2], padding: usize) -> Window {
    Window { kernel, strides: [1, 1], dilations: [1, 1], pads_begin: [padding; 2], pads_end: [padding; 2] }
}

#[test]
fn large_products_on_a_gpu_go_through_workgroup_memory() {
    let graph = single(
        Op::MatMul { trans_a: false, trans_b: false, epilogue: full() },
        &[floats(&[3, 65, 30]), floats(&[30, 70]), floats(&[70]), floats(&[3, 65, 70])],
        &[floats(&[3, 65, 70])],
    );
    assert_eq!(kernels(&graph, &Target::default()), ["pack", "matmul-tiled"]);
    assert_eq!(kernels(&graph, &SOFTWARE), ["pack", "matmul"]);
}

#[test]
fn where_compiling_takes_long_products_share_a_kernel() {
    let mut b = GraphBuilder::default();
    let mut x = b.input(&[16, 8]);
    for (seed, activation) in [(1, Unary::Gelu), (2, Unary::Relu), (3, Unary::Tanh)] {
        let (w, bias) = (b.constant(noise(&[8, 8], seed)), b.constant(noise(&[8], seed + 9)));
        let epilogue = Epilogue { has_bias: true, has_residual: false, activations: vec![activation] };
        x = b.op(Op::MatMul { trans_a: false, trans_b: false, epilogue }, &[x, w, bias], &[16, 8]);
    }
    let graph = b.finish(x);
    let n_products = |target: &Target| {
        kernels(&graph, target);
        let program = Program::new(&Plan::new(graph.clone()), target).expect("the plan is lowered");
        let products = program.dispatches.iter().filter(|dispatch| dispatch.kernel == "matmul");
        products.map(|dispatch| dispatch.shader).collect::<BTreeSet<_>>().len()
    };
    let slow = Target { compiles_slowly: true, ..SOFTWARE };
    assert_eq!((n_products(&SOFTWARE), n_products(&slow)), (3, 1));
    let conv = Op::Conv { window: window([1, 1], 0), groups: 2, epilogue: full() };
    let out = floats(&[2, 8, 6, 6]);
    let inputs = [floats(&[2, 4, 6, 6]), floats(&[8, 2, 1, 1]), floats(&[8]), out.clone()];
    assert_eq!(kernels(&single(conv, &inputs, &[out]), &slow), ["matmul", "element-wise"]);
}

#[test]
fn windows_have_kernels() {
    let x = floats(&[2, 4, 6, 6]);
    let conv =
        |kernel, padding, groups| Op::Conv { window: window(kernel, padding), groups, epilogue: full() };
    let out = floats(&[2, 8, 6, 6]);
    let with = |w: &[usize]| [x.clone(), floats(w), floats(&[8]), out.clone()];
    check(conv([1, 1], 0, 1), &with(&[8, 4, 1, 1]), std::slice::from_ref(&out), &["matmul"]);
    check(conv([3, 3], 1, 1), &with(&[8, 4, 3, 3]), std::slice::from_ref(&out), &["windows", "matmul"]);
    check(conv([3, 3], 1, 2), &with(&[8, 2, 3, 3]), std::slice::from_ref(&out), &["windows", "matmul"]);
    check(conv([3, 3], 1, 4), &with(&[8, 1, 3, 3]), std::slice::from_ref(&out), &["conv"]);
    let transposed = Op::ConvTranspose { window: window([3, 3], 1), groups: 1, epilogue: full() };
    check(transposed, &with(&[4, 8, 3, 3]), std::slice::from_ref(&out), &["conv-transpose"]);
    for kind in [Pooling::Max, Pooling::Average { counts_padding: true }] {
        let pool = Op::Pool { kind, window: window([2, 2], 0) };
        check(pool, std::slice::from_ref(&x), &[floats(&[2, 4, 5, 5])], &["pool"]);
    }
    for by_column in [false, true] {
        let indices = Op::PoolIndices { window: window([2, 2], 1), by_column };
        check(indices, std::slice::from_ref(&x), &[typed(DType::I64, &[2, 4, 7, 7])], &["pool"]);
    }
    let bytes = typed(DType::U8, &[1, 2, 6, 6]);
    let integers = [bytes, typed(DType::I8, &[3, 2, 3, 3]), typed(DType::U8, &[]), typed(DType::I8, &[3])];
    let conv = Op::ConvInteger { window: window([3, 3], 1), groups: 1 };
    check(conv, &integers, &[typed(DType::I32, &[1, 3, 6, 6])], &["conv"]);
    let resize = Op::Resize {
        coordinates: ResizeCoordinates::HalfPixel,
        mode: ResizeMode::Linear,
        scales: vec![1.0, 1.0, 2.0, 1.5],
    };
    check(resize, std::slice::from_ref(&x), &[floats(&[2, 4, 12, 9])], &["resize", "resize"]);
}

#[test]
fn samples_have_kernels() {
    for mode in [SampleMode::Nearest, SampleMode::Linear, SampleMode::Cubic] {
        for padding in [SamplePadding::Zeros, SamplePadding::Border, SamplePadding::Reflection] {
            let sample = Op::GridSample { mode, padding, aligns_corners: mode == SampleMode::Linear };
            let inputs = [floats(&[1, 2, 3, 4, 5]), floats(&[1, 2, 2, 2, 3])];
            check(sample, &inputs, &[floats(&[1, 2, 2, 2, 2])], &["grid-sample"]);
        }
    }
    for is_max in [false, true] {
        let align = Op::RoiAlign { is_max, half_pixel: is_max, n_samples: 2, scale: 0.5 };
        let inputs = [floats(&[1, 2, 8, 8]), floats(&[3, 4]), typed(DType::I64, &[3])];
        check(align, &inputs, &[floats(&[3, 2, 2, 2])], &["roi-align"]);
    }
}

#[test]
fn recurrent_layers_are_a_product_and_steps() {
    for cell in
        [Cell::Lstm, Cell::Gru { linear_before_reset: false }, Cell::Gru { linear_before_reset: true }]
    {
        let n_gates = if cell == Cell::Lstm { 4 } else { 3 };
        let op = Op::Recurrent { cell, direction: Direction::Bidirectional, hidden_size: 4 };
        let inputs = [
            floats(&[2, 3, 5]),
            floats(&[2, 4 * n_gates, 5]),
            floats(&[2, 4 * n_gates, 4]),
            floats(&[2, 8 * n_gates]),
        ];
        let state = floats(&[2, 3, 4]);
        let outputs = [floats(&[2, 2, 3, 4]), state.clone(), state];
        let n_outputs = if cell == Cell::Lstm { 3 } else { 2 };
        let graph = single(op, &inputs, &outputs[..n_outputs]);
        let found = kernels(&graph, &SOFTWARE);
        let steps = found.iter().filter(|&&kernel| kernel == "lstm" || kernel == "gru").count();
        assert_eq!((steps, found[1]), (4, "matmul"), "{found:?}");
    }
}

#[test]
fn quantization_has_kernels() {
    let x = floats(&[3, 8]);
    let results = [typed(DType::U8, &[3, 8]), floats(&[]), typed(DType::U8, &[])];
    check(Op::DynamicQuantize, std::slice::from_ref(&x), &results, &["range", "range-scale", "element-wise"]);
    for dtype in [DType::U8, DType::I8] {
        let (q, point) = (typed(dtype, &[3, 8]), typed(dtype, &[8]));
        check(
            Op::Quantize { axis: 1 },
            &[x.clone(), floats(&[8]), point.clone()],
            std::slice::from_ref(&q),
            &["element-wise"],
        );
        check(
            Op::Dequantize { axis: 1 },
            &[q, floats(&[8]), point],
            std::slice::from_ref(&x),
            &["element-wise"],
        );
    }
    let mut b = GraphBuilder::default();
    let x = b.input(&[1, 2, 3, 8]);
    let attention = Op::Attention { scale: 0.5, zeroes_undefined: true, heads_inside: false };
    let y = b.op(attention, &[x, x, x], &[1, 2, 3, 8]);
    let y = b.typed(Op::DynamicQuantize, &[y], DType::U8, &[1, 2, 3, 8]);
    let (scale, point) = (b.graph.add_value("s", floats(&[])), b.graph.add_value("p", typed(DType::U8, &[])));
    b.graph.nodes[1].outputs.extend([scale, point]);
    let exact = ["attention-scores", "attention-weights", "attention-values"];
    assert_eq!(kernels(&b.finish(y), &SOFTWARE)[..3], exact);
    let mut b = GraphBuilder::default();
    let x = b.input(&[3, 8]);
    let weights = b.constant(Tensor::new(vec![8, 5], Data::I8(vec![3; 40])).expect("a tensor"));
    let (scale, bias) = (b.constant(noise(&[5], 1)), b.constant(noise(&[5], 2)));
    let point = b.constant(Tensor::new(vec![], Data::I8(vec![1])).expect("a tensor"));
    let epilogue = Epilogue { has_bias: true, has_residual: false, activations: vec![Unary::Relu] };
    let y = b.op(Op::QuantizedMatMul { epilogue }, &[x, weights, scale, point, bias], &[3, 5]);
    let expected = ["range", "range-scale", "quantize-rows", "quantized-matmul"];
    assert_eq!(kernels(&b.finish(y), &SOFTWARE), expected);
}

#[test]
fn chains_become_one_kernel_unless_somebody_else_reads_the_middle() {
    let build = |is_read_twice: bool| {
        let mut b = GraphBuilder::default();
        let (x, z) = (b.input(&[2, 3]), b.input(&[3]));
        let sum = b.op(Op::Binary(Binary::Add), &[x, z], &[2, 3]);
        let root = b.op(Op::Unary(vec![Unary::Sqrt]), &[sum], &[2, 3]);
        let other = if is_read_twice { sum } else { x };
        let product = b.op(Op::Binary(Binary::Mul), &[root, other], &[2, 3]);
        b.finish(product)
    };
    assert_eq!(kernels(&build(false), &SOFTWARE).len(), 1);
    assert_eq!(kernels(&build(true), &SOFTWARE).len(), 2);
}

#[test]
fn what_a_device_cannot_hold_is_refused() {
    let x = floats(&[1 << 20]);
    let graph = single(Op::Unary(vec![Unary::Exp]), std::slice::from_ref(&x), std::slice::from_ref(&x));
    let small = Target { max_binding_bytes: 1_000_000, ..Target::default() };
    let refused = Program::new(&Plan::new(graph.clone()), &small).expect_err("the tensors are too large");
    assert_eq!(
        refused.to_string(),
        "unary of node `unary` binds 10 buffers: `unary` of 4194304 bytes takes 5 (maxStorageBufferBindingSize, \
         maxBufferSize: 1000000), the adapter binds 8 (maxStorageBuffersPerShaderStage)"
    );
    // More workgroups than one dimension has go into two.
    let narrow = Target { max_workgroups: 1000, ..Target::default() };
    let program = Program::new(&Plan::new(graph), &narrow).expect("the plan is lowered");
    assert_eq!(program.dispatches[0].workgroups, [964, 17, 1]);
}

#[test]
fn tensors_that_no_binding_holds_have_parts() {
    let mut b = GraphBuilder::default();
    let x = b.input(&[3, 8]);
    let (w, bias) = (b.constant(noise(&[8, 12], 1)), b.constant(noise(&[12], 2)));
    let epilogue = Epilogue { has_bias: true, has_residual: false, activations: vec![Unary::Relu] };
    let y = b.op(Op::MatMul { trans_a: false, trans_b: false, epilogue }, &[x, w, bias], &[3, 12]);
    let graph = b.finish(y);
    // The weight has 384 bytes, the result 144.
    let small = Target { max_binding_bytes: 128, ..SOFTWARE };
    assert_eq!(kernels(&graph, &small), ["matmul"]);
    let program = Program::new(&Plan::new(graph.clone()), &small).expect("the plan is lowered");
    let weights = program.buffers.iter().filter(|buffer| matches!(buffer.content, Content::Constant(..)));
    let places: Vec<(u64, u64)> = weights.map(|buffer| (buffer.offset_bytes, buffer.size_bytes)).collect();
    assert_eq!(places, [(0, 128), (128, 128), (256, 128), (0, 48)]);
    assert_eq!(program.dispatches[0].bindings.len(), 7);
    assert_eq!(program.outputs[0].buffers.len(), 2);
    let text = &program.shaders[0];
    assert!(
        text.contains("if (i < 16u) { return b_part1[i - 8u]; }\n    return b_part2[i - 16u];"),
        "{text}"
    );
    // What does not fit one kernel is added by another.
    assert_eq!(kernels(&graph, &Target { max_storage_buffers: 6, ..small }), ["matmul", "element-wise"]);
}

#[test]
fn accesses_to_parts_are_calls() {
    let check = |text: &str, expected: &str| {
        let buffer =
            shader::Declaration { name: "y".to_owned(), element: "f32", is_written: true, n_parts: 2 };
        let spread = parts::spread(text, &buffer, 16);
        assert_eq!(spread.split_once("fn load_y").map(|(text, _)| text), Some(expected));
    };
    check("y[i] = vec4<f32>(\n1.0);\n", "store_y(u32(i), (vec4<f32>(\n1.0)));\n");
    check("y[j] /= sum;", "store_y(u32(j), load_y(u32(j)) / (sum));");
    check("y[x[y[1]]] = y[i] == my[2];", "store_y(u32(x[load_y(u32(1))]), (load_y(u32(i)) == my[2]));");
    check("let a = y[i] == 1.0;", "let a = load_y(u32(i)) == 1.0;");
}

#[test]
fn memory_is_shared_by_what_is_not_needed_together() {
    let mut b = GraphBuilder::default();
    let mut x = b.input(&[64]);
    for _ in 0..6 {
        x = b.op(Op::Softmax { axis: 0, is_log: false }, &[x], &[64]);
    }
    let program = Program::new(&Plan::new(b.finish(x)), &SOFTWARE).expect("the plan is lowered");
    let scratch = program.buffers.iter().filter(|buffer| matches!(buffer.content, Content::Scratch)).count();
    assert_eq!((scratch, program.shaders.len(), program.dispatches.len()), (2, 1, 6));
    let text = program.to_string();
    assert!(text.ends_with("6 dispatches of 1 shaders; weights 0.0 MB; other buffers 0.0 MB"), "{text}");
}

/// The bytes that go into a constant's buffer.
fn uploaded(packing: Packing, tensor: &Tensor) -> Result<Vec<u8>, Wide> {
    let mut bytes = Vec::new();
    let n_bytes = packing.size_bytes(tensor.n_elements());
    packing.write(tensor, 0..n_bytes, |offset, block| {
        assert_eq!(offset, bytes.len());
        bytes.extend_from_slice(block);
        Ok::<_, Wide>(())
    })?;
    Ok(bytes)
}

#[test]
fn weights_are_packed_with_their_rows_filled_up() {
    let tensor = |dims: &[usize], data: Data| Tensor::new(dims.to_vec(), data).expect("a tensor");
    let words = |packing: Packing, tensor: &Tensor| -> Vec<u32> {
        let bytes = uploaded(packing, tensor).expect("the elements fit");
        assert_eq!(bytes.len(), packing.size_bytes(tensor.data().len()));
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
    };
    let matrix = tensor(&[2, 3], Data::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|value| value.to_bits()).collect() };
    let columns = |n_rows, n_columns, is_transposed| Packing::Columns { n_rows, n_columns, is_transposed };
    assert_eq!(words(columns(2, 3, false), &matrix), bits(&[1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]));
    let turned = bits(&[1.0, 4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 0.0, 3.0, 6.0, 0.0, 0.0]);
    assert_eq!(words(columns(3, 2, true), &matrix), turned);
    let bytes = tensor(&[2, 2], Data::I8(vec![-1, 2, 3, 4]));
    assert_eq!(words(Packing::Bytes { n_columns: 2 }, &bytes), [0x02ff, 0x0403]);
    assert_eq!(words(Packing::Elements, &bytes), [u32::MAX, 2, 3, 4]);
    let wide = tensor(&[1], Data::I64(vec![1 << 40]));
    assert_eq!(uploaded(Packing::Elements, &wide), Err(Wide(1 << 40)));
    assert_eq!(from_elements(DType::I8, &[0xff, 0xff, 0xff, 0xff]), Data::I8(vec![-1]));
}

#[test]
fn templates_repeat_choose_and_replace() {
    let template =
        "//#each r ROWS\n//#if FLAG\nlet a$r = $r;\n//#else\nlet b$r = $NAME;\n//#end\n//#end\n// gone";
    let expand = |flag: &str| {
        let pairs = [("ROWS", "2"), ("FLAG", flag), ("NAME", "erf(x)")];
        let definitions =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let text = shader::assemble(template, &definitions, &[], &[], 0);
        text.split_once("Params;\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    };
    assert_eq!(expand("1"), "let a0 = 0;\nlet a1 = 1;\n");
    let chosen = expand("0");
    assert!(chosen.starts_with("let b0 = erf(x);\nlet b1 = erf(x);\nfn erf("), "{chosen}");
    let functions: BTreeSet<&str> = chosen.lines().filter(|line| line.starts_with("fn ")).collect();
    assert_eq!(functions.len(), 1);
}
