//! SentencePiece Unigram: the most probable way to cut each word into pieces (Viterbi).

use std::collections::HashMap;

use serde::Deserialize;

use super::charsmap::CharacterMap;
use super::{TokenizerError, Truncation, check_type};

/// Stands for a space in pieces.
const SPACE: char = '▁';
/// How much less probable an unknown character is than the rarest piece, natural logarithm: SentencePiece's constant.
const UNKNOWN_PENALTY: f64 = 10.0;

/// A SentencePiece Unigram tokenizer.
#[derive(Debug)]
pub(crate) struct Unigram {
    pieces: Vec<String>,
    /// Id and log-probability of each piece.
    vocabulary: HashMap<String, (u32, f64)>,
    longest_piece_bytes: usize,
    unknown: u32,
    unknown_score: f64,
    end: u32,
    max_tokens: usize,
    /// Ids that stand for no text.
    special: Vec<u32>,
    character_map: CharacterMap,
}

#[derive(Deserialize)]
struct File {
    truncation: Option<Truncation>,
    added_tokens: Vec<AddedToken>,
    normalizer: NormalizerSequence,
    pre_tokenizer: PreTokenizer,
    model: Model,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    special: bool,
}

#[derive(Deserialize)]
struct NormalizerSequence {
    r#type: String,
    #[serde(default)]
    normalizers: Vec<Normalizer>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Normalizer {
    Precompiled { precompiled_charsmap: String },
    Replace { pattern: Pattern, content: String },
}

#[derive(Deserialize)]
struct Pattern {
    #[serde(rename = "Regex")]
    regex: String,
}

#[derive(Deserialize)]
struct PreTokenizer {
    r#type: String,
    replacement: char,
    prepend_scheme: String,
}

#[derive(Deserialize)]
struct Model {
    r#type: String,
    unk_id: u32,
    vocab: Vec<(String, f64)>,
}

impl Unigram {
    /// Reads a `tokenizer.json`: Unigram with a compiled character map and word boundaries marked with `▁`.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, TokenizerError> {
        let File { truncation, added_tokens, normalizer, pre_tokenizer, model } =
            serde_json::from_slice(json)?;
        check_type("model", &model.r#type, "Unigram")?;
        check_type("normalizer", &normalizer.r#type, "Sequence")?;
        check_type("pre_tokenizer", &pre_tokenizer.r#type, "Metaspace")?;
        check_type("pre_tokenizer.replacement", &pre_tokenizer.replacement.to_string(), "▁")?;
        check_type("pre_tokenizer.prepend_scheme", &pre_tokenizer.prepend_scheme, "always")?;
        let mut character_map = None;
        for step in normalizer.normalizers {
            match step {
                Normalizer::Precompiled { precompiled_charsmap } => {
                    character_map = Some(CharacterMap::from_base64(&precompiled_charsmap)?);
                }
                // The one replacement that T5 files have: runs of spaces become one.
                Normalizer::Replace { pattern, content } => {
                    check_type("normalizer.pattern", &pattern.regex, " {2,}")?;
                    check_type("normalizer.content", &content, " ")?;
                }
            }
        }
        let lowest = model.vocab.iter().map(|piece| piece.1).fold(f64::INFINITY, f64::min);
        let ids = (0_u32..).zip(&model.vocab).map(|(id, (piece, score))| (piece.clone(), (id, *score)));
        let vocabulary: HashMap<String, (u32, f64)> = ids.collect();
        let end = vocabulary.get("</s>").ok_or_else(|| TokenizerError::MissingToken("</s>".to_owned()))?.0;
        let pieces: Vec<String> = model.vocab.into_iter().map(|piece| piece.0).collect();
        Ok(Self {
            longest_piece_bytes: pieces.iter().map(String::len).max().unwrap_or_default(),
            pieces,
            vocabulary,
            unknown: model.unk_id,
            unknown_score: lowest - UNKNOWN_PENALTY,
            end,
            max_tokens: truncation.map_or(usize::MAX, |truncation| truncation.max_length).max(1),
            special: added_tokens.iter().filter(|token| token.special).map(|token| token.id).collect(),
            character_map: character_map.ok_or(TokenizerError::CharacterMap)?,
        })
    }

    /// The token that ends every sequence.
    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    /// The text's tokens and the end token, cut to the longest sequence the model takes.
    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for word in words(&self.character_map.apply(text)) {
            self.encode_word(&word, &mut ids);
        }
        ids.truncate(self.max_tokens - 1);
        ids.push(self.end);
        ids
    }

    /// The text of tokens, without special ones.
    pub(crate) fn decode(&self, ids: &[u32]) -> String {
        let ids = ids.iter().filter(|id| !self.special.contains(id));
        let pieces: String = ids.filter_map(|&id| self.pieces.get(id as usize)).map(String::as_str).collect();
        pieces.replace(SPACE, " ").trim_start().to_owned()
    }

    /// The most probable pieces of one word. Neighbouring unknown characters share one unknown token.
    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) {
        /// The best way to a position: its score, where its last piece starts, and that piece.
        #[derive(Clone, Copy)]
        struct Step {
            score: f64,
            start: usize,
            id: u32,
        }
        let mut best: Vec<Option<Step>> = vec![None; word.len() + 1];
        for (start, first) in word.char_indices() {
            let base = if start == 0 { Some(0.0) } else { best[start].map(|step| step.score) };
            let Some(base) = base else { continue };
            let mut consider = |end: usize, id: u32, score: f64| {
                let score = base + score;
                if best[end].is_none_or(|step| score > step.score) {
                    best[end] = Some(Step { score, start, id });
                }
            };
            let mut has_single = false;
            for (index, (at, character)) in word[start..].char_indices().enumerate() {
                let end = start + at + character.len_utf8();
                if end - start > self.longest_piece_bytes {
                    break;
                }
                if let Some(&(id, score)) = self.vocabulary.get(&word[start..end]) {
                    has_single |= index == 0;
                    consider(end, id, score);
                }
            }
            if !has_single {
                consider(start + first.len_utf8(), self.unknown, self.unknown_score);
            }
        }
        let n_before = ids.len();
        let mut end = word.len();
        while end > 0
            && let Some(step) = best[end]
        {
            let is_repeated = step.id == self.unknown && ids.len() > n_before && ids.last() == Some(&step.id);
            if !is_repeated {
                ids.push(step.id);
            }
            end = step.start;
        }
        ids[n_before..].reverse();
    }
}

/// Words with the mark of the space before them; the first has one too.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = None;
    for character in text.chars() {
        let is_space = character == ' ' || character == SPACE;
        if is_space && before == Some(' ') && character == ' ' {
            continue;
        }
        if is_space || words.is_empty() {
            words.push(SPACE.to_string());
        }
        if !is_space && let Some(word) = words.last_mut() {
            word.push(character);
        }
        before = Some(character);
    }
    words
}

#[cfg(test)]
mod tests;
