//! Texts put together one by one: `Vec<String>::join` needs the vector, and a kilobyte of code.

/// The items with `separator` between them.
pub(crate) fn joined(items: impl Iterator<Item = String>, separator: &str) -> String {
    let mut text = String::new();
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        text.push_str(&item);
    }
    text
}
