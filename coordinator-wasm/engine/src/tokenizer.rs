//! Text to token ids and back, from Hugging Face `tokenizer.json` files.
//!
//! Only the two kinds that the pipelines' models use are here. A file that asks for anything else is refused: a token
//! sequence that is almost right gives answers that look right.

mod charsmap;
mod unigram;
mod wordpiece;

use serde::Deserialize;

pub(crate) use self::unigram::Unigram;
pub(crate) use self::wordpiece::WordPiece;

/// Why a tokenizer file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenizerError {
    /// It is not JSON, or lacks a field.
    #[error("tokenizer.json does not decode: {0}")]
    Json(#[from] serde_json::Error),
    /// It asks for something that is not here.
    #[error("tokenizer.json asks for {part} \"{found}\", {expected} is what there is")]
    Unsupported {
        /// Which part of the file.
        part: &'static str,
        /// What it asks for.
        found: String,
        /// What there is instead.
        expected: &'static str,
    },
    /// A token that the model needs is not in the vocabulary.
    #[error("tokenizer.json has no token \"{0}\"")]
    MissingToken(String),
    /// The table of character replacements is damaged.
    #[error("tokenizer.json has a damaged character map")]
    CharacterMap,
}

/// `truncation` of a file.
#[derive(Debug, Deserialize)]
struct Truncation {
    max_length: usize,
}

/// Checks the `type` of a part of the file.
fn check_type(part: &'static str, found: &str, expected: &'static str) -> Result<(), TokenizerError> {
    if found == expected {
        return Ok(());
    }
    Err(TokenizerError::Unsupported { part, found: found.to_owned(), expected })
}
