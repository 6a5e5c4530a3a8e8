//! Brings files of the zoo into the cache, one package at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::exit::Failure;
use crate::zoo::Cache;
use crate::zoo::manifest::{Entry, PackageFile, Source};
use crate::zoo::package::{self, Package};
use crate::zoo::recipe;

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

#[cfg(test)]
mod tests;
