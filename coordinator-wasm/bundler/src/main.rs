//! Builds `www/pkg` from the two wasm crates.
fn main() {}
