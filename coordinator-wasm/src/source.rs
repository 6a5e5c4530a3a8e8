//! Where a model's files come from and what they must be: a catalogue entry, a URL, or the caller's bytes.

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Blob, File, Url};
use wire::catalogue::PipelinePart;
use wire::{Catalogue, Fault, FaultCategory, ModelCard, PipelineCard, PipelineKind, Precision};

use crate::download::get;
use crate::fault::{cancelled, describe, invalid, is_abort};
use crate::options::LoadOptions;
use crate::protocol::read_catalogue;

/// A model or pipeline before its bytes are here.
#[derive(Debug)]
pub(crate) struct Source {
    /// Name in records, statistics and events.
    pub(crate) id: String,
    /// Job family, or empty.
    pub(crate) family: String,
    /// Weights' precision, as far as somebody said.
    pub(crate) precision: Precision,
    /// Set when the parts form a pipeline.
    pub(crate) pipeline: Option<PipelineKind>,
    /// Its files, in the order that the engine expects.
    pub(crate) parts: Vec<SourcePart>,
}

/// One file of a [`Source`].
#[derive(Debug)]
pub(crate) struct SourcePart {
    /// Role inside the pipeline; `model` for a plain model.
    pub(crate) role: String,
    /// Where the bytes are.
    pub(crate) origin: Origin,
    /// Lower-case hex SHA-256 that they must have.
    pub(crate) sha256: Option<String>,
    /// Their number, when it is known.
    pub(crate) size_bytes: Option<u64>,
}

impl Source {
    /// All hashes that the files must have; `None` when one is unknown.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let hashes: Option<Vec<&str>> = self.parts.iter().map(|part| part.sha256.as_deref()).collect();
        hashes.map(|hashes| hashes.join("+"))
    }
}

/// Where bytes are.
#[derive(Debug)]
pub(crate) enum Origin {
    /// To be fetched.
    Url(String),
    /// In the page's memory, copied from the caller's.
    Bytes(ArrayBuffer),
    /// A file that the browser holds.
    Blob(Blob),
}

/// Understands what `pool.load` was given: an id has no `/`, `:` or `.`, a URL has one.
///
/// # Errors
/// `model-source` for anything that is neither text nor bytes, and those of the catalogue.
pub(crate) async fn resolve(
    given: &JsValue,
    options: &LoadOptions,
    agent: Option<&str>,
    signal: &AbortSignal,
) -> Result<Source, Fault> {
    let text = given.as_string().or_else(|| given.dyn_ref::<Url>().map(Url::href));
    if let Some(text) = text {
        if text.contains(['/', ':', '.']) {
            let name =
                text.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).unwrap_or(&text);
            return Ok(own(name, Origin::Url(text.clone()), options));
        }
        let Some(agent) = agent else {
            return Err(Fault::new(
                FaultCategory::ModelLoad,
                "model-unknown",
                format!("there is no model '{text}': the pool has no agent to ask"),
            )
            .with_hint("give createPool an agent, or load the model by its URL"));
        };
        return find(&catalogue(agent, signal).await?, &text, agent);
    }
    if let Some(file) = given.dyn_ref::<File>() {
        return Ok(own(&file.name(), Origin::Blob(file.clone().unchecked_into()), options));
    }
    if let Some(blob) = given.dyn_ref::<Blob>() {
        return Ok(own("unnamed", Origin::Blob(blob.clone()), options));
    }
    if let Some(buffer) = given.dyn_ref::<ArrayBuffer>() {
        return Ok(own("unnamed", Origin::Bytes(buffer.slice(0)), options));
    }
    if let Some(bytes) = given.dyn_ref::<Uint8Array>() {
        return Ok(own("unnamed", Origin::Bytes(bytes.slice(0, bytes.length()).buffer()), options));
    }
    Err(invalid(
        "model-source",
        "a model is loaded by id, by URL, or from an ArrayBuffer, Uint8Array, Blob or File",
    ))
}

/// A single file that no catalogue describes.
fn own(name: &str, origin: Origin, options: &LoadOptions) -> Source {
    let part = SourcePart {
        role: "model".to_owned(),
        origin,
        sha256: options.sha256.as_deref().map(str::to_ascii_lowercase),
        size_bytes: None,
    };
    let id = options.name.clone().unwrap_or_else(|| name.to_owned());
    Source { id, family: String::new(), precision: Precision::Unknown, pipeline: None, parts: vec![part] }
}

async fn catalogue(agent: &str, signal: &AbortSignal) -> Result<Catalogue, Fault> {
    let url = format!("{agent}/v1/models");
    let response = get(&url, signal).await.map_err(|fault| {
        if fault.category == FaultCategory::Cancelled {
            fault
        } else {
            fault.with_hint("start the agent with `tabpool serve`, or load the model by its URL")
        }
    })?;
    let unreadable = |reason: String| {
        Fault::new(
            FaultCategory::ModelLoad,
            "catalogue-unreadable",
            format!("the catalogue at {url} is unreadable: {reason}"),
        )
        .with_hint("page and agent may be of different versions; reload the page")
    };
    let thrown = |thrown: JsValue| {
        if is_abort(&thrown) { cancelled("reading the catalogue") } else { unreadable(describe(&thrown)) }
    };
    let value = JsFuture::from(response.json().map_err(thrown)?).await.map_err(thrown)?;
    read_catalogue(&value).map_err(unreadable)
}

/// Looks an id up; models and pipelines share the names.
fn find(catalogue: &Catalogue, id: &str, agent: &str) -> Result<Source, Fault> {
    if let Some(card) = catalogue.models.iter().find(|card| card.id == id) {
        return of_model(card, agent);
    }
    if let Some(card) = catalogue.pipelines.iter().find(|card| card.id == id) {
        return of_pipeline(card, catalogue, agent);
    }
    let ids = catalogue.models.iter().map(|card| card.id.as_str());
    let ids: Vec<&str> = ids.chain(catalogue.pipelines.iter().map(|card| card.id.as_str())).collect();
    Err(Fault::new(FaultCategory::ModelLoad, "model-unknown", format!("the agent has no model '{id}'"))
        .with_hint(format!("it has: {}", ids.join(", "))))
}

fn of_model(card: &ModelCard, agent: &str) -> Result<Source, Fault> {
    require_available(card.available, &card.id)?;
    let part = SourcePart {
        role: "model".to_owned(),
        origin: Origin::Url(absolute(agent, &card.url)),
        sha256: Some(card.sha256.clone()),
        size_bytes: Some(card.size_bytes),
    };
    Ok(Source {
        id: card.id.clone(),
        family: card.family.clone(),
        precision: card.precision,
        pipeline: None,
        parts: vec![part],
    })
}

fn of_pipeline(card: &PipelineCard, catalogue: &Catalogue, agent: &str) -> Result<Source, Fault> {
    require_available(card.available, &card.id)?;
    let part = |part: &PipelinePart| SourcePart {
        role: part.role.clone(),
        origin: Origin::Url(absolute(agent, &part.url)),
        sha256: Some(part.sha256.clone()),
        size_bytes: Some(part.size_bytes),
    };
    Ok(Source {
        id: card.id.clone(),
        family: card.family.clone(),
        precision: common_precision(card, catalogue),
        pipeline: Some(card.kind),
        parts: card.parts.iter().map(part).collect(),
    })
}

/// The precision of all the pipeline's models, when they share one.
fn common_precision(card: &PipelineCard, catalogue: &Catalogue) -> Precision {
    let model_of = |part: &PipelinePart| catalogue.models.iter().find(|model| model.sha256 == part.sha256);
    let mut precisions = card.parts.iter().filter_map(model_of).map(|model| model.precision);
    match precisions.next() {
        Some(first) if precisions.all(|other| other == first) => first,
        _ => Precision::Unknown,
    }
}

fn require_available(available: bool, id: &str) -> Result<(), Fault> {
    if available {
        return Ok(());
    }
    Err(Fault::new(
        FaultCategory::ModelLoad,
        "model-not-fetched",
        format!("the agent has not fetched '{id}' yet"),
    )
    .with_hint(format!("run `tabpool model fetch {id}`")))
}

/// The catalogue gives paths relative to the agent; a full address stays as it is.
fn absolute(agent: &str, url: &str) -> String {
    if url.starts_with('/') { format!("{agent}{url}") } else { url.to_owned() }
}

#[cfg(test)]
mod tests;
