//! Browsers: which ones tabpool knows, where they are, how they are launched, and how they are cleaned up.

mod flags;
pub(crate) mod launch;
pub(crate) mod leash;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::zoo::Cache;

pub(crate) use launch::{Launcher, Running};

/// What a browser is built on; decides its command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Chromium and what is made from it.
    Chromium,
    /// Firefox.
    Firefox,
    /// WebKitGTK's `MiniBrowser`.
    Webkit,
}

/// A browser that tabpool can launch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Short name: the one on the command line, in records and in the database.
    pub(crate) name: &'static str,
    /// What it is built on.
    pub(crate) family: Family,
    /// Environment variable that names its program, in place of every other place.
    pub(crate) variable: &'static str,
    /// Names of its program on `PATH`.
    programs: &'static [&'static str],
    /// How to get it.
    pub(crate) hint: &'static str,
}

/// Every browser that tabpool knows, in the order of tables.
pub(crate) const KINDS: [Kind; 6] = [
    Kind {
        name: "chromium",
        family: Family::Chromium,
        variable: "TABPOOL_CHROMIUM",
        programs: &["chromium", "chromium-browser"],
        hint: "Debian: apt-get install chromium",
    },
    Kind {
        name: "chromium-webnn",
        family: Family::Chromium,
        variable: "TABPOOL_CHROMIUM_WEBNN",
        programs: &[],
        hint: "a Chromium build with WebNN; `make setup` puts it into the cache",
    },
    Kind {
        name: "firefox",
        family: Family::Firefox,
        variable: "TABPOOL_FIREFOX",
        programs: &["firefox-esr", "firefox"],
        hint: "Debian: apt-get install firefox-esr",
    },
    Kind {
        name: "webkit",
        family: Family::Webkit,
        variable: "TABPOOL_WEBKIT",
        programs: &["MiniBrowser"],
        hint: "Debian: apt-get install --no-install-recommends webkit2gtk-driver xvfb",
    },
    Kind {
        name: "chrome",
        family: Family::Chromium,
        variable: "TABPOOL_CHROME",
        programs: &["google-chrome", "google-chrome-stable"],
        hint: "install it from its maker; Debian does not package it",
    },
    Kind {
        name: "edge",
        family: Family::Chromium,
        variable: "TABPOOL_EDGE",
        programs: &["microsoft-edge", "microsoft-edge-stable"],
        hint: "install it from its maker; Debian does not package it",
    },
];

/// A browser on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Which one.
    pub(crate) kind: &'static Kind,
    /// Its program.
    pub(crate) program: PathBuf,
}

impl Kind {
    /// Looks for the browser on this machine.
    pub(crate) fn find(&'static self, cache: &Cache) -> Option<Found> {
        let program = match env::var_os(self.variable).filter(|value| !value.is_empty()) {
            Some(named) => Some(PathBuf::from(named)).filter(|path| path.is_file()),
            None => self
                .programs
                .iter()
                .find_map(|program| find_program(program))
                .or_else(|| self.fixed_places(cache).into_iter().find(|path| path.is_file())),
        };
        program.map(|program| Found { kind: self, program })
    }

    /// Places off `PATH` where the browser may be.
    fn fixed_places(&self, cache: &Cache) -> Vec<PathBuf> {
        if self.name == "chromium-webnn" {
            return vec![cache.browsers().join("chromium-webnn/headless_shell")];
        }
        if self.family != Family::Webkit {
            return Vec::new();
        }
        // Distributions put it below a folder that names the machine's architecture.
        let architectures =
            fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
        let folders = architectures.chain(["/usr/lib", "/usr/libexec", "/usr/lib64"].map(PathBuf::from));
        let versions = ["webkitgtk-6.0", "webkit2gtk-4.1", "webkit2gtk-4.0"];
        folders.flat_map(|folder| versions.map(|version| folder.join(version).join("MiniBrowser"))).collect()
    }
}

/// The browsers that `names` asks for, or every one on this machine.
///
/// # Errors
/// A name that no browser has, a named browser that is not here, or no browser at all.
pub(crate) fn select(names: &[String], cache: &Cache) -> anyhow::Result<Vec<Found>> {
    if names.is_empty() {
        let found: Vec<Found> = KINDS.iter().filter_map(|kind| kind.find(cache)).collect();
        if found.is_empty() {
            return Err(Failure::environment("there is no browser on this machine")
                .hint("`tabpool doctor` says which browsers it knows and how to get them")
                .into());
        }
        return Ok(found);
    }
    names.iter().map(|name| named(name, cache)).collect()
}

/// Switches, preferences and variables that a browser is launched with; none for one that tabpool does not know.
pub(crate) fn flags_of(name: &str) -> Option<String> {
    KINDS.iter().find(|kind| kind.name == name).map(flags::described)
}

fn named(name: &str, cache: &Cache) -> anyhow::Result<Found> {
    let kind = KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        Failure::usage(format!("there is no browser {name:?}"))
            .hint(format!("the names are {}", known.join(", ")))
    })?;
    let found = kind.find(cache).ok_or_else(|| {
        Failure::environment(format!("{name} is not on this machine"))
            .hint(format!("{}; {} names its program elsewhere", kind.hint, kind.variable))
    })?;
    Ok(found)
}

/// The first file of that name on `PATH`.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    search(&env::var_os("PATH")?, program)
}

fn search(path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;
