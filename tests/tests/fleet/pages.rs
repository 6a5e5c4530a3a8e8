//! The agent's pages with a worker that a test can make fail, lie, dawdle or hoard.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;

/// A copy of `www` whose worker is `faulty-worker.js`.
pub(crate) struct Pages {
    folder: tempfile::TempDir,
}

impl Pages {
    /// Every browser behaves.
    pub(crate) fn write() -> Result<Self> {
        let www = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www").canonicalize()?;
        let folder = tempfile::tempdir()?;
        link_all(&www, folder.path(), "pkg")?;
        let pkg = folder.path().join("pkg");
        fs::create_dir(&pkg)?;
        link_all(&www.join("pkg"), &pkg, "worker.js")?;
        symlink(www.join("pkg/worker.js"), pkg.join("engine-worker.js"))?;
        fs::write(pkg.join("worker.js"), include_str!("../../www/faulty-worker.js"))?;
        let pages = Self { folder };
        pages.make("no browser", "well")?;
        Ok(pages)
    }

    /// What becomes of the answers of this browser's workers from now on; every other browser behaves.
    pub(crate) fn make(&self, browser: &str, behaviour: &str) -> Result<()> {
        let file = self.folder.path().join("behaviour.json");
        let next = self.folder.path().join("behaviour.next");
        fs::write(&next, json!({ browser: behaviour }).to_string())?;
        // In one step: it may be read at any time.
        Ok(fs::rename(next, file)?)
    }

    pub(crate) fn path(&self) -> Result<&str> {
        self.folder.path().to_str().context("the path is text")
    }
}

/// Links to everything in `from` but `except`, in `to`.
fn link_all(from: &Path, to: &Path, except: &str) -> Result<()> {
    let entries: Vec<PathBuf> = fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    for path in entries {
        let name = path.file_name().context("an entry has a name")?;
        if name != except {
            symlink(&path, to.join(name))?;
        }
    }
    Ok(())
}
