//! Brings files of the zoo into the cache, one package at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::exit::Failure;
use crate::zoo::Cache;
use crate::zoo::cache::disk_failure;
use crate::zoo::manifest::{Entry, PackageFile, Registry, Source};
use crate::zoo::package::{self, Package};
use crate::zoo::recipe;

/// onnxruntime-web, the peer that `bench` compares with.
const ORT_WEB: (&str, &str) = ("onnxruntime-web", "1.30.0");

/// Entries that are not in the cache, or not intact, grouped by the package that holds them.
pub(crate) fn missing<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    cache: &Cache,
) -> BTreeMap<Package, Vec<&'a Entry>> {
    let mut packages: BTreeMap<Package, Vec<&Entry>> = BTreeMap::new();
    for entry in entries.into_iter().filter(|entry| !cache.has_intact(entry)) {
        if let Source::Package(file) = &entry.source {
            let package = Package {
                registry: file.registry,
                name: file.package.clone(),
                version: file.version.clone(),
            };
            packages.entry(package).or_default().push(entry);
        }
    }
    packages
}

/// Downloads one package and stores the wanted files of it.
///
/// # Errors
/// The client is missing or fails, the package lacks a file, a hash differs, the disk is full.
pub(crate) fn fetch(package: &Package, wanted: &[&Entry], cache: &Cache) -> anyhow::Result<()> {
    let folder = cache.scratch()?;
    let archive = package.download(folder.path())?;
    let mut left: BTreeSet<&str> = BTreeSet::new();
    let mut by_path: BTreeMap<&str, &Entry> = BTreeMap::new();
    for entry in wanted {
        left.insert(&entry.id);
        match &entry.source {
            Source::Package(file) => match &file.path {
                Some(path) => {
                    by_path.insert(path, entry);
                }
                None => {
                    let mut file =
                        File::open(&archive).with_context(|| format!("cannot open {}", archive.display()))?;
                    cache.store(&mut file, Some(&entry.sha256)).with_context(|| entry.id.clone())?;
                    left.remove(entry.id.as_str());
                }
            },
            Source::Added(_) => bail!("{} does not come from a package", entry.id),
        }
    }
    if !by_path.is_empty() {
        package::visit(&archive, |path, mut bytes| {
            if let Some(entry) = by_path.get(path) {
                store(entry, &mut bytes, folder.path(), cache).with_context(|| entry.id.clone())?;
                left.remove(entry.id.as_str());
            }
            Ok(())
        })
        .with_context(|| format!("in {package}"))?;
    }
    match left.first() {
        None => Ok(()),
        Some(id) => Err(Failure::environment(format!("{package} does not hold the file of {id}")).into()),
    }
}

/// Stores a file of a package, or what the entry's recipe makes of it.
fn store(entry: &Entry, bytes: &mut dyn Read, scratch: &Path, cache: &Cache) -> anyhow::Result<()> {
    match &entry.source {
        Source::Package(PackageFile { recipe: Some(recipe), .. }) => {
            let mut built = recipe::build(recipe, bytes, scratch)?;
            cache.store(&mut built, Some(&entry.sha256))?;
        }
        Source::Package(_) | Source::Added(_) => {
            cache.store(&mut { bytes }, Some(&entry.sha256))?;
        }
    }
    Ok(())
}

/// The folder with onnxruntime-web's `dist` files, downloaded when it is not there.
///
/// # Errors
/// npm is missing or fails, the disk is full.
pub(crate) fn ort_web(cache: &Cache) -> anyhow::Result<PathBuf> {
    let (name, version) = ORT_WEB;
    let target = cache.packages().join(format!("{name}-{version}"));
    if target.is_dir() {
        return Ok(target);
    }
    let folder = cache.scratch()?;
    let package = Package { registry: Registry::Npm, name: name.to_owned(), version: version.to_owned() };
    let archive = package.download(folder.path())?;
    let unpacked = folder.path().join("unpacked");
    let describe = || disk_failure(&unpacked);
    fs::create_dir_all(&unpacked).with_context(describe)?;
    package::visit(&archive, |path, mut bytes| {
        if let Some(name) = ort_web_file(path) {
            let mut file = File::create(unpacked.join(name)).with_context(describe)?;
            io::copy(&mut bytes, &mut file).with_context(describe)?;
        }
        Ok(())
    })
    .with_context(|| format!("in {package}"))?;
    fs::rename(&unpacked, &target).with_context(|| disk_failure(&target))?;
    Ok(target)
}

/// Name of a file of onnxruntime-web that a page may load: modules, wasm, and the manifest that says the version.
fn ort_web_file(path: &str) -> Option<&str> {
    if path == "package.json" {
        return Some(path);
    }
    let name = path.strip_prefix("dist/").filter(|name| !name.contains('/'))?;
    (name.starts_with("ort-wasm-") || name.ends_with(".min.mjs")).then_some(name)
}

#[cfg(test)]
mod tests;
