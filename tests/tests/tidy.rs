//! Rules of the source tree that a machine can check: edges between crates, first lines, names and sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Edges between our crates. A new edge is one reviewed line here.
const EDGES: &[(&str, &[&str])] = &[
    ("shared/pool", &["stats"]),
    ("shared/stats", &[]),
    ("shared/model", &[]),
    ("shared/content", &[]),
    ("shared/wire", &["pool"]),
    ("coordinator-wasm", &["pool", "stats", "content", "wire"]),
    ("coordinator-wasm/engine", &["model", "content", "wire"]),
    ("coordinator-wasm/bundler", &[]),
    ("agent", &["pool", "stats", "model", "content", "wire"]),
    ("tests", &["pool", "stats", "model", "content", "wire", "engine"]),
];

/// Outside crates that the pure crates may use; the others choose freely within the root manifest.
const PURE_DEPENDENCIES: &[(&str, &[&str])] = &[
    ("shared/pool", &[]),
    ("shared/stats", &["libm"]),
    ("shared/model", &["rten-onnx", "thiserror"]),
    ("shared/content", &["sha2", "thiserror"]),
    ("shared/wire", &["serde", "serde_json", "thiserror"]),
];

const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "common", "misc", "helpers", "types", "prelude"];
const MAX_LINES: usize = 1000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate sits in the workspace").to_owned()
}

fn manifest(folder: &str) -> toml::Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names in `[dependencies]`, including those of `[target.*]`.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let targets =
        manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    let tables = targets.filter_map(toml::Value::as_table).chain(std::iter::once(manifest));
    let sections = tables.filter_map(|table| table.get("dependencies").and_then(toml::Value::as_table));
    sections.flat_map(|section| section.keys().cloned()).collect()
}

/// Files that git tracks or would track, below `root()`, ending in `suffix`.
fn source_files(suffix: &str) -> Vec<PathBuf> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the source tree");
    assert!(output.status.success(), "git ls-files failed");
    let listing = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let files = listing.lines().filter(|line| line.ends_with(suffix)).map(|line| root().join(line));
    files.filter(|path| path.exists()).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[track_caller]
fn check_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn edges_between_crates_are_the_reviewed_ones() {
    let workspace = manifest(".");
    let ours: BTreeSet<String> = workspace["workspace"]["dependencies"]
        .as_table()
        .expect("a table")
        .iter()
        .filter(|(_, value)| value.get("path").is_some())
        .map(|(name, _)| name.clone())
        .collect();
    let mut offences = Vec::new();
    for (folder, allowed) in EDGES {
        for name in dependencies(&manifest(folder)) {
            if ours.contains(&name) && !allowed.contains(&name.as_str()) {
                offences.push(format!("{folder} may not use {name}"));
            }
        }
    }
    check_none(&offences);
}

#[test]
fn every_member_is_in_the_edge_table() {
    let workspace = manifest(".");
    let members = workspace["workspace"]["members"].as_array().expect("an array");
    let members: BTreeSet<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    assert_eq!(members, EDGES.iter().map(|(folder, _)| *folder).collect());
}

#[test]
fn pure_crates_use_few_outside_crates() {
    let edges: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut offences = Vec::new();
    for (folder, allowed) in PURE_DEPENDENCIES {
        for name in dependencies(&manifest(folder)) {
            if !allowed.contains(&name.as_str()) && !edges[folder].contains(&name.as_str()) {
                offences.push(format!("{folder} may not use {name}"));
            }
        }
    }
    check_none(&offences);
}

#[test]
fn a_crates_sentence_is_the_same_everywhere() {
    let architecture =
        std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let mut offences = Vec::new();
    for (folder, _) in EDGES {
        let manifest = manifest(folder);
        let sentence = manifest["package"]["description"].as_str().expect("a description");
        let crate_root = ["src/lib.rs", "src/main.rs"].map(|file| root().join(folder).join(file));
        let crate_root = crate_root.iter().find(|path| path.exists()).expect("a crate root");
        let source = std::fs::read_to_string(crate_root).expect("readable");
        if source.lines().next() != Some(&format!("//! {sentence}")) {
            offences.push(format!("{}: first line is not `//! {sentence}`", shown(crate_root)));
        }
        if !architecture.contains(sentence) {
            offences.push(format!("ARCHITECTURE.md: does not say of {folder}: {sentence}"));
        }
        if sentence.contains(" and ") {
            offences.push(format!("{folder}: its sentence has an `and`: {sentence}"));
        }
    }
    check_none(&offences);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut offences = Vec::new();
    for (suffix, opening) in [(".rs", "//! "), (".wgsl", "// "), (".js", "// "), (".mjs", "// ")] {
        for path in source_files(suffix) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let text = text.trim_start_matches("#!/usr/bin/env node\n");
            if !text.starts_with(opening) {
                offences.push(format!("{}: first line does not start with `{opening}`", shown(&path)));
            }
        }
    }
    check_none(&offences);
}

#[test]
fn files_are_named_and_sized_for_a_reader() {
    let mut offences = Vec::new();
    for path in source_files(".rs") {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if FORBIDDEN_NAMES.contains(&stem.as_str()) {
            offences.push(format!("{}: a name that says nothing", shown(&path)));
        }
        // Cargo takes every file directly in `tests/` for a test, so what tests share is `tests/foo/mod.rs`.
        if stem == "mod" && !shown(&path).contains("/tests/") {
            offences.push(format!("{}: use `foo.rs` beside `foo/`", shown(&path)));
        }
        let n_lines = std::fs::read_to_string(&path).unwrap_or_default().lines().count();
        if n_lines > MAX_LINES {
            offences.push(format!("{}: {n_lines} lines, the end is {MAX_LINES}", shown(&path)));
        }
    }
    check_none(&offences);
}
