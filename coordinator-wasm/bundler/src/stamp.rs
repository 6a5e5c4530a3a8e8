//! Remembers which compiled module a bundled file was made from, and what it measured.

use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};

use crate::artefact::Profile;
use crate::sizes::Sizes;

/// Identity of one build of one module, as a line of text.
#[derive(Debug)]
pub(crate) struct Stamp(String);

impl Stamp {
    /// The stamp of `compiled`, bundled with `profile` as `bundled` by this build of the bundler.
    pub(crate) fn of(compiled: &Path, profile: Profile, bundled: &Path) -> Result<Self> {
        let [compiled, bundler] = [identity(compiled)?, identity(&std::env::current_exe()?)?];
        Ok(Self(format!("{profile:?} {compiled} {bundler} {}", bundled.display())))
    }

    /// The sizes measured last time, when `bundled` is there and was made from the same build.
    pub(crate) fn sizes_if_current(&self, stamp_path: &Path, bundled: &Path) -> Option<Sizes> {
        let text = std::fs::read_to_string(stamp_path).ok()?;
        let (stamp, sizes) = text.split_once('\n')?;
        if stamp != self.0 || !bundled.exists() {
            return None;
        }
        let mut sizes = sizes.split_whitespace().map_while(|word| word.parse().ok());
        Some(Sizes { raw: sizes.next()?, gzip: sizes.next()?, brotli: sizes.next()? })
    }

    /// Remembers that this build is bundled and has these sizes.
    pub(crate) fn write(&self, stamp_path: &Path, sizes: &Sizes) -> Result<()> {
        if let Some(folder) = stamp_path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let Sizes { raw, gzip, brotli } = sizes;
        std::fs::write(stamp_path, format!("{}\n{raw} {gzip} {brotli}\n", self.0))
            .with_context(|| format!("cannot write {}", stamp_path.display()))
    }
}

/// Length and time of change of a file.
fn identity(file: &Path) -> Result<String> {
    let metadata = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{} {}", metadata.len(), modified.as_nanos()))
}
