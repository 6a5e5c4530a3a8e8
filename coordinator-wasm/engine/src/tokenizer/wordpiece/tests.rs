//! Splitting and pieces on a small vocabulary. Agreement with the reference on the real one is checked end to end.

use serde_json::json;

use super::*;

const VOCABULARY: [&str; 18] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cafe", "em", "##bed", "##ding", "##s", "!", "-", "guitar",
    "京", "北", "do", "'", "t",
];

fn tokenizer(max_length: usize) -> WordPiece {
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        (0..).zip(VOCABULARY).map(|(id, token): (u32, &str)| (token.to_owned(), id.into())).collect();
    let file = json!({
        "truncation": { "max_length": max_length },
        "normalizer": { "type": "BertNormalizer", "lowercase": true, "strip_accents": null },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 20,
            "vocab": vocabulary,
        },
    });
    WordPiece::from_json(&serde_json::to_vec(&file).unwrap()).unwrap()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let ids = tokenizer(100).encode(text);
    let tokens: Vec<&str> = ids.iter().map(|&id| VOCABULARY[id as usize]).collect();
    let (Some((&"[CLS]", rest)), Some(&"[SEP]")) = (tokens.split_first(), tokens.last()) else {
        panic!("{tokens:?} is not framed");
    };
    assert_eq!(&rest[..rest.len() - 1], expected, "{text:?}");
}

#[test]
fn words_and_pieces() {
    check("", &[]);
    check(" \t\n", &[]);
    check("a guitar!", &["a", "guitar", "!"]);
    check("embeddings", &["em", "##bed", "##ding", "##s"]);
    check("a-a!-", &["a", "-", "a", "!", "-"]);
    check("don't", &["[UNK]", "'", "t"]);
    check("do't", &["do", "'", "t"]);
    // No piece follows "em", so that the whole word is unknown.
    check("emz a", &["[UNK]", "a"]);
    check(&"a".repeat(21), &["[UNK]"]);
}

#[test]
fn berts_cleaning() {
    check("Café CAFE\u{301}", &["cafe", "cafe"]);
    check("北京", &["北", "京"]);
    check("\u{0}a\u{7}\u{200b}", &["a"]);
    check("a\u{a0}a", &["a", "a"]);
}

#[test]
fn long_texts_are_cut() {
    assert_eq!(tokenizer(4).encode("a a a a a"), [2, 4, 4, 3]);
    assert_eq!(tokenizer(4).encode("a a"), [2, 4, 4, 3]);
    assert_eq!(tokenizer(2).encode("a"), [2, 3]);
}

#[test]
fn other_files_are_refused() {
    let error = WordPiece::from_json(b"{}").unwrap_err();
    assert!(matches!(error, TokenizerError::Json(_)), "{error}");
}
