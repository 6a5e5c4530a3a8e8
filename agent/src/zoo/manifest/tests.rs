//! What a `models.toml` may and may not say.

use super::*;

const MODEL: &str = r#"
[[model]]
id = "tiny"
family = "vision"
precision = "f32"
licence = "MIT"
package = "tiny-model"
version = "1.0"
path = "tiny/model.onnx"
sha256 = "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16"
size = 12
inputs = [{ name = "x", dtype = "float32", dims = [0, 3] }]
outputs = []
"#;

const PIPELINE: &str = r#"
[[pipeline]]
id = "see"
title = "See"
family = "vision"
kind = "read-text"
parts = [{ role = "detector", from = "tiny" }]
"#;

#[track_caller]
fn check(text: &str, expected: &str) {
    let error = Manifest::parse(text).unwrap_err().to_string();
    assert!(error.contains(expected), "{error:?} lacks {expected:?}");
}

#[test]
fn a_small_manifest_is_read() {
    let manifest = Manifest::parse(&format!("{MODEL}{PIPELINE}")).unwrap();
    let entry = &manifest.entries[0];
    assert_eq!((entry.id.as_str(), entry.size_bytes), ("tiny", 12));
    let Source::Package(file) = &entry.source else { panic!("{:?}", entry.source) };
    assert_eq!((file.registry, file.path.as_deref()), (Registry::Pypi, Some("tiny/model.onnx")));
    assert_eq!(manifest.pipelines[0].kind, PipelineKind::ReadText);
}

#[test]
fn mistakes_are_named() {
    check("nonsense", "cannot parse");
    check(&MODEL.replace("size = 12", ""), "missing field `size`");
    check(&MODEL.replace("package =", "pakage ="), "missing field `package`");
    check(&MODEL.replace("\"f32\"", "\"f31\""), "unknown variant `f31`");
    check(&format!("{MODEL}{MODEL}"), "id tiny is used twice");
    check(&MODEL.replace("b388", "B388"), "is not a SHA-256");
    check(&MODEL.replace("b388", ""), "is not a SHA-256");
    check(&MODEL.replace("vision", "sculpture"), "unknown family \"sculpture\"");
    check(PIPELINE, "part \"tiny\" is not a model or asset");
}

#[test]
fn the_built_in_manifest_is_right() {
    let manifest = Manifest::built_in().unwrap();
    assert!(manifest.entries.len() >= 12);
    assert!(manifest.pipelines.iter().any(|pipeline| pipeline.id == "similar-sentences"));
}
