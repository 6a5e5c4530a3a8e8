//! What the hash must tell apart.

use std::collections::BTreeSet;

use super::mix;

#[test]
fn every_bit_of_every_length_counts() {
    let bytes: Vec<u8> = (0..36).map(|index| index * 7 + 1).collect();
    let mut seen = BTreeSet::new();
    for length in 0..=bytes.len() {
        assert!(seen.insert(mix(0, &bytes[..length])), "{length} bytes");
        for bit in 0..8 * length {
            let mut other = bytes[..length].to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            // No two of these are equal.
            assert!(seen.insert(mix(0, &other)), "bit {bit} of {length} bytes");
        }
    }
}

#[test]
fn order_counts() {
    assert_ne!(mix(mix(0, b"first"), b"second"), mix(mix(0, b"second"), b"first"));
}
