//! Runs every kernel on small inputs before there is a model.
//!
//! Browsers translate WebAssembly twice: at once when a function is first called, well when it turns out to be used. While
//! the page downloads a model its workers have nothing to do, so both happen then, and the first run finds fast code.

use std::sync::Arc;

use model::graph::{Graph, Node, ValueId};
use model::op::{
    Cell, Direction, Epilogue, Fact, Pooling, Reduction, ResizeCoordinates, ResizeMode, Unary, Window,
};
use model::tensor::n_elements;
use model::{DType, Data, Op, Plan, ScaledBytes, Tensor};

use super::executor::{Executable, Memory};
use super::prepare::Weights;

/// Rows of the products: with a remainder after the last tile of four.
const ROWS: usize = 19;
/// Width of everything.
const WIDTH: usize = 64;

/// Runs all kernels until `is_enough` says so after a round, at least once.
pub(crate) fn warm_up(mut is_enough: impl FnMut() -> bool) {
    let graph = graph();
    let names: Vec<String> = graph.outputs.iter().map(|(name, _)| name.clone()).collect();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    let executable = Executable::new(Plan::new(graph), &mut Weights::default());
    let mut memory = Memory::default();
    loop {
        // What a model's run would report; here there is nobody to tell.
        drop(executable.run(&[], &wanted, &mut memory));
        if is_enough() {
            return;
        }
    }
}

fn graph() -> Graph {
    let mut b = Builder::default();
    let bias = Epilogue { has_bias: true, activations: vec![Unary::Gelu], ..Epilogue::default() };
    let (rows, row, weights) = (b.floats(&[1, ROWS, WIDTH]), b.floats(&[WIDTH]), b.floats(&[WIDTH, WIDTH]));
    let scaled = b.scaled();
    let matmul = |trans_b| Op::MatMul { trans_a: false, trans_b, epilogue: Epilogue::default() };
    let with_bias = Op::MatMul { trans_a: false, trans_b: false, epilogue: bias.clone() };
    b.op(with_bias, &[rows, weights, row], &[1, ROWS, WIDTH]);
    b.op(matmul(false), &[rows, scaled], &[1, ROWS, WIDTH]);
    b.op(matmul(true), &[rows, rows], &[1, ROWS, ROWS]);
    b.op(Op::LayerNorm { axis: 2, epsilon: 1e-5, is_rms: false }, &[rows, row, row], &[1, ROWS, WIDTH]);
    b.op(Op::Softmax { axis: 2, is_log: false }, &[rows], &[1, ROWS, WIDTH]);
    b.op(Op::Unary(vec![Unary::Sigmoid, Unary::Tanh, Unary::Erf]), &[rows], &[1, ROWS, WIDTH]);
    b.op(Op::Binary(model::op::Binary::Add), &[rows, row], &[1, ROWS, WIDTH]);
    b.op(Op::Binary(model::op::Binary::Mul), &[rows, rows], &[1, ROWS, WIDTH]);
    b.op(Op::Transpose(vec![0, 2, 1]), &[rows], &[1, WIDTH, ROWS]);
    b.op(Op::Concat { axis: 1 }, &[rows, rows], &[1, 2 * ROWS, WIDTH]);
    b.op(Op::Reduce { kind: Reduction::Mean, axes: vec![1] }, &[rows], &[1, 1, WIDTH]);
    let indices = b.graph.add_constant("indices", Arc::new(Tensor::from_i64s(vec![0; ROWS])));
    b.op(Op::Gather { axis: 0 }, &[weights, indices], &[ROWS, WIDTH]);
    b.op(Op::Gather { axis: 0 }, &[scaled, indices], &[ROWS, WIDTH]);
    for (heads_inside, dims) in [(true, [1, ROWS, 4, WIDTH / 4]), (false, [1, 4, ROWS, WIDTH / 4])] {
        let x = b.floats(&dims);
        b.op(Op::Attention { scale: 0.25, zeroes_undefined: false, heads_inside }, &[x; 3], &dims);
    }
    let bytes = Tensor::new(vec![WIDTH, WIDTH], Data::I8(vec![1; WIDTH * WIDTH]));
    if let Some(bytes) = bytes {
        let bytes = b.graph.add_constant("bytes", Arc::new(bytes));
        let scale = b.graph.add_constant("scale", Arc::new(Tensor::scalar(0.1)));
        let epilogue = Epilogue::default();
        b.op(Op::QuantizedMatMul { epilogue }, &[rows, bytes, scale], &[1, ROWS, WIDTH]);
    }
    let (x, w, r) = (b.floats(&[2, 1, 8]), b.floats(&[1, 32, 8]), b.floats(&[1, 32, 8]));
    let lstm = Op::Recurrent { cell: Cell::Lstm, direction: Direction::Forward, hidden_size: 8 };
    b.ops(lstm, &[x, w, r], &[&[2, 1, 1, 8], &[1, 1, 8], &[1, 1, 8]]);
    images(&mut b);
    b.graph
}

/// The operators of vision models.
fn images(b: &mut Builder) {
    let image = b.floats(&[1, 16, 12, 12]);
    let channels = b.floats(&[16]);
    let epilogue = Epilogue { has_bias: true, activations: vec![Unary::Relu], ..Epilogue::default() };
    for (kernel, stride, groups) in [(1, 1, 1), (3, 1, 1), (3, 2, 1), (3, 1, 16), (5, 1, 16), (3, 2, 16)] {
        let weights = b.floats(&[16, 16 / groups, kernel, kernel]);
        let side = 12 / stride;
        let op = Op::Conv { window: window(kernel, stride), groups, epilogue: epilogue.clone() };
        b.op(op, &[image, weights, channels], &[1, 16, side, side]);
    }
    b.op(Op::ChannelAffine, &[image, channels, channels], &[1, 16, 12, 12]);
    b.op(Op::Pool { kind: Pooling::Max, window: window(3, 2) }, &[image], &[1, 16, 6, 6]);
    let (coordinates, mode) = (ResizeCoordinates::Asymmetric, ResizeMode::Linear);
    let scales = vec![1.0, 1.0, 2.0, 2.0];
    b.op(Op::Resize { coordinates, mode, scales }, &[image], &[1, 16, 24, 24]);
    b.op(Op::Unary(vec![Unary::HardSwish]), &[image], &[1, 16, 12, 12]);
}

/// A square window padded such that it fits in as often as its stride says.
fn window(kernel: usize, stride: usize) -> Window {
    let pad = [kernel / 2; 2];
    Window { kernel: [kernel; 2], strides: [stride; 2], dilations: [1; 2], pads_begin: pad, pads_end: pad }
}

/// A graph without inputs, each of whose nodes is an output: kernels take constants as they take anything else.
#[derive(Default)]
struct Builder {
    graph: Graph,
}

impl Builder {
    fn floats(&mut self, dims: &[usize]) -> ValueId {
        // Not zero: some processors take longer for what is almost zero, and sums of these stay far from that.
        let data = (0..n_elements(dims)).map(|index| 0.1 + (index % 7) as f32 / 8.0).collect();
        self.constant(Tensor::new(dims.to_vec(), Data::F32(data)))
    }

    /// A square matrix in 8 bits.
    fn scaled(&mut self) -> ValueId {
        let bytes = Tensor::new(vec![WIDTH, WIDTH], Data::I8(vec![1; WIDTH * WIDTH]));
        let scaled = bytes.and_then(|bytes| ScaledBytes::new(Arc::new(bytes), 0, vec![0.1], vec![0]));
        self.constant(scaled.map(Tensor::scaled))
    }

    fn constant(&mut self, tensor: Option<Tensor>) -> ValueId {
        // Every shape above is that of its data.
        self.graph.add_constant("constant", Arc::new(tensor.unwrap_or_else(|| Tensor::scalar(0.0))))
    }

    fn op(&mut self, op: Op, inputs: &[ValueId], dims: &[usize]) {
        self.ops(op, inputs, &[dims]);
    }

    fn ops(&mut self, op: Op, inputs: &[ValueId], dims: &[&[usize]]) {
        let outputs: Vec<ValueId> = dims
            .iter()
            .map(|dims| self.graph.add_value("result", Fact::new(DType::F32, dims.to_vec())))
            .collect();
        for &output in &outputs {
            self.graph.outputs.push((format!("output {output}"), output));
        }
        let inputs = inputs.iter().copied().map(Some).collect();
        self.graph.nodes.push(Node { name: op.name().to_owned(), op, inputs, outputs });
    }
}

#[cfg(test)]
mod tests;
