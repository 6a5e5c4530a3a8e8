//! Tensors that no binding holds whole: kernels have them as parts, and functions that find an element's part.

use std::fmt::Write as _;

use super::shader::Declaration;

/// Bytes of an element of a WGSL type whose components have 32 bits.
fn size_bytes(element: &str) -> u64 {
    let components = element.strip_prefix("vec").and_then(|rest| rest.chars().next()?.to_digit(10));
    4 * u64::from(components.unwrap_or(1))
}

/// A text that calls functions wherever it read or wrote elements of a buffer, and these functions.
pub(super) fn spread(text: &str, buffer: &Declaration, part_bytes: u64) -> String {
    let Declaration { name, element, is_written, n_parts } = buffer;
    let mut text = calling(text, name);
    let length = part_bytes / size_bytes(element);
    let parts = |access: &dyn Fn(String) -> String| -> String {
        let mut body = String::new();
        for part in 0..*n_parts {
            let (start, end) = (length * part as u64, length * (part as u64 + 1));
            let statement = access(format!("{name}_part{part}[i - {start}u]"));
            // Writing to a string cannot fail.
            let written = if part + 1 == *n_parts {
                writeln!(body, "    {statement}")
            } else {
                writeln!(body, "    if (i < {end}u) {{ {statement} }}")
            };
            written.unwrap_or_default();
        }
        body
    };
    let read = parts(&|at| format!("return {at};"));
    text += &format!("fn load_{name}(i: u32) -> {element} {{\n{read}}}\n");
    if *is_written {
        let write = parts(&|at| format!("{at} = value; return;"));
        text += &format!("fn store_{name}(i: u32, value: {element}) {{\n{write}}}\n");
    }
    text
}

/// Replaces `name[index]` by `load_name(index)`, and assignments to it by `store_name(index, value)`.
fn calling(text: &str, name: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, index, after)) = access(rest, name) {
        let index = calling(index, name);
        out += before;
        rest = after;
        match assignment(after) {
            Some((operator, value, after)) => {
                let value = calling(value, name);
                let old = match operator {
                    "" => String::new(),
                    _ => format!("load_{name}(u32({index})) {operator} "),
                };
                out += &format!("store_{name}(u32({index}), {old}({value}));");
                rest = after;
            }
            None => out += &format!("load_{name}(u32({index}))"),
        }
    }
    out + rest
}

/// The first access to an element of `name`: what is before it, its index, and what follows.
fn access<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let opening = format!("{name}[");
    let (at, _) = text.match_indices(&opening).find(|(at, _)| !text[..*at].ends_with(is_word))?;
    let inside = &text[at + opening.len()..];
    let mut depth = 0_usize;
    let end = inside.char_indices().find_map(|(end, c)| {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return Some(end),
            ']' => depth -= 1,
            _ => {}
        }
        None
    })?;
    Some((&text[..at], &inside[..end], &inside[end + 1..]))
}

/// What is assigned, if a text goes on with an assignment: its arithmetic operator, the value, and what follows.
fn assignment(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim_start();
    let n_operator = usize::from(text.starts_with(['+', '-', '*', '/']));
    let (operator, rest) = text.split_at(n_operator);
    let (value, after) = rest.strip_prefix('=').filter(|value| !value.starts_with('='))?.split_once(';')?;
    Some((operator, value.trim(), after))
}
