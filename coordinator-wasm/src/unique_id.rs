//! Ids of records, unique across pages, browsers and machines.

use js_sys::Uint8Array;

use crate::sys;

/// A UUID where the browser makes them (secure contexts), else 128 random bits in hex.
pub(crate) fn unique_id() -> String {
    let crypto = sys::CRYPTO.with(Clone::clone);
    if let Some(id) = crypto.as_ref().and_then(|crypto| crypto.random_uuid().ok()) {
        return id;
    }
    let bytes = Uint8Array::new_with_length(16);
    if crypto.is_none_or(|crypto| crypto.get_random_values(&bytes).is_err()) {
        for index in 0..bytes.length() {
            bytes.set_index(index, random_byte());
        }
    }
    bytes.to_vec().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A seed for the pool's random numbers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53 and not negative")]
pub(crate) fn seed() -> u64 {
    (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 256 and not negative")]
fn random_byte() -> u8 {
    (js_sys::Math::random() * 256.0) as u8
}
