//! WordPiece with BERT's rules for splitting text.

use std::collections::HashMap;

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

use super::{TokenizerError, Truncation, check_type};

/// Longest sequence when the file does not say: BERT's.
const DEFAULT_MAX_TOKENS: usize = 512;

/// A BERT tokenizer.
#[derive(Debug)]
pub(crate) struct WordPiece {
    vocabulary: HashMap<String, u32>,
    continuation: String,
    max_word_chars: usize,
    lowercase: bool,
    strip_accents: bool,
    max_tokens: usize,
    unknown: u32,
    start: u32,
    end: u32,
    padding: u32,
}

#[derive(Deserialize)]
struct File {
    truncation: Option<Truncation>,
    normalizer: Normalizer,
    pre_tokenizer: PreTokenizer,
    model: Model,
}

#[derive(Deserialize)]
struct Normalizer {
    r#type: String,
    lowercase: bool,
    strip_accents: Option<bool>,
}

#[derive(Deserialize)]
struct PreTokenizer {
    r#type: String,
}

#[derive(Deserialize)]
struct Model {
    r#type: String,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: HashMap<String, u32>,
}

impl WordPiece {
    /// Reads a `tokenizer.json`.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, TokenizerError> {
        let File { truncation, normalizer, pre_tokenizer, model } = serde_json::from_slice(json)?;
        check_type("normalizer", &normalizer.r#type, "BertNormalizer")?;
        check_type("pre_tokenizer", &pre_tokenizer.r#type, "BertPreTokenizer")?;
        check_type("model", &model.r#type, "WordPiece")?;
        let token = |name: &str| {
            model.vocab.get(name).copied().ok_or_else(|| TokenizerError::MissingToken(name.to_owned()))
        };
        Ok(Self {
            unknown: token(&model.unk_token)?,
            start: token("[CLS]")?,
            end: token("[SEP]")?,
            padding: token("[PAD]")?,
            max_tokens: truncation.map_or(DEFAULT_MAX_TOKENS, |truncation| truncation.max_length).max(2),
            lowercase: normalizer.lowercase,
            strip_accents: normalizer.strip_accents.unwrap_or(normalizer.lowercase),
            continuation: model.continuing_subword_prefix,
            max_word_chars: model.max_input_chars_per_word,
            vocabulary: model.vocab,
        })
    }

    /// Token that fills short sequences of a batch up.
    pub(crate) fn padding(&self) -> u32 {
        self.padding
    }

    /// The text's tokens between start and end token, cut to the longest sequence the model takes.
    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.start];
        for word in split(&self.normalize(text)) {
            if ids.len() >= self.max_tokens {
                break;
            }
            self.encode_word(word, &mut ids);
        }
        ids.truncate(self.max_tokens - 1);
        ids.push(self.end);
        ids
    }

    /// BERT's cleaning: no control characters, spaces around ideographs, no accents, lower case.
    fn normalize(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for character in text.chars() {
            if is_control(character) {
                continue;
            } else if character.is_whitespace() {
                clean.push(' ');
            } else if is_ideograph(character) {
                clean.extend([' ', character, ' ']);
            } else {
                clean.push(character);
            }
        }
        if self.strip_accents {
            let is_accent =
                |character: &char| character.general_category() == GeneralCategory::NonspacingMark;
            clean = clean.nfd().filter(|character| !is_accent(character)).collect();
        }
        if self.lowercase { clean.chars().flat_map(char::to_lowercase).collect() } else { clean }
    }

    /// The longest known pieces from left to right, or the unknown token for the whole word.
    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) {
        let n_before = ids.len();
        if word.chars().count() > self.max_word_chars {
            ids.push(self.unknown);
            return;
        }
        let mut start = 0;
        let mut piece = String::new();
        while start < word.len() {
            let ends = word[start..].char_indices().map(|(at, character)| start + at + character.len_utf8());
            let mut ends: Vec<usize> = ends.collect();
            let found = loop {
                let Some(end) = ends.pop() else { break None };
                piece.clear();
                if start > 0 {
                    piece.push_str(&self.continuation);
                }
                piece.push_str(&word[start..end]);
                if let Some(&id) = self.vocabulary.get(piece.as_str()) {
                    break Some((id, end));
                }
            };
            let Some((id, end)) = found else {
                ids.truncate(n_before);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            start = end;
        }
    }
}

/// Words, and each punctuation mark on its own.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().flat_map(|word| {
        word.split_inclusive(is_punctuation).flat_map(|part| {
            let mark = part.char_indices().next_back().filter(|&(_, last)| is_punctuation(last));
            let (before, mark) = part.split_at(mark.map_or(part.len(), |(at, _)| at));
            [before, mark].into_iter().filter(|part| !part.is_empty())
        })
    })
}

fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || character.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// Characters without a place in text. Those that no Unicode version has assigned stay, as unknown ones.
fn is_control(character: char) -> bool {
    let is_space = matches!(character, '\t' | '\n' | '\r');
    let category = character.general_category();
    let is_other =
        matches!(category, GeneralCategory::Control | GeneralCategory::Format | GeneralCategory::PrivateUse);
    character == '\u{fffd}' || is_other && !is_space
}

/// The blocks of CJK ideographs, as in BERT's `_is_chinese_char`.
fn is_ideograph(character: char) -> bool {
    matches!(character,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2b73f}' | '\u{2b740}'..='\u{2b81f}'
        | '\u{2b820}'..='\u{2ceaf}' | '\u{2f800}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests;
