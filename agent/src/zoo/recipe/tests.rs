//! What recipes make, and what they refuse.

use super::*;

#[track_caller]
fn refused(recipe: &str, weights: &[u8], expected: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let error = build(recipe, &mut { weights }, scratch.path()).unwrap_err().to_string();
    assert!(error.contains(expected), "{error:?} lacks {expected:?}");
}

#[test]
fn wrong_weights_are_refused() {
    refused("frobnicate", b"", "KeyError: 'frobnicate'");
    refused("minilm-l6", b"", "unpack requires a buffer of 8 bytes");
    // A pickle that would run a command.
    refused("efficientnet-lite0", b"cos\nsystem\n(S'true'\ntR.", "a state dict has no os.system");
}

#[test]
fn a_built_file_is_a_model() {
    // `array` and `struct` of the script against our own reader.
    let script = format!(
        "{}\ngraph = Graph()\nw = graph.weight('w', [1, 3], array('f', [1, 2, 3]))\n\
         graph.node('Add', 'x', w, name='y')\ngraph.node('Softmax', 'y', name='z', axis=-1)\n\
         sys.stdout.buffer.write(graph.model('m', [('x', FLOAT, ['n', 3])], [('z', FLOAT, ['n', 3])]))",
        SCRIPT.split("if __name__").next().unwrap_or_default()
    );
    let output = Command::new("python3").args(["-I", "-c", &script]).output().unwrap();
    let inspection = model::inspect(&output.stdout).unwrap();
    assert_eq!((inspection.opset, inspection.n_parameters), (17, 3));
    assert_eq!(
        inspection.inputs[0].dims,
        Some(vec![model::Dim::Symbolic("n".to_owned()), model::Dim::Fixed(3)])
    );
    let model = model::Model::load(&output.stdout).unwrap();
    let plan = model.plan(&[model::Fact::new(model::DType::F32, vec![2, 3])]).unwrap();
    assert_eq!(plan.steps.len(), 2);
}
