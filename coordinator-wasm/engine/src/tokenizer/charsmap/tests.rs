//! A trie of two keys, one a prefix of the other.

use super::*;

const HAS_LEAF: u32 = 1 << 8;
const LEAF: u32 = 1 << 31;

fn unit(offset: u32, label: u8) -> u32 {
    offset << 10 | HAS_LEAF | u32::from(label)
}

/// "A" becomes "bee", "AB" becomes "c".
fn map() -> CharacterMap {
    let mut trie = vec![0; 0x200];
    // The children of a node are where its offset and their label say, both combined with exclusive or.
    trie[0] = 0x100 << 10;
    trie[0x100 ^ 0x41] = unit(3, b'A');
    trie[0x141 ^ 3] = LEAF;
    trie[0x142 ^ 0x42] = unit(1, b'B');
    trie[0x100 ^ 1] = LEAF | 4;
    CharacterMap { trie, replacements: b"bee\0c\0".to_vec() }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(map().apply(text), expected);
}

#[test]
fn the_longest_key_is_replaced() {
    check("", "");
    check("xyz é", "xyz é");
    check("A", "bee");
    check("AB", "c");
    check("AAB-BA", "beec-Bbee");
}

#[test]
fn base64() {
    assert_eq!(decode_base64("TWFu"), Some(b"Man".to_vec()));
    assert_eq!(decode_base64("TWE="), Some(b"Ma".to_vec()));
    assert_eq!(decode_base64("/+8="), Some(vec![0xff, 0xef]));
    assert_eq!(decode_base64("a b"), None);
}

#[test]
fn damaged_maps_are_refused() {
    assert!(CharacterMap::from_base64("AAA=").is_err());
    assert!(CharacterMap::from_base64("//////8=").is_err());
    // An empty trie maps nothing, and does not trip.
    assert_eq!(CharacterMap::from_base64("AAAAAA==").unwrap().apply("A"), "A");
}
