//! Proves the whole in real browsers.
