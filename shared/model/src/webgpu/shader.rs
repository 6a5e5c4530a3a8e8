//! WGSL texts from templates: declarations come from what a call binds, lines repeat or drop out by definition.
//!
//! A template is WGSL with four directives, each a line of its own: `//#if NAME`, `//#else`, `//#each v NAME` (the lines up to
//! `//#end` once for every number below `NAME`, with `$v` replaced by it) and `//#end`. `$NAME` is replaced by its definition.
//! The extension that `ENABLE` names is enabled. It has an entry point, or a function `invocation(i: u32)` that is called for every number below the parameter `n`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::parts;

/// Functions that kernels may call; a text gets those that it names.
const FUNCTIONS: &str = include_str!("kernel/functions.wgsl");
/// The entry point of templates that only say what one invocation does.
const INVOCATIONS: &str = include_str!("kernel/invocations.wgsl");

/// Names in a template and what they stand for.
pub(super) type Definitions = BTreeMap<String, String>;

/// A number that a kernel reads from its uniform buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Param {
    Uint(u32),
    Int(i32),
    Float(f32),
}

impl Param {
    fn wgsl_type(self) -> &'static str {
        match self {
            Self::Uint(_) => "u32",
            Self::Int(_) => "i32",
            Self::Float(_) => "f32",
        }
    }

    /// The 32 bits in the uniform buffer.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Uint(value) => value,
            Self::Int(value) => value.cast_unsigned(),
            Self::Float(value) => value.to_bits(),
        }
    }
}

/// What a kernel's storage buffers are called and hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) element: &'static str,
    pub(super) is_written: bool,
    /// Bindings that hold it, one after the other.
    pub(super) n_parts: usize,
}

impl Declaration {
    /// What its bindings are called.
    fn parts(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.n_parts).map(|part| match self.n_parts {
            1 => self.name.clone(),
            _ => format!("{}_part{part}", self.name),
        })
    }
}

/// The whole text of a shader. Each part of a buffer but the last of it has `part_bytes`.
pub(super) fn assemble(
    template: &str,
    definitions: &Definitions,
    params: &[(String, Param)],
    declarations: &[Declaration],
    part_bytes: u64,
) -> String {
    let enabled = definitions.get("ENABLE").map(|extension| format!("enable {extension};\n"));
    let mut text = enabled.unwrap_or_default() + "struct Params {\n";
    for (name, param) in params {
        push(&mut text, format_args!("    {name}: {},\n", param.wgsl_type()));
    }
    text.push_str("}\n@group(0) @binding(0) var<uniform> p: Params;\n");
    let bindings = declarations.iter().flat_map(|buffer| buffer.parts().map(move |name| (name, buffer)));
    for (index, (name, Declaration { element, is_written, .. })) in bindings.enumerate() {
        let access = if *is_written { "read_write" } else { "read" };
        push(
            &mut text,
            format_args!(
                "@group(0) @binding({}) var<storage, {access}> {name}: array<{element}>;\n",
                index + 1
            ),
        );
    }
    let entry_point = if template.contains("fn invocation(") { INVOCATIONS } else { "" };
    let lines: Vec<&str> = template.lines().chain(entry_point.lines()).collect();
    let mut body = String::new();
    expand(&lines, definitions, &mut body);
    for buffer in declarations.iter().filter(|buffer| buffer.n_parts > 1) {
        body = parts::spread(&body, buffer, part_bytes);
    }
    text += &body;
    add_functions(&mut text);
    text
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    text.write_fmt(arguments).unwrap_or_default();
}

fn expand(lines: &[&str], definitions: &Definitions, out: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        let trimmed = line.trim_start();
        let Some(directive) = trimmed.strip_prefix("//#") else {
            if !trimmed.starts_with("//") {
                out.push_str(&substitute(line, definitions));
                out.push('\n');
            }
            continue;
        };
        let (otherwise, end) = block(lines, at);
        let words: Vec<&str> = directive.split_whitespace().collect();
        match words[..] {
            ["if", name] => {
                let is_set = definitions.get(name).is_some_and(|value| value != "0");
                let chosen = match (is_set, otherwise) {
                    (true, middle) => at..middle.unwrap_or(end),
                    (false, Some(middle)) => middle + 1..end,
                    (false, None) => end..end,
                };
                expand(&lines[chosen], definitions, out);
            }
            ["each", variable, name] => {
                let count = definitions.get(name).and_then(|value| value.parse().ok()).unwrap_or(0_usize);
                let mut inner = definitions.clone();
                for index in 0..count {
                    inner.insert(variable.to_owned(), index.to_string());
                    expand(&lines[at..end], &inner, out);
                }
            }
            _ => {}
        }
        at = end + 1;
    }
}

/// Lines of the `//#else` and the `//#end` that belong to the directive whose body starts at `start`.
fn block(lines: &[&str], start: usize) -> (Option<usize>, usize) {
    let mut depth = 0;
    let mut otherwise = None;
    for (offset, line) in lines[start..].iter().enumerate() {
        match line.trim_start().strip_prefix("//#").map(str::trim) {
            Some("end") if depth == 0 => return (otherwise, start + offset),
            Some("end") => depth -= 1,
            Some("else") if depth == 0 => otherwise = Some(start + offset),
            Some("else") | None => {}
            Some(_) => depth += 1,
        }
    }
    (otherwise, lines.len())
}

fn substitute(line: &str, definitions: &Definitions) -> String {
    let mut parts = line.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let length = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
        let (name, rest) = part.split_at(length);
        out.push_str(definitions.get(name).map_or(name, String::as_str));
        out.push_str(rest);
    }
    out
}

/// Appends the functions that a text calls, and those that they call.
fn add_functions(text: &mut String) {
    let functions: Vec<(&str, &str)> = FUNCTIONS
        .split("\nfn ")
        .skip(1)
        .filter_map(|function| Some((&function[..=function.find('(')?], function)))
        .collect();
    let mut is_added = vec![false; functions.len()];
    loop {
        let missing =
            functions.iter().enumerate().position(|(index, (call, _))| !is_added[index] && calls(text, call));
        let Some(index) = missing else { return };
        is_added[index] = true;
        let lines: Vec<&str> =
            functions[index].1.trim_end().lines().filter(|line| !line.starts_with("//")).collect();
        push(text, format_args!("fn {}\n", lines.join("\n").trim_end()));
    }
}

/// True when `call`, a name with its opening parenthesis, is in a text as a word of its own.
fn calls(text: &str, call: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(call).any(|(at, _)| !text[..at].ends_with(is_word))
}
