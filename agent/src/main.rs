//! Keeps the history of models measured in browsers it launches.
fn main() {}
