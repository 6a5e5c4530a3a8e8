//! Every kernel against the operator's plain form, in the plans where it is used.

use std::sync::Arc;

use model::graph::{Graph, Node};
use model::op::{
    Cell, Direction, NearestRounding, PadMode, Pooling, Reduction, ResizeCoordinates, ResizeMode, Unary,
};

use super::*;
use crate::wasm::kernel::conv::tests::numbers;
use crate::wasm::prepare::pack_weights;
use model::op::{Binary, Window};
use model::{Op, ScaledBytes};

/// A graph being written down.
#[derive(Default)]
struct Builder {
    graph: Graph,
}

impl Builder {
    fn input(&mut self, dims: &[usize]) -> usize {
        let value = self.graph.add_value("input", Fact::new(DType::F32, dims.to_vec()));
        self.graph.inputs.push(value);
        value
    }

    fn constant(&mut self, dims: &[usize]) -> usize {
        let data = numbers(n_elements(dims), self.graph.values.len());
        let tensor = Tensor::new(dims.to_vec(), Data::F32(data)).expect("as many numbers as the shape says");
        self.graph.add_constant("constant", Arc::new(tensor))
    }

    fn op(&mut self, op: Op, inputs: &[usize], dims: &[usize]) -> usize {
        self.ops(op, inputs, &[dims])[0]
    }

    fn ops(&mut self, op: Op, inputs: &[usize], dims: &[&[usize]]) -> Vec<usize> {
        let fact = |dims: &&[usize]| Fact::new(DType::F32, dims.to_vec());
        let outputs: Vec<usize> =
            dims.iter().map(|dims| self.graph.add_value(op.name(), fact(dims))).collect();
        let inputs = inputs.iter().map(|&input| Some(input)).collect();
        self.graph.nodes.push(Node { name: op.name().to_owned(), op, inputs, outputs: outputs.clone() });
        outputs
    }

    /// Runs the graph both ways; every step but the named ones must have a kernel of its own.
    #[track_caller]
    fn check(mut self, output: usize, without_kernel: &[&str]) {
        self.graph.outputs.push(("output".to_owned(), output));
        self.graph.check().expect("the graph is valid");
        let inputs: Vec<Tensor> = self
            .graph
            .inputs
            .iter()
            .map(|&input| {
                let dims = self.graph.fact(input).dims.clone();
                let data = Data::F32(numbers(n_elements(&dims), input + 50));
                Tensor::new(dims, data).expect("as many numbers as the shape says")
            })
            .collect();
        let expected = reference::run(&self.graph, &inputs).expect("the plain form runs");
        let executable = Executable::new(Plan::new(self.graph.clone()), &mut Weights::default());
        let plain: Vec<&str> = executable
            .plan
            .steps
            .iter()
            .zip(&executable.kernels)
            .filter(|(_, kernel)| matches!(kernel, Kernel::Reference))
            .map(|(step, _)| step.op.name())
            .collect();
        assert_eq!(plain, without_kernel);
        let views: Vec<View<'_>> = inputs.iter().map(Tensor::view).collect();
        let mut memory = Memory::default();
        // Twice, because the second run starts with what the first left in memory.
        for _ in 0..2 {
            let actual = executable.run(&views, &["output"], &mut memory).expect("the kernels run");
            check_close(&actual[0], &expected[0]);
        }
        let actual = self.released().run(&views, &["output"], &mut memory).expect("the kernels run");
        check_close(&actual[0], &expected[0]);
    }

    /// The graph's plan after its weights were packed and released, as a load does it.
    #[track_caller]
    fn released(mut self) -> Executable {
        let mut weights = Weights::default();
        let mut released = Vec::new();
        pack_weights(Plan::new(self.graph.clone()), &mut weights, |from, to| {
            for constant in self.graph.values.iter_mut().filter_map(|value| value.constant.as_mut()) {
                if Arc::ptr_eq(constant, from) {
                    *constant = Arc::clone(to);
                }
            }
            released.push((Arc::clone(from), Arc::clone(to)));
        });
        for (from, to) in released {
            assert_eq!(weights.restore(&to), Some(from));
        }
        let executable = Executable::new(Plan::new(self.graph), &mut weights);
        for (step, kernel) in executable.plan.steps.iter().zip(&executable.kernels) {
            for &position in kernel.packed_operands() {
                let value = step.inputs[position].expect("a packed operand is there");
                let Home::Constant(tensor) = &executable.plan.values[value].home else {
                    panic!("a packed operand is constant");
                };
                assert!(tensor.is_released(), "{} has its weights twice", step.op.name());
            }
        }
        executable
    }
}

#[track_caller]
fn check_close(actual: &Tensor, expected: &Tensor) {
    assert_eq!(actual.dims(), expected.dims());
    let (Some(actual), Some(expected)) = (actual.data().as_f32(), expected.data().as_f32()) else {
        panic!("both are floats");
    };
    let largest = expected.iter().fold(1.0_f32, |largest, x| largest.max(x.abs()));
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!((actual - expected).abs() <= 1e-5 * largest, "element {index}: {actual} is not {expected}");
    }
}

fn window(kernel: [usize; 2], strides: [usize; 2], pads: [usize; 2]) -> Window {
    Window { kernel, strides, dilations: [1, 1], pads_begin: pads, pads_end: pads }
}

fn unary(function: Unary) -> Op {
    Op::Unary(vec![function])
}

fn epilogue(has_bias: bool, has_residual: bool) -> Epilogue {
    Epilogue { has_bias, has_residual, activations: vec![Unary::HardSwish, Unary::Tanh] }
}

#[test]
fn elementwise_chains_run_in_place() {
    let mut b = Builder::default();
    let x = b.input(&[3, 7]);
    let row = b.constant(&[7]);
    let column = b.constant(&[3, 1]);
    let y = b.op(unary(Unary::Sigmoid), &[x], &[3, 7]);
    let y = b.op(Op::Binary(Binary::Add), &[y, row], &[3, 7]);
    let y = b.op(Op::Binary(Binary::Sub), &[column, y], &[3, 7]);
    let y = b.op(Op::Binary(Binary::Mul), &[y, y], &[3, 7]);
    let y = b.op(unary(Unary::LeakyRelu(0.1)), &[y], &[3, 7]);
    b.check(y, &[]);
}

#[test]
fn a_value_with_two_readers_survives_the_first() {
    let mut b = Builder::default();
    let x = b.input(&[5]);
    let y = b.op(unary(Unary::Exp), &[x], &[5]);
    let z = b.op(unary(Unary::Gelu), &[y], &[5]);
    let y = b.op(Op::Binary(Binary::Div), &[z, y], &[5]);
    b.check(y, &[]);
}

#[test]
fn movement_follows_its_strides() {
    let mut b = Builder::default();
    let x = b.input(&[2, 20, 18]);
    let turned = b.op(Op::Transpose(vec![0, 2, 1]), &[x], &[2, 18, 20]);
    let slice = Op::Slice { starts: vec![0, 17, 0], steps: vec![1, -2, 3] };
    let sliced = b.op(slice, &[turned], &[2, 9, 7]);
    let joined = b.op(Op::Concat { axis: 1 }, &[sliced, sliced], &[2, 18, 7]);
    let flat = b.op(Op::Reshape, &[joined], &[1, 252]);
    let repeated = b.op(Op::Expand, &[flat], &[3, 252]);
    b.check(repeated, &[]);
}

#[test]
fn products_take_bias_residual_and_activations() {
    let mut b = Builder::default();
    let (x, r) = (b.input(&[2, 5, 6]), b.input(&[2, 5, 9]));
    let (w, bias) = (b.constant(&[6, 9]), b.constant(&[9]));
    let op = Op::MatMul { trans_a: false, trans_b: false, epilogue: epilogue(true, true) };
    let y = b.op(op, &[x, w, bias, r], &[2, 5, 9]);
    b.check(y, &[]);
}

#[test]
fn products_of_two_results_broadcast_and_turn() {
    for (trans_a, trans_b) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut b = Builder::default();
        let x = b.input(if trans_a { &[3, 1, 6, 5] } else { &[3, 1, 5, 6] });
        let y = b.input(if trans_b { &[2, 7, 6] } else { &[2, 6, 7] });
        let op = Op::MatMul { trans_a, trans_b, epilogue: Epilogue::default() };
        let product = b.op(op, &[x, y], &[3, 2, 5, 7]);
        b.check(product, &[]);
    }
}

#[test]
fn attention_reads_both_layouts_and_every_mask() {
    for heads_inside in [true, false] {
        for mask_dims in [&[2, 1, 1, 19][..], &[1, 3, 17, 19], &[17, 1]] {
            let mut b = Builder::default();
            let dims = |length: usize, width: usize| {
                if heads_inside { [2, length, 3, width] } else { [2, 3, length, width] }
            };
            let [q, k, v] = [dims(17, 8), dims(19, 8), dims(19, 5)].map(|dims| b.input(&dims));
            let mask = b.input(mask_dims);
            let op = Op::Attention { scale: 0.3, zeroes_undefined: false, heads_inside };
            let y = b.op(op, &[q, k, v, mask], &dims(17, 5));
            b.check(y, &[]);
        }
    }
}

#[test]
fn convolutions_of_all_kinds() {
    // Weights, groups, window, output size of an input [2, 4, 9, 10].
    let cases = [
        ([6, 4, 3, 3], 1, window([3, 3], [1, 1], [1, 1]), [9, 10]),
        ([5, 4, 1, 1], 1, window([1, 1], [1, 1], [0, 0]), [9, 10]),
        ([6, 2, 3, 2], 2, window([3, 2], [2, 3], [0, 1]), [4, 4]),
        ([4, 1, 3, 3], 4, window([3, 3], [2, 2], [1, 1]), [5, 5]),
        ([8, 1, 3, 3], 4, window([3, 3], [1, 1], [1, 1]), [9, 10]),
    ];
    for (weights, groups, window, [height, width]) in cases {
        let mut b = Builder::default();
        let out = [2, weights[0], height, width];
        let (x, r) = (b.input(&[2, 4, 9, 10]), b.input(&out));
        let (w, bias) = (b.constant(&weights), b.constant(&[weights[0]]));
        let y = b.op(Op::Conv { window, groups, epilogue: epilogue(true, true) }, &[x, w, bias, r], &out);
        b.check(y, &[]);
    }
}

/// A plan in which images pass between kernels of both kinds, and are read in every way in between.
#[test]
fn images_are_turned_where_kernels_disagree() {
    let mut b = Builder::default();
    let x = b.input(&[2, 3, 6, 8]);
    let w = b.constant(&[5, 3, 3, 3]);
    let conv = |activations| Op::Conv {
        window: window([3, 3], [1, 1], [1, 1]),
        groups: 1,
        epilogue: Epilogue { has_bias: false, has_residual: false, activations },
    };
    let y = b.op(conv(vec![]), &[x, w], &[2, 5, 6, 8]);
    // Channels last: in place, per channel, with an operand in the model's order, over the channels.
    let y = b.op(unary(Unary::HardSwish), &[y], &[2, 5, 6, 8]);
    let (scale, shift) = (b.constant(&[5]), b.constant(&[5]));
    let y = b.op(Op::ChannelAffine, &[y, scale, shift], &[2, 5, 6, 8]);
    let plane = b.constant(&[5, 6, 8]);
    let y = b.op(Op::Binary(Binary::Sub), &[plane, y], &[2, 5, 6, 8]);
    let mean = b.op(Op::Reduce { kind: Reduction::Mean, axes: vec![2, 3] }, &[y], &[2, 5, 1, 1]);
    let gate = b.op(unary(Unary::Sigmoid), &[mean], &[2, 5, 1, 1]);
    let gated = b.op(Op::Binary(Binary::Mul), &[y, gate], &[2, 5, 6, 8]);
    let both = b.op(Op::Concat { axis: 1 }, &[gated, y], &[2, 10, 6, 8]);
    let tall = b.op(Op::Concat { axis: 2 }, &[both, both], &[2, 10, 12, 8]);
    // The model's order: softmax, a transpose, another shape of the same memory.
    let soft = b.op(Op::Softmax { axis: 3, is_log: false }, &[tall], &[2, 10, 12, 8]);
    let flat = b.op(Op::Reshape, &[soft], &[2, 10, 96]);
    let turned = b.op(Op::Transpose(vec![0, 2, 1]), &[flat], &[2, 96, 10]);
    let maximum = b.op(Op::Reduce { kind: Reduction::Max, axes: vec![1] }, &[tall], &[2, 1, 12, 8]);
    let maximum = b.op(Op::Reshape, &[maximum], &[2, 96, 1]);
    let y = b.op(Op::Binary(Binary::Add), &[turned, maximum], &[2, 96, 10]);
    b.check(y, &[]);

    // A result that is read under another shape.
    let mut b = Builder::default();
    let x = b.input(&[1, 3, 6, 8]);
    let w = b.constant(&[5, 3, 3, 3]);
    let y = b.op(conv(vec![Unary::Relu]), &[x, w], &[1, 5, 6, 8]);
    let flat = b.op(Op::Reshape, &[y], &[5, 48]);
    let y = b.op(unary(Unary::Exp), &[flat], &[5, 48]);
    b.check(y, &[]);
}

#[test]
fn resizing_copies_and_mixes() {
    let nearest = ResizeMode::Nearest(NearestRounding::Floor);
    for (mode, coordinates) in
        [(nearest, ResizeCoordinates::Asymmetric), (ResizeMode::Linear, ResizeCoordinates::HalfPixel)]
    {
        for (out, scales) in [
            ([2, 5, 6, 16], [1.0, 1.0, 2.0, 2.0]),
            ([2, 5, 3, 20], [1.0, 1.0, 1.0, 2.5]),
            ([2, 5, 2, 8], [1.0, 1.0, 0.7, 1.0]),
        ] {
            let mut b = Builder::default();
            let x = b.input(&[2, 5, 3, 8]);
            let y = b.op(Op::Resize { coordinates, mode, scales: scales.to_vec() }, &[x], &out);
            b.check(y, &[]);
        }
    }
}

#[test]
fn resizing_of_volumes_and_channels_has_no_kernel() {
    for (out, scales) in
        [([1, 2, 4, 4, 4], [1.0, 1.0, 2.0, 2.0, 2.0]), ([1, 4, 2, 2, 2], [1.0, 2.0, 1.0, 1.0, 1.0])]
    {
        let mut b = Builder::default();
        let x = b.input(&[1, 2, 2, 2, 2]);
        let (coordinates, mode) = (ResizeCoordinates::HalfPixel, ResizeMode::Linear);
        let y = b.op(Op::Resize { coordinates, mode, scales: scales.to_vec() }, &[x], &out);
        b.check(y, &["resize"]);
    }
}

#[test]
fn a_convolution_of_single_pixels_is_a_product() {
    let mut b = Builder::default();
    let (x, r) = (b.input(&[3, 5, 1, 1]), b.input(&[3, 7, 1, 1]));
    let (w, bias) = (b.constant(&[7, 5, 1, 1]), b.constant(&[7]));
    let op = Op::Conv { window: window([1, 1], [1, 1], [0, 0]), groups: 1, epilogue: epilogue(true, true) };
    let y = b.op(op, &[x, w, bias, r], &[3, 7, 1, 1]);
    b.check(y, &[]);
}

#[test]
fn one_dimensional_convolutions_and_transposed_ones() {
    let mut b = Builder::default();
    let x = b.input(&[3, 2, 40]);
    let w = b.constant(&[5, 2, 9]);
    let op = Op::Conv { window: window([1, 9], [1, 4], [0, 2]), groups: 1, epilogue: Epilogue::default() };
    let y = b.op(op, &[x, w], &[3, 5, 9]);
    b.check(y, &[]);

    let mut b = Builder::default();
    let x = b.input(&[2, 4, 3, 5]);
    let (w, bias) = (b.constant(&[4, 3, 3, 2]), b.constant(&[6]));
    let op = Op::ConvTranspose {
        window: window([3, 2], [2, 2], [1, 0]),
        groups: 2,
        epilogue: epilogue(true, false),
    };
    let y = b.op(op, &[x, w, bias], &[2, 6, 5, 10]);
    b.check(y, &[]);
}

#[test]
fn transposed_convolutions_whose_windows_do_not_overlap() {
    for (kernel, strides, pads, out) in [([2, 2], [2, 2], [0, 0], [6, 10]), ([3, 2], [2, 2], [1, 0], [5, 10])]
    {
        let mut b = Builder::default();
        let x = b.input(&[2, 4, 3, 5]);
        let (w, bias) = (b.constant(&[4, 3, kernel[0], kernel[1]]), b.constant(&[3]));
        let op = Op::ConvTranspose {
            window: window(kernel, strides, pads),
            groups: 1,
            epilogue: epilogue(true, false),
        };
        let y = b.op(op, &[x, w, bias], &[2, 3, out[0], out[1]]);
        b.check(y, &[]);
    }
}

#[test]
fn pooling_and_reductions() {
    let average = |counts_padding| Pooling::Average { counts_padding };
    for kind in [Pooling::Max, average(true), average(false)] {
        let mut b = Builder::default();
        let x = b.input(&[2, 3, 7, 8]);
        let y = b.op(Op::Pool { kind, window: window([3, 2], [2, 2], [1, 1]) }, &[x], &[2, 3, 4, 5]);
        b.check(y, &[]);
    }
    let axes: [(&[usize], &[usize]); 4] =
        [(&[2], &[2, 19, 1]), (&[1], &[2, 1, 5]), (&[0, 1], &[1, 1, 5]), (&[0, 1, 2], &[1, 1, 1])];
    for kind in [Reduction::Sum, Reduction::Mean, Reduction::Max, Reduction::Min] {
        for (axes, dims) in axes {
            let mut b = Builder::default();
            let x = b.input(&[2, 19, 5]);
            let y = b.op(Op::Reduce { kind, axes: axes.to_vec() }, &[x], dims);
            b.check(y, &[]);
        }
    }
}

#[test]
fn norms_and_softmax() {
    let mut b = Builder::default();
    let x = b.input(&[4, 11]);
    let (scale, bias) = (b.constant(&[11]), b.constant(&[11]));
    let y = b.op(Op::LayerNorm { axis: 1, epsilon: 1e-5, is_rms: false }, &[x, scale, bias], &[4, 11]);
    let y = b.op(Op::LayerNorm { axis: 1, epsilon: 1e-5, is_rms: true }, &[y, scale], &[4, 11]);
    let y = b.op(Op::Softmax { axis: 1, is_log: false }, &[y], &[4, 11]);
    let y = b.op(Op::Reshape, &[y], &[1, 11, 4]);
    let y = b.op(Op::ChannelAffine, &[y, scale, bias], &[1, 11, 4]);
    b.check(y, &[]);
}

#[test]
fn recurrent_layers_run_in_both_directions() {
    let cells = [
        (Cell::Lstm, 4),
        (Cell::Gru { linear_before_reset: false }, 3),
        (Cell::Gru { linear_before_reset: true }, 3),
    ];
    for (cell, n_gates) in cells {
        for direction in [Direction::Forward, Direction::Reverse, Direction::Bidirectional] {
            let d = if direction == Direction::Bidirectional { 2 } else { 1 };
            let mut b = Builder::default();
            let x = b.input(&[6, 2, 5]);
            let w = b.constant(&[d, n_gates * 3, 5]);
            let r = b.constant(&[d, n_gates * 3, 3]);
            let bias = b.constant(&[d, 2 * n_gates * 3]);
            let op = Op::Recurrent { cell, direction, hidden_size: 3 };
            let state = [d, 2, 3];
            let y_dims = [6, d, 2, 3];
            let dims: &[&[usize]] =
                if cell == Cell::Lstm { &[&y_dims, &state, &state] } else { &[&y_dims, &state] };
            let outputs = b.ops(op, &[x, w, r, bias], dims);
            b.check(outputs[0], &[]);
        }
    }
}

#[test]
fn operators_without_a_kernel_run_in_their_plain_form() {
    let mut b = Builder::default();
    let x = b.input(&[3, 4]);
    let y = b.op(Op::Trilu { upper: true, diagonal: 0 }, &[x], &[3, 4]);
    let y = b.op(unary(Unary::Relu), &[y], &[3, 4]);
    b.check(y, &["trilu"]);
}

#[test]
fn padding_of_all_kinds() {
    for mode in [PadMode::Constant, PadMode::Edge, PadMode::Reflect, PadMode::Wrap] {
        let mut b = Builder::default();
        let x = b.input(&[2, 3, 4]);
        let pad = Op::Pad { before: vec![1, 0, 2], after: vec![0, 1, 3], mode };
        let y = b.op(pad, &[x], &[3, 4, 9]);
        b.check(y, &[]);
    }
    let mut b = Builder::default();
    let (x, fill) = (b.input(&[2, 3]), b.constant(&[1]));
    let pad = Op::Pad { before: vec![0, 1], after: vec![0, 2], mode: PadMode::Constant };
    let y = b.op(pad, &[x, fill], &[2, 6]);
    b.check(y, &[]);
}

#[test]
fn an_index_out_of_range_names_its_node() {
    let mut graph = Graph::default();
    let x = graph.add_value("x", Fact::new(DType::F32, vec![3]));
    let indices = graph.add_value("indices", Fact::new(DType::I64, vec![1]));
    let y = graph.add_value("y", Fact::new(DType::F32, vec![1]));
    graph.inputs = vec![x, indices];
    let (op, name) = (Op::Gather { axis: 0 }, "pick".to_owned());
    graph.nodes.push(Node { name, op, inputs: vec![Some(x), Some(indices)], outputs: vec![y] });
    graph.outputs.push(("y".to_owned(), y));
    let executable = Executable::new(Plan::new(graph), &mut Weights::default());
    let inputs = [
        View { dims: &[3], data: DataRef::F32(&[1.0, 2.0, 3.0]) },
        View { dims: &[1], data: DataRef::I64(&[7]) },
    ];
    let error = executable.run(&inputs, &["y"], &mut Memory::default()).expect_err("there are 3 elements");
    assert_eq!(error.node, ("gather", "pick".to_owned()));
    assert_eq!(error.to_string(), "index 7 is out of range for a dimension of 3");
}

/// Floats in 8 bits, with nine scales along an axis.
fn scaled(dims: &[usize], axis: usize) -> Tensor {
    let bytes = Data::I8((0..45_i8).map(|index| 2 * index - 44).collect());
    let bytes = Arc::new(Tensor::new(dims.to_vec(), bytes).expect("45 elements"));
    let scales = (1..10).map(|place| place as f32 / 16.0).collect();
    Tensor::scaled(ScaledBytes::new(bytes, axis, scales, vec![3]).expect("they fit"))
}

#[test]
fn rows_of_scaled_bytes_are_gathered() {
    for axis in [0, 1] {
        let weights = scaled(if axis == 0 { &[9, 5] } else { &[5, 9] }, axis);
        let n_inner = weights.dims()[1];
        let mut graph = Graph::default();
        let table = graph.add_constant("table", Arc::new(weights));
        let indices = graph.add_value("indices", Fact::new(DType::I64, vec![3]));
        let y = graph.add_value("y", Fact::new(DType::F32, vec![3, n_inner]));
        graph.inputs.push(indices);
        let (op, inputs) = (Op::Gather { axis: 0 }, vec![Some(table), Some(indices)]);
        graph.nodes.push(Node { name: "rows".to_owned(), op, inputs, outputs: vec![y] });
        graph.outputs.push(("y".to_owned(), y));
        let indices = Tensor::from_i64s(vec![4, 0, -1]);
        let expected = reference::run(&graph, std::slice::from_ref(&indices)).expect("the plain form runs");
        let executable = Executable::new(Plan::new(graph), &mut Weights::default());
        let outputs = executable.run(&[indices.view()], &["y"], &mut Memory::default()).expect("it runs");
        assert_eq!(outputs, expected);
    }
}

/// Packs the weights of a product as a load does, and runs the product with the weight released; then reads the weight
/// as it was.
#[track_caller]
fn check_released(op: Op, weight: Tensor, more: &[Tensor]) {
    let mut b = Builder::default();
    let x = b.input(&[3, 5]);
    let weight = Arc::new(weight);
    let n = weight.dims().iter().product::<usize>() / 5;
    let w = b.graph.add_constant("w", Arc::clone(&weight));
    let mut inputs = vec![x, w];
    inputs.extend(more.iter().map(|more| b.graph.add_constant("more", Arc::new(more.clone()))));
    let y = b.op(op, &inputs, &[3, n]);
    b.graph.outputs.push(("y".to_owned(), y));
    let x = Tensor::new(vec![3, 5], Data::F32(numbers(15, 1))).expect("as many numbers as the shape says");
    let expected = reference::run(&b.graph, std::slice::from_ref(&x)).expect("the plain form runs");

    let mut weights = Weights::default();
    let mut released = None;
    pack_weights(Plan::new(b.graph.clone()), &mut weights, |_, to| released = Some(Arc::clone(to)));
    let released = released.expect("the weight is released");
    assert!(released.is_released());
    b.graph.values[w].constant = Some(released);
    let dims = [weight.dims()[1], weight.dims()[0]];
    let transposed = b.graph.add_value("t", Fact::new(weight.dtype(), dims.to_vec()));
    let op = Op::Transpose(vec![1, 0]);
    b.graph.nodes.push(Node {
        name: "t".to_owned(),
        op: op.clone(),
        inputs: vec![Some(w)],
        outputs: vec![transposed],
    });
    b.graph.outputs.push(("t".to_owned(), transposed));
    let facts = [b.graph.fact(transposed).clone()];
    let executable = Executable::new(Plan::new(b.graph), &mut weights);
    let outputs = executable.run(&[x.view()], &["y", "t"], &mut Memory::default()).expect("it runs");
    check_close(&outputs[0], &expected[0]);
    let expected = reference::evaluate(&op, &[Some(weight.view())], &facts).expect("the plain form runs");
    assert_eq!(outputs[1], expected[0]);
}

#[test]
fn released_weights_are_used_and_restored() {
    let tensor = |dims: &[usize], data| Tensor::new(dims.to_vec(), data).expect("a tensor");
    let floats = |dims: &[usize]| tensor(dims, Data::F32(numbers(n_elements(dims), 2)));
    let matmul = |trans_b| Op::MatMul { trans_a: false, trans_b, epilogue: Epilogue::default() };
    check_released(matmul(false), floats(&[5, 9]), &[]);
    check_released(matmul(true), floats(&[9, 5]), &[]);
    check_released(matmul(false), scaled(&[5, 9], 1), &[]);
    check_released(matmul(true), scaled(&[9, 5], 0), &[]);
    let quantized = Op::QuantizedMatMul { epilogue: Epilogue::default() };
    let bytes: Vec<u8> = (0..45).map(|index| index * 5).collect();
    let signed = bytes.iter().map(|byte| byte.cast_signed()).collect();
    check_released(quantized.clone(), tensor(&[5, 9], Data::U8(bytes)), &[Tensor::scalar(0.1)]);
    check_released(quantized, tensor(&[5, 9], Data::I8(signed)), &[Tensor::scalar(0.1)]);
}
