//! Finds models and test data in the cache outside the repository.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// As much of `agent/models.toml` as the suites need.
#[derive(Debug, Deserialize)]
pub struct Zoo {
    /// ONNX files.
    pub model: Vec<File>,
    /// Tokenizers, configurations, test data.
    pub asset: Vec<File>,
    /// Chains of files.
    pub pipeline: Vec<Pipeline>,
}

/// One file of the cache.
#[derive(Debug, Deserialize)]
pub struct File {
    /// Short id.
    pub id: String,
    /// Lower-case hex SHA-256, the file's name in the cache.
    pub sha256: String,
}

/// One chain of files.
#[derive(Debug, Deserialize)]
pub struct Pipeline {
    /// Short id.
    pub id: String,
    /// Which chain it is.
    pub kind: wire::PipelineKind,
    /// Its files, in the order that the engine expects.
    pub parts: Vec<Part>,
}

/// One file's place in a chain.
#[derive(Debug, Deserialize)]
pub struct Part {
    /// Role, e.g. `tokenizer`.
    pub role: String,
    /// Id of the model or asset.
    pub from: String,
}

impl Zoo {
    /// The zoo that the agent offers.
    ///
    /// # Errors
    /// `agent/models.toml` does not have the expected form.
    pub fn read() -> Result<Self> {
        toml::from_str(include_str!("../../agent/models.toml")).context("agent/models.toml")
    }

    /// The file with this id.
    ///
    /// # Errors
    /// There is none.
    pub fn file(&self, id: &str) -> Result<&File> {
        let mut files = self.model.iter().chain(&self.asset);
        files.find(|file| file.id == id).with_context(|| format!("agent/models.toml has no \"{id}\""))
    }
}

impl File {
    /// The file's bytes.
    ///
    /// # Errors
    /// The cache does not have the file.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let path = folder()?.join(&self.sha256);
        std::fs::read(&path).with_context(|| {
            format!(
                "{} ({}) cannot be read\nhint: cargo run -p tabpool -- model fetch --test-data",
                self.id,
                path.display()
            )
        })
    }
}

/// Bytes of the model or asset with this id.
///
/// # Errors
/// The id is unknown, or the cache does not have the file.
pub fn bytes(id: &str) -> Result<Vec<u8>> {
    Zoo::read()?.file(id)?.bytes()
}

/// Folder of the package from npm whose name starts with `name`, the last of several.
///
/// # Errors
/// The cache does not have it.
pub fn package(name: &str) -> Result<PathBuf> {
    let packages = folder()?.with_file_name("packages");
    let entries = std::fs::read_dir(&packages).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| {
        path.is_dir() && path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name))
    };
    entries.filter(is_it).max().with_context(|| format!("{} has no {name}", packages.display()))
}

/// The folder of everything that is fetched or built once.
///
/// # Errors
/// The environment names no home.
pub fn home() -> Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(cache.join("tabpool"))
}

fn folder() -> Result<PathBuf> {
    Ok(home()?.join("models"))
}
