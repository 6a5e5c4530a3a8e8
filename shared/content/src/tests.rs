//! The digests of FIPS 180-4's examples, whole and in pieces.

use super::*;

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn digests_match_the_standard() {
    assert_eq!(sha256_hex(b"abc"), ABC);
    assert_eq!(sha256_hex(b""), EMPTY);
}

#[test]
fn pieces_hash_like_the_whole() {
    let mut hasher = Hasher::default();
    hasher.update(b"a");
    hasher.update(b"bc");
    assert_eq!(hasher.verify(&ABC.to_uppercase()), Ok(()));
}

#[test]
fn a_wrong_byte_is_reported_with_both_digests() {
    let mut hasher = Hasher::default();
    hasher.update(b"abd");
    let mismatch = hasher.verify(ABC).expect_err("different bytes");
    assert_eq!(mismatch.expected, ABC);
    assert_ne!(mismatch.actual, ABC);
}

#[test]
fn names_are_recognised_by_form() {
    assert!(is_sha256_hex(ABC));
    assert!(!is_sha256_hex("abc"));
    assert!(!is_sha256_hex(&ABC.replace('b', "g")));
}
