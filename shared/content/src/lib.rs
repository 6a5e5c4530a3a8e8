//! Verifies bytes against the hash that names them.

use sha2::{Digest, Sha256};

/// Bytes that are not what their name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SHA-256 is {actual}, expected {expected}")]
pub struct Mismatch {
    /// Lower-case hex digest that was asked for.
    pub expected: String,
    /// Lower-case hex digest of the bytes.
    pub actual: String,
}

/// Hashes bytes as they arrive.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Feeds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Lower-case hex digest of everything fed.
    #[must_use]
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }

    /// Compares everything fed with `expected` (hex, any case).
    ///
    /// # Errors
    /// [`Mismatch`] when the digests differ.
    pub fn verify(self, expected: &str) -> Result<(), Mismatch> {
        let actual = self.finish();
        if actual.eq_ignore_ascii_case(expected) {
            Ok(())
        } else {
            Err(Mismatch { expected: expected.to_ascii_lowercase(), actual })
        }
    }
}

/// Lower-case hex SHA-256 of `bytes`.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// True when `name` has the form of a SHA-256: 64 hex digits.
#[must_use]
pub fn is_sha256_hex(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

fn hex(digest: &[u8]) -> String {
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

#[cfg(test)]
mod tests;
