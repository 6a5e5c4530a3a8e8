//! A hash that tells inputs apart, quick enough to be taken of every run's.

/// 2⁶⁴ divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes bytes into a hash, eight at a time; what is left over gets a 1 in front, so that zeros count.
pub(crate) fn mix(hash: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(hash, |hash, word| step(hash, u64::from_le_bytes(*word)));
    step(hash, rest.iter().rev().fold(1, |word, &byte| word << 8 | u64::from(byte)))
}

/// Can be undone, so two inputs that differ in one word never share a hash. A product moves bits up only; the second one
/// spreads the upper half as well, or a number's sign would be one bit that the next word can take back.
fn step(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(FACTOR);
    (product ^ product >> 32).wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests;
