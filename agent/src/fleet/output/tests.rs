//! Lines of output, and what of an earlier run stays.

use super::*;

#[track_caller]
fn check(dtype: DType, bytes: &[u8], expected: &str) {
    let header = TensorHeader { name: "y".to_owned(), dtype, dims: vec![2] };
    let json = serde_json::to_string(&Outputs(vec![(header, bytes.to_vec())])).unwrap();
    let name = dtype.as_str();
    assert_eq!(json, format!(r#"{{"y":{{"dtype":"{name}","dims":[2],"data":{expected}}}}}"#));
}

#[test]
fn elements() {
    let floats: Vec<u8> = [0.1_f32, f32::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
    check(DType::Float32, &floats, "[0.1,null]");
    check(DType::Int8, &[1, 255], "[1,-1]");
    check(DType::Bool, &[1, 0], "[true,false]");
    let integers: Vec<u8> = [i64::MIN, 2].iter().flat_map(|x| x.to_le_bytes()).collect();
    check(DType::Int64, &integers, "[-9223372036854775808,2]");
}

#[test]
fn resuming_keeps_what_succeeded_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let lines = [
        r#"{"index":3,"ok":true,"result":1}"#,
        r#"{"index":1,"ok":false}"#,
        r#"{"index":3,"ok":true,"result":2}"#,
        r#"{"index":0,"ok":true}"#,
        r#"{"index":9,"ok":tr"#,
    ];
    fs::write(&path, lines.join("\n")).unwrap();
    let (mut file, done) = open(&path, true).unwrap();
    file.write_all(b"more\n").unwrap();
    assert_eq!(done, BTreeSet::from([0, 3]));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n{}\nmore\n", lines[0], lines[3]));
    let (_, done) = open(&path, false).unwrap();
    assert!(done.is_empty() && fs::read(&path).unwrap().is_empty());
}
