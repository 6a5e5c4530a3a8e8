//! Engines that `bench` compares with: the files of their packages that a page loads.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use wire::PeerEngine;

use crate::zoo::Cache;
use crate::zoo::cache::disk_failure;
use crate::zoo::manifest::Registry;
use crate::zoo::package::{self, Package};

/// Name of a peer's folder, its packages on npm, and their version.
fn packages(peer: PeerEngine) -> (&'static str, &'static [&'static str], &'static str) {
    match peer {
        PeerEngine::OrtWeb => ("onnxruntime-web", &["onnxruntime-web"], "1.30.0"),
        PeerEngine::Tfjs => ("tfjs", &["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-webgpu"], "4.22.0"),
    }
}

/// The folder with the peer's files, downloaded when it is not there.
///
/// # Errors
/// npm is missing or fails, the disk is full.
pub(crate) fn folder(peer: PeerEngine, cache: &Cache) -> anyhow::Result<PathBuf> {
    let (title, names, version) = packages(peer);
    let target = cache.packages().join(format!("{title}-{version}"));
    if target.is_dir() {
        return Ok(target);
    }
    let scratch = cache.scratch()?;
    let unpacked = scratch.path().to_owned();
    let describe = || disk_failure(&unpacked);
    for name in names {
        let package =
            Package { registry: Registry::Npm, name: (*name).to_owned(), version: version.to_owned() };
        let download = cache.scratch()?;
        let archive = package.download(download.path())?;
        package::visit(&archive, |path, mut bytes| {
            if let Some(name) = file_name(peer, path) {
                let mut file = File::create(unpacked.join(name)).with_context(describe)?;
                io::copy(&mut bytes, &mut file).with_context(describe)?;
            }
            Ok(())
        })
        .with_context(|| format!("in {package}"))?;
    }
    fs::rename(&unpacked, &target).with_context(|| disk_failure(&target))?;
    Ok(target)
}

/// Name of a file that a page may load, from its path in the package: modules, scripts and wasm.
fn file_name(peer: PeerEngine, path: &str) -> Option<&str> {
    let name = path.strip_prefix("dist/").filter(|name| !name.contains('/'))?;
    let is_wanted = match peer {
        PeerEngine::OrtWeb => name.starts_with("ort-wasm-") || name.ends_with(".min.mjs"),
        PeerEngine::Tfjs => matches!(name, "tf-core.min.js" | "tf-backend-webgpu.min.js"),
    };
    is_wanted.then_some(name)
}

#[cfg(test)]
mod tests;
