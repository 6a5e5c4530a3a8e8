//! Files from load to results, and files that are refused.

use rten_onnx::onnx::DataType;

use super::*;
use crate::reference;
use crate::testing::{FileBuilder, int, ints, subgraph};

fn fact(dims: &[usize]) -> Fact {
    Fact::new(DType::F32, dims.to_vec())
}

/// Loads, fuses and runs a file with one input.
#[track_caller]
fn run(bytes: &[u8], dims: &[usize], x: &[f32]) -> Tensor {
    let model = Model::load(bytes).expect("the file loads");
    let mut graph = model.specialise(&[fact(dims)]).expect("the shapes fit");
    crate::fuse::fuse(&mut graph);
    let x = Tensor::new(dims.to_vec(), Data::F32(x.to_vec())).expect("a tensor");
    reference::run(&graph, &[x]).expect("it runs").remove(0)
}

#[track_caller]
fn refused(bytes: &[u8], dims: &[usize], expected: &str) {
    let result = Model::load(bytes).and_then(|model| model.specialise(&[fact(dims)]));
    assert_eq!(result.expect_err("the file is refused").to_string(), expected);
}

fn one_node(opset: i64, op_type: &str, inputs: &str) -> FileBuilder {
    FileBuilder::new(opset).input("x", DataType::FLOAT, &[-1, 3]).node(op_type, inputs, "y")
}

#[test]
fn shape_arithmetic_disappears() {
    // y = reshape(x, [shape(x)[0] · 3])
    let bytes = FileBuilder::new(17)
        .input("x", DataType::FLOAT, &[-1, 3])
        .ints("zero", &[1], &[0])
        .ints("three", &[1], &[3])
        .node("Shape", "x", "shape")
        .node("Gather", "shape zero", "rows")
        .node("Mul", "rows three", "length")
        .node("Reshape", "x length", "y")
        .bytes("y");
    let model = Model::load(&bytes).expect("the file loads");
    let graph = model.specialise(&[fact(&[2, 3])]).expect("the shapes fit");
    assert_eq!(graph.nodes.len(), 1, "only the reshape is left");
    assert_eq!(run(&bytes, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).dims(), [6]);
}

#[test]
fn axes_are_read_from_attributes_and_inputs() {
    let old = FileBuilder::new(11)
        .input("x", DataType::FLOAT, &[-1, 3])
        .node_with("ReduceSum", "x", "s", vec![ints("axes", &[1]), int("keepdims", 0)])
        .node_with("Unsqueeze", "s", "y", vec![ints("axes", &[0])])
        .bytes("y");
    let new = FileBuilder::new(17)
        .input("x", DataType::FLOAT, &[-1, 3])
        .ints("one", &[1], &[1])
        .ints("zero", &[1], &[0])
        .node_with("ReduceSum", "x one", "s", vec![int("keepdims", 0)])
        .node("Unsqueeze", "s zero", "y")
        .bytes("y");
    let x = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0];
    assert_eq!(run(&old, &[2, 3], &x), run(&new, &[2, 3], &x));
    assert_eq!(run(&new, &[2, 3], &x).dims(), [1, 2]);
}

#[test]
fn softmax_flattens_before_opset_13() {
    let softmax = |opset| one_node(opset, "Softmax", "x").bytes("y");
    let sums = |bytes: &[u8]| -> f32 {
        let y = run(bytes, &[2, 3], &[1.0; 6]);
        y.data().as_f32().expect("floats").iter().sum()
    };
    assert!((sums(&softmax(12)) - 2.0).abs() < 1e-6);
    assert!((sums(&softmax(13)) - 2.0).abs() < 1e-6);
}

#[test]
fn the_taken_branch_of_an_if_is_inlined() {
    let branch = |op: &str| {
        subgraph(
            if op == "Relu" { "then_branch" } else { "else_branch" },
            FileBuilder::new(17).node(op, "x", "z").graph("z"),
        )
    };
    let file = |condition: i64| {
        FileBuilder::new(17)
            .input("x", DataType::FLOAT, &[-1, 3])
            .ints("flag", &[], &[condition])
            .node_with("Cast", "flag", "condition", vec![int("to", 9)])
            .node_with("If", "condition", "y", vec![branch("Relu"), branch("Neg")])
            .bytes("y")
    };
    assert_eq!(run(&file(1), &[1, 3], &[-1.0, 0.0, 2.0]).data().as_f32(), Some(&[0.0, 0.0, 2.0][..]));
    assert_eq!(run(&file(0), &[1, 3], &[-1.0, 0.5, 2.0]).data().as_f32(), Some(&[1.0, -0.5, -2.0][..]));
}

#[test]
fn both_branches_run_when_the_condition_depends_on_the_data() {
    let branch = |name: &str, op: &str| subgraph(name, FileBuilder::new(17).node(op, "x", "z").graph("z"));
    let file = |else_op: &str| {
        FileBuilder::new(17)
            .input("x", DataType::FLOAT, &[-1, 3])
            .floats("zero", &[], &[0.0])
            .node_with("ReduceSum", "x", "sum", vec![int("keepdims", 0)])
            .node("Greater", "sum zero", "condition")
            .node_with(
                "If",
                "condition",
                "y",
                vec![branch("then_branch", "Relu"), branch("else_branch", else_op)],
            )
            .bytes("y")
    };
    assert_eq!(run(&file("Neg"), &[1, 3], &[-1.0, 0.0, 2.0]).data().as_f32(), Some(&[0.0, 0.0, 2.0][..]));
    assert_eq!(run(&file("Neg"), &[1, 3], &[-1.0, 0.5, 0.0]).data().as_f32(), Some(&[1.0, -0.5, 0.0][..]));
    refused(
        &file("Shape"),
        &[1, 3],
        "operator `If` (opset 17) of node `y` is not supported: its condition depends on the data, and its branches give \
         different shapes",
    );
}

#[test]
fn batch_norm_becomes_part_of_the_weights() {
    let bytes = FileBuilder::new(15)
        .input("x", DataType::FLOAT, &[-1, 1, 2, 2])
        .floats("w", &[1, 1, 1, 1], &[3.0])
        .floats("scale", &[1], &[2.0])
        .floats("bias", &[1], &[0.5])
        .floats("mean", &[1], &[1.0])
        .floats("variance", &[1], &[4.0])
        .node("Conv", "x w", "c")
        .node("BatchNormalization", "c scale bias mean variance", "y")
        .bytes("y");
    let model = Model::load(&bytes).expect("the file loads");
    assert_eq!(model.nodes.len(), 1);
    let y = run(&bytes, &[1, 1, 2, 2], &[0.0, 1.0, 2.0, 3.0]);
    let expected = [-0.5, 2.5, 5.5, 8.5];
    let close = |(a, b): (&f32, f32)| (a - b).abs() < 1e-4;
    assert!(y.data().as_f32().expect("floats").iter().zip(expected).all(close), "{y:?}");
}

#[test]
fn unknown_operators_are_refused_before_shapes_are_known() {
    let result = Model::load(&one_node(17, "Bernoulli", "x").bytes("y"));
    assert!(matches!(result, Err(ModelError::Unsupported { operator, .. }) if operator == "Bernoulli"));
}

#[test]
fn refusals_name_operator_node_and_opset() {
    let unknown = one_node(17, "Bernoulli", "x").bytes("y");
    refused(
        &unknown,
        &[1, 3],
        "operator `Bernoulli` (opset 17) of node `y` is not supported: the operator is unknown",
    );
    let data_dependent = one_node(17, "NonZero", "x").bytes("y");
    refused(
        &data_dependent,
        &[1, 3],
        "operator `NonZero` (opset 17) of node `y` is not supported: its result's shape depends on the data",
    );
    let missing = one_node(17, "Relu", "z").bytes("y");
    refused(&missing, &[1, 3], "model is malformed: node `y` reads `z` before anything computes it");
    refused(
        &one_node(6, "Relu", "x").bytes("y"),
        &[1, 3],
        "model is not supported: it uses opset 6; 7 to 22 are understood",
    );
    let twice = one_node(17, "Relu", "x").node("Neg", "x", "y").bytes("y");
    refused(&twice, &[1, 3], "model is malformed: value `y` is defined twice");
}

#[test]
fn elements_of_inputs_decide_shapes_when_they_are_given() {
    let bytes = FileBuilder::new(17)
        .input("x", DataType::FLOAT, &[-1, 3])
        .input("shape", DataType::INT64, &[2])
        .ints("one", &[], &[1])
        .node("Add", "shape one", "longer")
        .node("Reshape", "x longer", "y")
        .bytes("y");
    let model = Model::load(&bytes).expect("the file loads");
    let x = Tensor::new(vec![2, 3], Data::F32(vec![0.0; 6])).expect("a tensor");
    let plan = |rows, columns| model.plan_for(&[x.clone(), Tensor::from_i64s(vec![rows, columns])]);
    let planned = plan(2, 1).expect("6 elements are 3 rows of 2");
    assert_eq!(
        (planned.values[planned.outputs[0].1].fact.dims.as_slice(), planned.fixed_inputs),
        (&[3, 2][..], vec![1])
    );
    plan(5, 5).expect_err("6 elements are not 6 rows of 6");
    let unknown = model.plan(&[fact(&[2, 3]), Fact::new(DType::I64, vec![2])]);
    assert!(matches!(unknown, Err(ModelError::Elements { inputs, .. }) if inputs == [1]));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let bytes = one_node(17, "Relu", "x").bytes("y");
    refused(&bytes, &[3], "input `x`: the model takes 2 dimensions, not 1");
    refused(&bytes, &[1, 4], "input `x`: dimension 1 must be 3, not 4");
    let model = Model::load(&bytes).expect("the file loads");
    let wrong_type = model.specialise(&[Fact::new(DType::I64, vec![1, 3])]);
    assert_eq!(
        wrong_type.expect_err("another type").to_string(),
        "input `x`: the model takes float32, not int64"
    );
    let none = model.specialise(&[]).expect_err("no input");
    assert_eq!(none.to_string(), "input `x`: it is missing");
}

#[test]
fn many_constants_of_a_small_file_are_refused() {
    // Each is 64 MB; a file of this size may have 256.
    let mut file = FileBuilder::new(17).input("x", DataType::FLOAT, &[1]).ints("shape", &[1], &[1 << 24]);
    for index in 0..5 {
        file = file.node("ConstantOfShape", "shape", &format!("c{index}"));
    }
    refused(
        &file.node("Sum", "x c0 c1 c2 c3 c4", "y").bytes("y"),
        &[1],
        "operator `ConstantOfShape` of node `c4` does not fit its inputs: its constants are too large for a file of this size",
    );
}

#[test]
fn huge_results_are_refused_without_being_made() {
    let bytes = FileBuilder::new(17)
        .input("x", DataType::FLOAT, &[1])
        .ints("shape", &[2], &[1 << 40, 1 << 20])
        .node("Expand", "x shape", "y")
        .bytes("y");
    refused(
        &bytes,
        &[1],
        "operator `Expand` of node `y` does not fit its inputs: a result of shape [1099511627776, 1048576] does not fit in memory",
    );
    let bytes = FileBuilder::new(17)
        .input("x", DataType::FLOAT, &[1])
        .ints("shape", &[1], &[1 << 40])
        .node("ConstantOfShape", "shape", "y")
        .bytes("y");
    refused(
        &bytes,
        &[1],
        "operator `ConstantOfShape` of node `y` does not fit its inputs: a constant of shape [1099511627776] is too large",
    );
}

#[test]
fn weights_are_read_from_where_the_file_is() {
    // More than one block.
    let n = 300_000;
    let numbers: Vec<f32> = (0..n).map(|index| index as f32).collect();
    let file = FileBuilder::new(17)
        .input("x", DataType::FLOAT, &[1])
        .raw_floats("w", &[n], &numbers)
        .node("Add", "x w", "y")
        .bytes("y");
    let detached = crate::detach_weights(&file, "weights.data");
    assert_eq!(detached.weights.len(), 1);
    let model = Model::load_detached(&detached, &file).expect("the file loads");
    let weight = model.constants.iter().flatten().next().expect("there is a weight");
    assert_eq!(weight.data().as_f32(), Some(numbers.as_slice()));
    // Without its file, the weight is not there.
    assert!(matches!(Model::load(&detached.skeleton), Err(ModelError::Feature { .. })));
}

#[test]
fn large_weights_can_stay_in_their_file() {
    let numbers: Vec<f32> = (0..20_000).map(|index| index as f32).collect();
    let file = FileBuilder::new(17)
        .input("x", DataType::FLOAT, &[1])
        .raw_floats("large", &[20_000], &numbers)
        .raw_floats("small", &[600], &numbers[..600])
        .node("Add", "x large", "y")
        .node("Add", "x small", "z")
        .bytes("y");
    let detached = crate::detach_weights(&file, "weights.data");
    let file: Arc<dyn Source> = Arc::new(file);
    let model = Model::load_stored(&detached, &file).expect("the file loads");
    let weights: Vec<&Arc<Tensor>> = model.constants.iter().flatten().collect();
    assert_eq!(weights.iter().map(|weight| weight.is_unread()).collect::<Vec<_>>(), [true, false]);
    for weight in weights {
        weight.with_part(100..600, |part| assert_eq!(part.as_f32(), Some(&numbers[100..600])));
    }
    assert!(
        model.plan(&[fact(&[1])]).is_ok_and(|plan| plan.constants().iter().any(|weight| weight.is_unread()))
    );
    let large = model.constants.iter().flatten().next().expect("there is a weight");
    assert_eq!(large.data().as_f32(), Some(numbers.as_slice()));
    assert!(!large.is_unread());
}

/// A file that looks rows up in an 8-bit table and multiplies them with 8-bit weights, both scaled by `nodes`.
fn scaled_weights(nodes: impl Fn(FileBuilder, &str) -> FileBuilder) -> Vec<u8> {
    let bytes = |name: &str, dims: &[i64], seed: i64| rten_onnx::onnx::TensorProto {
        name: Some(format!("{name}_q")),
        dims: dims.to_vec(),
        data_type: Some(DataType::INT8),
        raw_data: Some(
            (0..dims[0] * dims[1]).map(|index| (index * seed % 256) as u8).collect::<Vec<u8>>().into(),
        ),
        ..Default::default()
    };
    let scales: Vec<f32> = (1..=80).map(|place| place as f32 / 500.0).collect();
    let file = FileBuilder::new(17)
        .input("ids", DataType::INT64, &[-1])
        .initializer(bytes("table", &[80, 64], 37))
        .initializer(bytes("w", &[64, 80], 41))
        .floats("table_s", &[80, 1], &scales)
        .floats("w_s", &[1, 80], &scales);
    let file = nodes(nodes(file, "table"), "w");
    file.node("Gather", "table ids", "rows").node("MatMul", "rows w", "y").bytes("y")
}

#[test]
fn weights_of_8_bits_stay_so_until_they_are_read() {
    let bytes = scaled_weights(|file, name| {
        file.node_with("Cast", &format!("{name}_q"), &format!("{name}_f"), vec![int("to", 1)]).node(
            "Mul",
            &format!("{name}_f {name}_s"),
            name,
        )
    });
    let model = Model::load(&bytes).expect("the file loads");
    let mut graph = model.specialise(&[Fact::new(DType::I64, vec![2])]).expect("the shapes fit");
    crate::fuse::fuse(&mut graph);
    let plan = crate::plan::Plan::new(graph.clone());
    assert_eq!(plan.steps.len(), 2, "a gather and a product");
    let constants: Vec<&Tensor> = graph.values.iter().filter_map(|value| value.constant.as_deref()).collect();
    assert_eq!(constants.iter().filter(|tensor| tensor.is_unread()).count(), 2);

    let y = reference::run(&graph, &[Tensor::from_i64s(vec![79, 1])]).expect("it runs").remove(0);
    let byte = |index: i64, seed: i64| f64::from((index * seed % 256) as u8 as i8);
    let scale = |place: i64| f64::from((place + 1) as f32 / 500.0);
    let expected: f64 =
        (0..64).map(|k| byte(79 * 64 + k, 37) * scale(79) * byte(k * 80 + 5, 41) * scale(5)).sum();
    let actual = f64::from(y.data().as_f32().expect("floats")[5]);
    assert!((actual - expected).abs() <= 1e-4 * expected.abs(), "{actual}, expected {expected}");
}

#[test]
fn dequantized_weights_stay_in_8_bits_too() {
    let flat = |file: FileBuilder, name: &str| {
        let axis = i64::from(name == "w");
        let n = 80;
        let scales: Vec<f32> = (1..=n).map(|place| place as f32 / 500.0).collect();
        let scale = format!("{name}_flat");
        file.floats(&scale, &[n], &scales).node_with(
            "DequantizeLinear",
            &format!("{name}_q {scale}"),
            name,
            vec![int("axis", axis)],
        )
    };
    let model = Model::load(&scaled_weights(flat)).expect("the file loads");
    let graph = model.specialise(&[Fact::new(DType::I64, vec![2])]).expect("the shapes fit");
    let constants = graph.values.iter().filter_map(|value| value.constant.as_deref());
    assert_eq!(constants.filter(|tensor| tensor.is_unread()).count(), 2);
}
