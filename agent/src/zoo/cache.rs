//! The cache outside the repository: files named by their SHA-256, written whole or not at all.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::exit::Failure;
use crate::zoo::manifest::Entry;

/// How the names of scratch folders begin; the id of their process follows.
const SCRATCH: &str = ".download-";

/// `${XDG_CACHE_HOME:-~/.cache}/tabpool`.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// A file that was put into the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Lower-case hex SHA-256.
    pub(crate) sha256: String,
    /// Size, bytes.
    pub(crate) size_bytes: u64,
}

impl Cache {
    /// The cache of the current user.
    ///
    /// # Errors
    /// Neither `XDG_CACHE_HOME` nor `HOME` is set.
    pub(crate) fn of_user() -> anyhow::Result<Self> {
        Ok(Self::at(user_directory("XDG_CACHE_HOME", ".cache")?))
    }

    /// A cache in the folder `root`, which need not exist yet.
    pub(crate) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where models and assets are, each named by its SHA-256.
    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Where unpacked packages are.
    pub(crate) fn packages(&self) -> PathBuf {
        self.root.join("packages")
    }

    /// A new folder for a download, removed when the value is dropped. Those of processes that were killed go now.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub(crate) fn scratch(&self) -> anyhow::Result<tempfile::TempDir> {
        let folder = self.packages();
        let describe = || disk_failure(&folder);
        fs::create_dir_all(&folder).with_context(describe)?;
        for entry in fs::read_dir(&folder).with_context(describe)?.flatten() {
            if entry.file_name().to_str().is_some_and(is_abandoned) {
                match fs::remove_dir_all(entry.path()) {
                    // Another process was quicker.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    result => result.with_context(describe)?,
                }
            }
        }
        let prefix = format!("{SCRATCH}{}-", std::process::id());
        tempfile::Builder::new().prefix(&prefix).tempdir_in(&folder).with_context(describe)
    }

    /// Where browsers that no package manager installs are.
    pub(crate) fn browsers(&self) -> PathBuf {
        self.root.join("browsers")
    }

    /// Where driver programs built by the set-up are.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("tools/bin")
    }

    /// Where the file with this hash is or would be.
    pub(crate) fn model_path(&self, sha256: &str) -> PathBuf {
        self.models().join(sha256)
    }

    /// True when the entry's file is there with the right size. Readers verify the hash, as [`Cache::has_intact`] does.
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        fs::metadata(self.model_path(&entry.sha256))
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == entry.size_bytes)
    }

    /// True when the entry's file is there and its bytes are the right ones.
    pub(crate) fn has_intact(&self, entry: &Entry) -> bool {
        let hash = || -> io::Result<String> {
            let mut file = fs::File::open(self.model_path(&entry.sha256))?;
            let mut hasher = content::Hasher::default();
            let mut buffer = vec![0; 1 << 20];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(hasher.finish()),
                    n => hasher.update(&buffer[..n]),
                }
            }
        };
        // What cannot be read is fetched again, and that says what is wrong.
        self.has(entry) && hash().is_ok_and(|sha256| sha256 == entry.sha256)
    }

    /// Copies `source` into the cache under its hash, which must be `expected` when that is given.
    ///
    /// # Errors
    /// A hash that differs, a full disk, a cache that cannot be written; nothing is left behind.
    pub(crate) fn store(&self, source: &mut impl Read, expected: Option<&str>) -> anyhow::Result<Stored> {
        let folder = self.models();
        let describe = || disk_failure(&folder);
        fs::create_dir_all(&folder).with_context(describe)?;
        let mut file =
            tempfile::Builder::new().prefix(".part-").tempfile_in(&folder).with_context(describe)?;
        let mut hasher = content::Hasher::default();
        let mut size_bytes = 0;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("cannot read the file to store"),
            };
            hasher.update(&buffer[..n]);
            file.write_all(&buffer[..n]).with_context(describe)?;
            size_bytes += n as u64;
        }
        let sha256 = hasher.finish();
        if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&sha256)) {
            return Err(Failure::environment(format!("SHA-256 is {sha256}, expected {expected}"))
                .hint("the source changed or was damaged on the way; it was not stored")
                .into());
        }
        file.as_file().sync_all().with_context(describe)?;
        file.persist(self.model_path(&sha256)).map_err(|error| error.error).with_context(describe)?;
        Ok(Stored { sha256, size_bytes })
    }
}

/// True for the name of a scratch folder whose process is gone.
fn is_abandoned(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(SCRATCH) else { return false };
    let process = rest.split('-').next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
    // A process of somebody else may not be asked, but lives.
    process.is_none_or(|process| matches!(test_kill_process(process), Err(Errno::SRCH)))
}

/// The folder `tabpool` in the base directory that `variable` names, or else in `fallback` under the home.
///
/// # Errors
/// Neither the variable nor `HOME` is set.
pub(crate) fn user_directory(variable: &str, fallback: &str) -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set(variable).or_else(|| Some(set("HOME")?.join(fallback))).ok_or_else(|| {
        Failure::environment(format!("neither {variable} nor HOME is set")).hint(format!("set {variable}"))
    })?;
    Ok(base.join("tabpool"))
}

/// The context of an error while writing below `folder`.
pub(crate) fn disk_failure(folder: &Path) -> Failure {
    Failure::environment(format!("cannot write to {}", folder.display()))
        .hint("check free space and permissions, or set XDG_CACHE_HOME to another place")
}

#[cfg(test)]
mod tests;
