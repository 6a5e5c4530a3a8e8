//! Builds the ONNX files of models whose packages ship bare weights.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::exit::Failure;
use crate::zoo::cache::disk_failure;

/// Needs only Python's standard library, which pip has anyway.
const SCRIPT: &str = include_str!("../../recipes/build.py");

/// The file that a recipe makes of `weights`; it and a copy of the weights are in the folder `scratch`.
///
/// # Errors
/// Python is missing, the weights are not what the recipe takes, the disk is full.
pub(super) fn build(recipe: &str, weights: &mut dyn Read, scratch: &Path) -> anyhow::Result<File> {
    let describe = || disk_failure(scratch);
    let [input, output] = ["weights", "model.onnx"].map(|name| scratch.join(format!("{recipe}.{name}")));
    let mut file = File::create(&input).with_context(describe)?;
    io::copy(weights, &mut file).with_context(describe)?;
    let ended = Command::new("python3")
        .args(["-I", "-c", SCRIPT, recipe])
        .args([&input, &output])
        .stdin(Stdio::null())
        .output()
        .with_context(|| Failure::environment("cannot run python3").hint("install Python 3"))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").trim();
        return Err(Failure::environment(format!("recipe {recipe} failed: {last}"))
            .hint("the package is not the one the recipe was written for, or the disk is full")
            .into());
    }
    File::open(&output).with_context(describe)
}

#[cfg(test)]
mod tests;
