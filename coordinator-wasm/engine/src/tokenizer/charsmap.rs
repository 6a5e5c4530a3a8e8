//! SentencePiece's compiled character map: replaces the longest known prefix at each position.
//!
//! The map is a double-array trie (the layout of Darts-clone, which SentencePiece writes) followed by the
//! replacements, each ended by a zero byte.

use super::TokenizerError;

/// A compiled character map.
#[derive(Debug)]
pub(crate) struct CharacterMap {
    trie: Vec<u32>,
    replacements: Vec<u8>,
}

impl CharacterMap {
    /// Reads the map from base64, as it stands in a `tokenizer.json`.
    pub(crate) fn from_base64(text: &str) -> Result<Self, TokenizerError> {
        let bytes = decode_base64(text).ok_or(TokenizerError::CharacterMap)?;
        let (n_trie_bytes, rest) = bytes.split_first_chunk::<4>().ok_or(TokenizerError::CharacterMap)?;
        let n_trie_bytes = u32::from_le_bytes(*n_trie_bytes) as usize;
        let (trie, replacements) = rest.split_at_checked(n_trie_bytes).ok_or(TokenizerError::CharacterMap)?;
        let trie = trie.as_chunks::<4>().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        Ok(Self { trie, replacements: replacements.to_vec() })
    }

    /// `text` with every known prefix replaced.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut mapped = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            // A prefix that ends inside a character cannot be in the map of a well-formed file.
            let found =
                self.longest_prefix(rest.as_bytes()).filter(|&(length, _)| rest.is_char_boundary(length));
            let length = match found {
                Some((length, replacement)) => {
                    mapped.push_str(replacement);
                    length
                }
                None => {
                    mapped.push(first);
                    first.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        mapped
    }

    /// Length of the longest prefix of `text` in the map, and what replaces it.
    fn longest_prefix(&self, text: &[u8]) -> Option<(usize, &str)> {
        let mut longest = None;
        let mut node = offset(*self.trie.first()?);
        for (index, &byte) in text.iter().enumerate() {
            node ^= byte as usize;
            let Some(&unit) = self.trie.get(node) else { break };
            if label(unit) != u32::from(byte) {
                break;
            }
            node ^= offset(unit);
            if has_leaf(unit) {
                longest = self.trie.get(node).map(|&leaf| (index + 1, value(leaf)));
            }
        }
        let (length, start) = longest?;
        let replacement = self.replacements.get(start..)?;
        let end = replacement.iter().position(|&byte| byte == 0)?;
        Some((length, std::str::from_utf8(&replacement[..end]).ok()?))
    }
}

// The fields of a unit of the trie, as Darts-clone lays them out.

fn has_leaf(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

fn value(unit: u32) -> usize {
    (unit & 0x7fff_ffff) as usize
}

fn label(unit: u32) -> u32 {
    unit & 0x8000_00ff
}

fn offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & 0x200) >> 6)) as usize
}

/// Standard base64 with padding; `None` when a character is not of its alphabet.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n_bits) = (0_u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let digit = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
