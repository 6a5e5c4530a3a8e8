//! Lines become jobs, or faults that say which line and what is wrong.

use super::*;
use wire::DType;

fn tensor(name: &str, dtype: DType, dims: &[u32]) -> TensorHeader {
    TensorHeader { name: name.to_owned(), dtype, dims: dims.to_vec() }
}

fn model() -> Contract {
    Contract::Model(vec![tensor("ids", DType::Int64, &[0, 2]), tensor("mask", DType::Bool, &[1])])
}

#[track_caller]
fn check_refused(contract: &Contract, line: &str, code: &str, words: &str) {
    let fault = contract.parse(line.as_bytes()).unwrap_err();
    assert_eq!((fault.category, fault.code.as_str()), (FaultCategory::Validation, code), "{fault:?}");
    assert!(fault.message.contains(words) && fault.hint.is_some(), "{fault:?}");
}

#[track_caller]
fn check_texts(line: &str, shapes: &str, n_elements: u64) {
    let job = Contract::Pipeline(PipelineKind::TextEmbedding).parse(line.as_bytes()).unwrap();
    assert_eq!((job.shapes.as_str(), job.n_elements), (shapes, n_elements));
    assert_eq!(job.params.unwrap().to_string(), line);
}

#[test]
fn tensors() {
    let line = r#"{"mask": {"dtype": "bool", "dims": [1], "data": [true]},
        "ids": {"dtype": "int64", "dims": [2, 2], "data": [1, -1, 9007199254740993, 0]}}"#;
    let job = model().parse(line.as_bytes()).unwrap();
    assert_eq!((job.shapes.as_str(), job.n_elements), ("ids:2x2,mask:1", 5));
    let numbers: Vec<u8> =
        [1_i64, -1, 9_007_199_254_740_993, 0].iter().flat_map(|n| n.to_le_bytes()).collect();
    assert_eq!(job.tensors[0], (tensor("ids", DType::Int64, &[2, 2]), numbers));
    assert_eq!(job.tensors[1].1, [1]);
}

#[test]
fn tensors_that_do_not_fit() {
    let line = |ids: &str, mask: &str| format!(r#"{{"ids": {ids}, "mask": {mask}}}"#);
    let ids = r#"{"dtype": "int64", "dims": [1, 2], "data": [1, 2]}"#;
    let mask = r#"{"dtype": "bool", "dims": [1], "data": [1]}"#;
    assert!(model().parse(line(ids, mask).as_bytes()).is_ok());
    let check = |ids: &str, code, words| check_refused(&model(), &line(ids, mask), code, words);
    check(r#"{"dtype": "int32", "dims": [1, 2], "data": [1, 2]}"#, "input-dtype", "dtype is int32");
    check(r#"{"dtype": "int64", "dims": [1, 3], "data": [1, 2, 3]}"#, "input-shape", "takes [?, 2]");
    check(r#"{"dtype": "int64", "dims": [1, 2], "data": [1]}"#, "input-shape", "data has 1 elements");
    check(r#"{"dtype": "int64", "dims": [1, 2], "data": [1, 0.5]}"#, "input-dtype", "element 1 is 0.5");
    check(r#"{"dims": [1, 2], "data": [1, 2]}"#, "input-json", "missing field `dtype`");
    check_refused(&model(), &format!(r#"{{"ids": {ids}}}"#), "input-name", "\"mask\" is missing");
    let more = format!(r#"{{"ids": {ids}, "mask": {mask}, "more": 1}}"#);
    check_refused(&model(), &more, "input-name", "no input \"more\"");
}

#[test]
fn parameters() {
    check_texts(r#"{"texts":["é","bc"]}"#, "texts:2", 3);
    check_texts(r#"{"texts":[]}"#, "texts:0", 0);
    let title = Contract::Pipeline(PipelineKind::WriteTitle);
    assert_eq!(title.parse(br#"{"text":"abc"}"#).unwrap().shapes, "text:3");
    check_refused(&title, r#"{"text":1}"#, "input-dtype", "not a text");
    check_refused(&title, r#"{"texts":["a"]}"#, "input-name", "\"text\" is missing");
    check_refused(&title, r#"{"text":"a","priority":1}"#, "input-name", "no parameter \"priority\"");
    check_refused(&title, r#"{"text":"#, "input-json", "not JSON");
    check_refused(&title, "[]", "input-json", "not a JSON object");
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a file");
    fs::write(&path, b"abc").unwrap();
    let line = |name: &str| serde_json::json!({ name: path }).to_string();
    let job = Contract::Pipeline(PipelineKind::IdentifyFile).parse(line("bytes").as_bytes()).unwrap();
    assert_eq!(job.tensors, [(tensor("bytes", DType::Uint8, &[3]), b"abc".to_vec())]);
    let job = Contract::Pipeline(PipelineKind::ReadText).parse(line("image").as_bytes()).unwrap();
    assert_eq!((job.media, job.n_elements), (Some((Media::Image, b"abc".to_vec())), 3));
    let missing = r#"{"audio": "/nonexistent.wav"}"#;
    check_refused(&Contract::Pipeline(PipelineKind::WakeWord), missing, "input-file", "/nonexistent.wav");
}

#[tokio::test]
async fn lines_are_numbered_and_blank_or_unwanted_ones_passed_over() {
    let text: &[u8] = b"{\"text\":\"a\"}\n\n{\"text\":\"b\"}\r\nnonsense\n{\"text\":\"c\"}";
    let mut lines = read(text, Contract::Pipeline(PipelineKind::WriteTitle), |index| index != 2);
    let mut seen = Vec::new();
    while let Some(line) = lines.recv().await {
        let Line { index, job } = line.unwrap();
        seen.push((index, job.map(|job| job.shapes).map_err(|fault| fault.message)));
    }
    assert_eq!(seen.len(), 3);
    assert_eq!([&seen[0], &seen[2]], [&(0, Ok("text:1".to_owned())), &(4, Ok("text:1".to_owned()))]);
    assert!(seen[1].0 == 3 && seen[1].1.as_ref().unwrap_err().starts_with("line 4: the line is not JSON"));
}
