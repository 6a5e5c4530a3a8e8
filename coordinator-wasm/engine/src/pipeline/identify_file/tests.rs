//! Features, and what the scores mean.

use super::*;

fn config() -> Config {
    let json = json!({
        "beg_size": 12, "mid_size": 0, "end_size": 10, "block_size": 16, "padding_token": 256,
        "min_file_size_for_dl": 8, "use_inputs_at_offsets": false, "medium_confidence_threshold": 0.5,
        "target_labels_space": ["rust", "randomtxt", "sql"],
        "thresholds": { "sql": 0.9 }, "overwrite_map": { "randomtxt": "txt" },
    });
    serde_json::from_value(json).unwrap()
}

/// `.` in `expected` stands for padding.
#[track_caller]
fn check_features(bytes: &[u8], expected: Option<&str>) {
    let token = |byte: u8| if byte == b'.' { 256 } else { i32::from(byte) };
    let expected = expected.map(|expected| expected.bytes().map(token).collect::<Vec<i32>>());
    assert_eq!(config().features(bytes), expected);
}

#[test]
fn features_are_the_ends_without_white_space() {
    check_features(b"abcdefgh", Some("abcdefgh......abcdefgh"));
    check_features(b" \t\nabcdefghij \x0b", Some("abcdefghij \u{b}abcdefghij"));
    let long = b"0123456789abcdefghijklmnopqrstuvwxyz";
    check_features(long, Some("0123456789abqrstuvwxyz"));
}

#[test]
fn too_little_for_the_model() {
    check_features(b"abcdefg", None);
    check_features(b"                                abcdefgh", None);
    assert_eq!(label_without_model(b""), "empty");
    assert_eq!(label_without_model("kurz".as_bytes()), "txt");
    assert_eq!(label_without_model(b"\xff\xfe"), "unknown");
}

#[test]
fn scores_become_labels() {
    let result = config().result(&[0.25, 0.5, 0.25]);
    assert_eq!(
        (&result["label"], &result["score"], &result["confident"]),
        (&json!("txt"), &json!(0.5), &json!(true))
    );
    let labels: Vec<&Value> = result["top"].as_array().unwrap().iter().map(|entry| &entry["label"]).collect();
    assert_eq!(labels, ["randomtxt", "rust", "sql"]);
    // This label asks for more confidence than most.
    assert_eq!(config().result(&[0.125, 0.125, 0.75])["confident"], false);
}
