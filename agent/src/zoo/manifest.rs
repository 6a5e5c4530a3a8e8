//! Reads and checks `models.toml`.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use wire::{PipelineKind, Precision, TensorHeader};

/// Job families that models and pipelines belong to.
const FAMILIES: [&str; 6] = ["text", "text_embedding", "text_generation", "vision", "audio", "multimodal"];

/// Everything in one `models.toml`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// Models and assets, in the order of the file.
    pub(crate) entries: Vec<Entry>,
    /// Chains over the entries.
    pub(crate) pipelines: Vec<Pipeline>,
}

/// One file with a name and a hash.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Unique among models, assets and pipelines.
    pub(crate) id: String,
    /// What the file is for.
    pub(crate) kind: EntryKind,
    /// Licence as the package declares it.
    pub(crate) licence: String,
    /// Lower-case hex SHA-256.
    pub(crate) sha256: String,
    /// File size, bytes.
    pub(crate) size_bytes: u64,
    /// Where the bytes come from.
    pub(crate) source: Source,
}

/// What a file is for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum EntryKind {
    /// An ONNX file.
    Model(ModelFacts),
    /// A file that a pipeline needs beside its models.
    Asset,
    /// A file that only the tests need.
    TestData,
}

/// What is known of a model beyond its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelFacts {
    /// Job family.
    pub(crate) family: String,
    /// Precision of the weights.
    pub(crate) precision: Precision,
    /// Input contract; a symbolic dimension is 0.
    pub(crate) inputs: Vec<TensorHeader>,
    /// Output contract; a symbolic dimension is 0.
    pub(crate) outputs: Vec<TensorHeader>,
}

/// Where the bytes of a file come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// A registry package.
    Package(PackageFile),
    /// `model add`; the text says from where.
    Added(String),
}

/// A file inside a registry package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct PackageFile {
    /// Which registry, and so which client.
    #[serde(default)]
    pub(crate) registry: Registry,
    /// Package name.
    pub(crate) package: String,
    /// Exact version.
    pub(crate) version: String,
    /// Path inside the package; `None` names the package file itself.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// Recipe of `recipes/build.py` that makes the entry's file from that one; `None` when it is that one.
    #[serde(default)]
    pub(crate) recipe: Option<String>,
}

/// Registries that files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Registry {
    /// Python packages, through pip.
    #[default]
    Pypi,
    /// JavaScript packages, through npm.
    Npm,
}

impl fmt::Display for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pypi => "pypi",
            Self::Npm => "npm",
        })
    }
}

/// A chain of models with pre- and post-processing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pipeline {
    /// Unique among models, assets and pipelines.
    pub(crate) id: String,
    /// One line for a person.
    pub(crate) title: String,
    /// Job family.
    pub(crate) family: String,
    /// Which chain it is.
    pub(crate) kind: PipelineKind,
    /// Files in the order that the engine expects.
    pub(crate) parts: Vec<Part>,
}

/// One file of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Role, e.g. `detector`.
    pub(crate) role: String,
    /// Id of a model or asset.
    pub(crate) from: String,
}

/// Why a `models.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    /// Not TOML, or a field is missing or has the wrong type.
    #[error("cannot parse: {0}")]
    Parse(#[from] toml::de::Error),
    /// Two things share an id.
    #[error("id {0} is used twice")]
    DuplicateId(String),
    /// A hash that is none.
    #[error("{id}: {value:?} is not a SHA-256 in lower-case hex")]
    Hash {
        /// Whose hash.
        id: String,
        /// What is there.
        value: String,
    },
    /// A job family that does not exist.
    #[error("{id}: unknown family {family:?}")]
    Family {
        /// Whose family.
        id: String,
        /// What is there.
        family: String,
    },
    /// A pipeline part that names nothing.
    #[error("{id}: part {from:?} is not a model or asset")]
    Part {
        /// Which pipeline.
        id: String,
        /// What it names.
        from: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    model: Vec<ModelTable>,
    #[serde(default)]
    asset: Vec<AssetTable>,
    #[serde(default)]
    pipeline: Vec<Pipeline>,
}

#[derive(Deserialize)]
struct ModelTable {
    id: String,
    licence: String,
    sha256: String,
    size: u64,
    #[serde(flatten)]
    facts: ModelFacts,
    #[serde(flatten)]
    file: PackageFile,
}

#[derive(Deserialize)]
struct AssetTable {
    id: String,
    kind: AssetKind,
    licence: String,
    sha256: String,
    size: u64,
    #[serde(flatten)]
    file: PackageFile,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AssetKind {
    Tokenizer,
    Config,
    TestData,
}

impl Manifest {
    /// The `models.toml` that this program was built with.
    ///
    /// # Errors
    /// As [`Manifest::parse`].
    pub(crate) fn built_in() -> Result<Self, ManifestError> {
        Self::parse(include_str!("../../models.toml"))
    }

    /// Reads and checks the text of a `models.toml`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, ManifestError> {
        let Document { model, asset, pipeline: pipelines } = toml::from_str(text)?;
        let models = model.into_iter().map(Entry::from);
        let entries: Vec<Entry> = models.chain(asset.into_iter().map(Entry::from)).collect();
        let manifest = Self { entries, pipelines };
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let file_ids: BTreeSet<&str> = self.entries.iter().map(|entry| entry.id.as_str()).collect();
        let mut seen = BTreeSet::new();
        let ids = self.entries.iter().map(|entry| &entry.id).chain(self.pipelines.iter().map(|p| &p.id));
        for id in ids {
            if !seen.insert(id) {
                return Err(ManifestError::DuplicateId(id.clone()));
            }
        }
        for entry in &self.entries {
            let is_lower_case = !entry.sha256.bytes().any(|byte| byte.is_ascii_uppercase());
            if !(content::is_sha256_hex(&entry.sha256) && is_lower_case) {
                return Err(ManifestError::Hash { id: entry.id.clone(), value: entry.sha256.clone() });
            }
            if let EntryKind::Model(facts) = &entry.kind {
                check_family(&entry.id, &facts.family)?;
            }
        }
        for pipeline in &self.pipelines {
            check_family(&pipeline.id, &pipeline.family)?;
            if let Some(part) = pipeline.parts.iter().find(|part| !file_ids.contains(part.from.as_str())) {
                return Err(ManifestError::Part { id: pipeline.id.clone(), from: part.from.clone() });
            }
        }
        Ok(())
    }
}

fn check_family(id: &str, family: &str) -> Result<(), ManifestError> {
    if FAMILIES.contains(&family) {
        Ok(())
    } else {
        Err(ManifestError::Family { id: id.to_owned(), family: family.to_owned() })
    }
}

impl From<ModelTable> for Entry {
    fn from(table: ModelTable) -> Self {
        Self {
            id: table.id,
            kind: EntryKind::Model(table.facts),
            licence: table.licence,
            sha256: table.sha256,
            size_bytes: table.size,
            source: Source::Package(table.file),
        }
    }
}

impl From<AssetTable> for Entry {
    fn from(table: AssetTable) -> Self {
        Self {
            id: table.id,
            kind: match table.kind {
                AssetKind::Tokenizer | AssetKind::Config => EntryKind::Asset,
                AssetKind::TestData => EntryKind::TestData,
            },
            licence: table.licence,
            sha256: table.sha256,
            size_bytes: table.size,
            source: Source::Package(table.file),
        }
    }
}

#[cfg(test)]
mod tests;
