//! Viterbi on a small vocabulary. Agreement with the reference on the real one is checked end to end.

use serde_json::json;

use super::*;

/// A character map without entries: a trie of one empty unit.
const EMPTY_MAP: &str = "BAAAAAAAAAA=";

fn file(max_length: usize) -> serde_json::Value {
    json!({
        "truncation": { "max_length": max_length },
        "added_tokens": [{ "id": 0, "special": true }, { "id": 1, "special": true }, { "id": 2, "special": true }],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                { "type": "Precompiled", "precompiled_charsmap": EMPTY_MAP },
                { "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": " " },
            ],
        },
        "pre_tokenizer": { "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always" },
        "model": {
            "type": "Unigram",
            "unk_id": 2,
            "vocab": [
                ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁", -2.0], ["▁un", -3.0], ["un", -4.0], ["do", -3.5],
                ["▁undo", -9.0], ["i", -5.0], ["ing", -4.5], ["n", -6.0], ["g", -6.0], ["é", -7.0],
            ],
        },
    })
}

fn tokenizer(file: &serde_json::Value) -> Result<Unigram, TokenizerError> {
    Unigram::from_json(file.to_string().as_bytes())
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let tokenizer = tokenizer(&file(100)).unwrap();
    let ids = tokenizer.encode(text);
    let pieces: Vec<&str> = ids.iter().map(|&id| tokenizer.pieces[id as usize].as_str()).collect();
    let Some((&"</s>", pieces)) = pieces.split_last() else { panic!("{pieces:?} does not end") };
    assert_eq!(pieces, expected, "{text:?}");
}

#[test]
fn the_most_probable_pieces_win() {
    check("", &[]);
    // -3.0 - 3.5 is more than -9.0.
    check("undo", &["▁un", "do"]);
    check("undoing", &["▁un", "do", "ing"]);
    check("ing", &["▁", "ing"]);
    check("é", &["▁", "é"]);
}

#[test]
fn spaces_become_marks() {
    check("undo  undo", &["▁un", "do", "▁un", "do"]);
    check(" undo ", &["▁un", "do", "▁"]);
}

#[test]
fn unknown_characters_in_a_row_are_one_token() {
    check("xyz", &["▁", "<unk>"]);
    check("x y", &["▁", "<unk>", "▁", "<unk>"]);
    check("undo☃ing", &["▁un", "do", "<unk>", "ing"]);
}

#[test]
fn long_texts_are_cut_and_text_comes_back() {
    let tokenizer = tokenizer(&file(3)).unwrap();
    assert_eq!(tokenizer.encode("undo undo"), [4, 6, 1]);
    assert_eq!(tokenizer.decode(&[0, 4, 6, 4, 9, 1, 99]), "undo uning");
}

#[test]
fn other_files_are_refused() {
    for (pointer, value) in [
        ("/model/type", json!("BPE")),
        ("/pre_tokenizer/prepend_scheme", json!("never")),
        ("/normalizer/normalizers/1/pattern/Regex", json!("x")),
        ("/normalizer/normalizers/0/precompiled_charsmap", json!("*")),
    ] {
        let mut file = file(100);
        *file.pointer_mut(pointer).unwrap() = value;
        assert!(tokenizer(&file).is_err(), "{pointer}");
    }
}
