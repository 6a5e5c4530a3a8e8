//! Looking ids up in a catalogue.

use super::*;

const AGENT: &str = "http://127.0.0.1:1";

fn model(id: &str, precision: Precision, available: bool) -> ModelCard {
    ModelCard {
        id: id.to_owned(),
        family: "vision".to_owned(),
        sha256: format!("hash of {id}"),
        size_bytes: 7,
        precision,
        licence: "MIT".to_owned(),
        url: format!("/models/{id}"),
        inputs: Vec::new(),
        outputs: Vec::new(),
        available,
    }
}

fn pipeline(id: &str, models: &[&str]) -> PipelineCard {
    let part = |id: &&str| PipelinePart {
        role: (*id).to_owned(),
        sha256: format!("hash of {id}"),
        size_bytes: 7,
        url: format!("/models/{id}"),
    };
    PipelineCard {
        id: id.to_owned(),
        title: String::new(),
        family: "vision".to_owned(),
        kind: PipelineKind::ReadText,
        parts: models.iter().map(part).collect(),
        available: true,
    }
}

fn catalogue() -> Catalogue {
    Catalogue {
        models: vec![
            model("a", Precision::F32, true),
            model("b", Precision::F32, true),
            model("c", Precision::Int8, false),
        ],
        pipelines: vec![pipeline("same", &["a", "tokenizer", "b"]), pipeline("mixed", &["a", "c"])],
    }
}

#[track_caller]
fn check(id: &str, expected: Result<(Option<PipelineKind>, Precision, &[&str]), &str>) {
    let found = find(&catalogue(), id, AGENT);
    let found = found.as_ref().map_err(|fault| fault.code.as_str());
    let url = |part: &SourcePart| match &part.origin {
        Origin::Url(url) => url.clone(),
        Origin::Bytes(_) | Origin::Blob(_) => panic!("a catalogue entry has addresses"),
    };
    let found = found.map(|found| {
        let urls: Vec<String> = found.parts.iter().map(url).collect();
        (found.pipeline, found.precision, urls)
    });
    let expected = expected.map(|(pipeline, precision, paths)| {
        (pipeline, precision, paths.iter().map(|path| format!("{AGENT}{path}")).collect())
    });
    assert_eq!(found, expected);
}

#[test]
fn models_and_pipelines_share_their_names() {
    check("a", Ok((None, Precision::F32, &["/models/a"])));
    let parts: &[&str] = &["/models/a", "/models/tokenizer", "/models/b"];
    check("same", Ok((Some(PipelineKind::ReadText), Precision::F32, parts)));
    check("mixed", Ok((Some(PipelineKind::ReadText), Precision::Unknown, &["/models/a", "/models/c"])));
}

#[test]
fn what_cannot_be_loaded() {
    check("c", Err("model-not-fetched"));
    check("nothing", Err("model-unknown"));
    let fault = find(&catalogue(), "nothing", AGENT).unwrap_err();
    assert_eq!(fault.hint.as_deref(), Some("it has: a, b, c, same, mixed"));
}

#[test]
fn full_addresses_stay() {
    assert_eq!(absolute(AGENT, "https://example.org/m.onnx"), "https://example.org/m.onnx");
}
