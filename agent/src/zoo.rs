//! The models tabpool knows: what they are, where they come from, and which of them are on this machine.

pub(crate) mod added;
pub(crate) mod cache;
pub(crate) mod fetch;
pub(crate) mod manifest;
pub(crate) mod package;
pub(crate) mod peer;
mod recipe;

use anyhow::Context as _;
use wire::catalogue::PipelinePart;
use wire::{Catalogue, ModelCard, PipelineCard};

pub(crate) use cache::Cache;
use manifest::{Entry, EntryKind, Manifest, Pipeline};

/// The zoo in `models.toml` and the models a person added, seen through the cache.
#[derive(Debug, Clone)]
pub(crate) struct Zoo {
    entries: Vec<Entry>,
    pipelines: Vec<Pipeline>,
}

impl Zoo {
    /// The built-in zoo plus what `model add` put into `cache`.
    ///
    /// # Errors
    /// The list of added models cannot be read.
    pub(crate) fn open(cache: &Cache) -> anyhow::Result<Self> {
        let Manifest { mut entries, pipelines } =
            Manifest::built_in().context("the built-in models.toml is wrong")?;
        entries.extend(added::read(cache)?);
        Ok(Self { entries, pipelines })
    }

    /// Every file, built-in ones first.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The file named `id`.
    pub(crate) fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Files that the pipeline named `id` needs, or `None` when there is no such pipeline.
    pub(crate) fn pipeline_entries(&self, id: &str) -> Option<Vec<&Entry>> {
        let pipeline = self.pipelines.iter().find(|pipeline| pipeline.id == id)?;
        Some(pipeline.parts.iter().filter_map(|part| self.entry(&part.from)).collect())
    }

    /// What pages may load, with `available` as the cache says.
    pub(crate) fn catalogue(&self, cache: &Cache) -> Catalogue {
        Catalogue {
            models: self.entries.iter().filter_map(|entry| model_card(entry, cache)).collect(),
            pipelines: self.pipelines.iter().map(|pipeline| self.pipeline_card(pipeline, cache)).collect(),
        }
    }

    fn pipeline_card(&self, pipeline: &Pipeline, cache: &Cache) -> PipelineCard {
        let entries: Vec<(&str, &Entry)> = pipeline
            .parts
            .iter()
            .filter_map(|part| Some((part.role.as_str(), self.entry(&part.from)?)))
            .collect();
        PipelineCard {
            id: pipeline.id.clone(),
            title: pipeline.title.clone(),
            family: pipeline.family.clone(),
            kind: pipeline.kind,
            available: entries.iter().all(|(_, entry)| cache.has(entry)),
            parts: entries
                .into_iter()
                .map(|(role, entry)| PipelinePart {
                    role: role.to_owned(),
                    sha256: entry.sha256.clone(),
                    size_bytes: entry.size_bytes,
                    url: url(entry),
                })
                .collect(),
        }
    }
}

fn model_card(entry: &Entry, cache: &Cache) -> Option<ModelCard> {
    let EntryKind::Model(facts) = &entry.kind else { return None };
    Some(ModelCard {
        id: entry.id.clone(),
        family: facts.family.clone(),
        sha256: entry.sha256.clone(),
        size_bytes: entry.size_bytes,
        precision: facts.precision,
        licence: entry.licence.clone(),
        url: url(entry),
        inputs: facts.inputs.clone(),
        outputs: facts.outputs.clone(),
        available: cache.has(entry),
    })
}

fn url(entry: &Entry) -> String {
    format!("/models/{}", entry.sha256)
}
