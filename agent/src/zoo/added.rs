//! Models that a person added: the list beside the cached files, in the form of `models.toml`.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::zoo::Cache;
use crate::zoo::cache::disk_failure;
use crate::zoo::manifest::{Entry, EntryKind, ModelFacts, Source};

#[derive(Default, Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    model: Vec<AddedTable>,
}

#[derive(Serialize, Deserialize)]
struct AddedTable {
    id: String,
    from: String,
    licence: String,
    sha256: String,
    size: u64,
    #[serde(flatten)]
    facts: ModelFacts,
}

/// Models added so far.
///
/// # Errors
/// The list cannot be read or is not what this program wrote.
pub(crate) fn read(cache: &Cache) -> anyhow::Result<Vec<Entry>> {
    Ok(document(cache)?.model.into_iter().map(Entry::from).collect())
}

/// Adds a model to the list, in place of one with the same id.
///
/// # Errors
/// The list cannot be read or written.
pub(crate) fn write(cache: &Cache, entry: &Entry, facts: &ModelFacts, from: &str) -> anyhow::Result<()> {
    let mut document = document(cache)?;
    document.model.retain(|model| model.id != entry.id);
    document.model.push(AddedTable {
        id: entry.id.clone(),
        from: from.to_owned(),
        licence: entry.licence.clone(),
        sha256: entry.sha256.clone(),
        size: entry.size_bytes,
        facts: facts.clone(),
    });
    let text = toml::to_string(&document).context("cannot write the list of added models")?;
    let folder = cache.models();
    let describe = || disk_failure(&folder);
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(&folder).with_context(describe)?;
    file.write_all(text.as_bytes()).with_context(describe)?;
    file.persist(path(cache)).map_err(|error| error.error).with_context(describe)?;
    Ok(())
}

fn path(cache: &Cache) -> PathBuf {
    cache.models().join("added.toml")
}

fn document(cache: &Cache) -> anyhow::Result<Document> {
    let path = path(cache);
    let describe = || {
        Failure::environment(format!("cannot read the list of added models {}", path.display()))
            .hint("repair or delete that file; the built-in models are not in it")
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Document::default()),
        Err(error) => return Err(error).with_context(describe),
    };
    toml::from_str(&text).with_context(describe)
}

impl From<AddedTable> for Entry {
    fn from(table: AddedTable) -> Self {
        Self {
            id: table.id,
            kind: EntryKind::Model(table.facts),
            licence: table.licence,
            sha256: table.sha256,
            size_bytes: table.size,
            source: Source::Added(table.from),
        }
    }
}
