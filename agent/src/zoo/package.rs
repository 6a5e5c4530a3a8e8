//! Registry packages: downloaded with the registry's own client, read without unpacking them to disk.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::exit::Failure;
use crate::zoo::manifest::Registry;

/// The same wheel on every host: hashes are of one platform's files, and a model in it runs anywhere. A source package
/// would run its own code to be downloaded.
const PIP_WHEEL: [&str; 14] = [
    "--no-deps",
    "--only-binary=:all:",
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--platform",
    "manylinux_2_34_x86_64",
    "--platform",
    "manylinux_2_28_x86_64",
    "--platform",
    "manylinux2014_x86_64",
    "--platform",
    "any",
];

/// One version of one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    /// Which registry, and so which client.
    pub(crate) registry: Registry,
    /// Package name.
    pub(crate) name: String,
    /// Exact version.
    pub(crate) version: String,
}

impl std::fmt::Display for Package {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.name, self.version)
    }
}

impl Package {
    /// Downloads the package file into the empty folder `into` and returns its path.
    ///
    /// # Errors
    /// The client is missing, fails, or leaves no file.
    pub(crate) fn download(&self, into: &Path) -> anyhow::Result<PathBuf> {
        let (mut client, hint) = match self.registry {
            Registry::Pypi => {
                let mut pip = Command::new("python3");
                pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
                    .args(PIP_WHEEL)
                    .arg("--dest")
                    .arg(into)
                    .arg(format!("{}=={}", self.name, self.version));
                (pip, "install Python 3 with pip (Debian: apt-get install python3-pip)")
            }
            Registry::Npm => {
                let mut npm = Command::new("npm");
                npm.args(["pack", "--silent", "--pack-destination"])
                    .arg(into)
                    .arg(format!("{}@{}", self.name, self.version));
                (npm, "install Node.js with npm (Debian: apt-get install npm)")
            }
        };
        let program = client.get_program().to_string_lossy().into_owned();
        let output = client
            .stdin(Stdio::null())
            .output()
            .with_context(|| Failure::environment(format!("cannot run {program}")).hint(hint))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").trim();
            return Err(Failure::environment(format!("{program} could not download {self}: {last}"))
                .hint("check the network and the registry settings of that client")
                .into());
        }
        let first = fs::read_dir(into)?.next().transpose()?;
        Ok(first.with_context(|| format!("{program} left no file for {self}"))?.path())
    }
}

/// Calls `visit` with the path and the bytes of every regular file in the package at `archive`.
///
/// Paths are as the registry counts them: those of npm packages are relative to the `package/` folder inside.
///
/// # Errors
/// A file that is no package, or the first error of `visit`.
pub(crate) fn visit(
    archive: &Path,
    mut visit: impl FnMut(&str, &mut dyn Read) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let describe = || Failure::environment(format!("cannot read {}", archive.display()));
    let file = File::open(archive).with_context(describe)?;
    match archive.extension().and_then(OsStr::to_str) {
        Some("whl" | "zip") => {
            let mut zip = zip::ZipArchive::new(io::BufReader::new(file)).with_context(describe)?;
            for index in 0..zip.len() {
                let mut member = zip.by_index(index).with_context(describe)?;
                if member.is_file() {
                    let path = member.name().with_context(describe)?.into_owned();
                    visit(&path, &mut member)?;
                }
            }
        }
        Some("tgz" | "gz") => {
            let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(io::BufReader::new(file)));
            for member in tar.entries().with_context(describe)? {
                let mut member = member.with_context(describe)?;
                if member.header().entry_type().is_file() {
                    let path = member.path().with_context(describe)?.to_string_lossy().into_owned();
                    visit(path.strip_prefix("package/").unwrap_or(&path), &mut member)?;
                }
            }
        }
        Some(_) | None => bail!(describe()),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
