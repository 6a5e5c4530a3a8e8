//! `tabpool model`: what is in the zoo, what is on this machine, and what is inside a file.

mod add;
mod inspect;
mod plan;

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde::Serialize;
use wire::Catalogue;

use crate::cli::ModelCommand;
use crate::exit::{Exit, Failure};
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};
use crate::zoo::manifest::{Entry, EntryKind, Source};
use crate::zoo::{Cache, Zoo, fetch};

pub(crate) use plan::parse_dimension;

/// Runs a subcommand of `model`.
pub(crate) fn run(command: &ModelCommand, printer: &Printer) -> anyhow::Result<Exit> {
    let cache = Cache::of_user()?;
    let zoo = Zoo::open(&cache)?;
    match command {
        ModelCommand::Fetch { ids, test_data } => {
            let entries = select(&zoo, ids, *test_data)?;
            fetch_entries(&entries, &cache, printer)?;
            if printer.wants_json() {
                printer.document(&list_document(&entries, None, &cache))?;
            }
        }
        ModelCommand::Add { from, id } => add::run(from, id.as_deref(), &zoo, &cache, printer)?,
        ModelCommand::List => list(&zoo, &cache, printer)?,
        ModelCommand::Inspect { model } => inspect::run(model, &zoo, &cache, printer)?,
        ModelCommand::Plan { model, shape, backend } => {
            plan::run(model, shape, *backend, (&zoo, &cache), printer)?;
        }
    }
    Ok(Exit::Done)
}

/// Downloads those of the entries that are not in the cache or not intact, package by package.
pub(crate) fn fetch_entries(entries: &[&Entry], cache: &Cache, printer: &Printer) -> anyhow::Result<()> {
    let packages = fetch::missing(entries.iter().copied(), cache);
    for entry in entries {
        if let Source::Added(from) = &entry.source
            && !cache.has_intact(entry)
        {
            let id = &entry.id;
            return Err(Failure::environment(format!("the file of {id} is missing or damaged"))
                .hint(format!("add it again: `tabpool model add {from} --id {id}`"))
                .into());
        }
    }
    if packages.is_empty() {
        printer.note(&format!("{} here already", quantity::plural(entries.len(), "file")));
        return Ok(());
    }
    let bar = printer.bar(packages.len() as u64);
    bar.set_prefix("fetching");
    for (package, wanted) in &packages {
        bar.set_message(package.to_string());
        let size: u64 = wanted.iter().map(|entry| entry.size_bytes).sum();
        fetch::fetch(package, wanted, cache).with_context(|| format!("cannot fetch {package}"))?;
        bar.inc(1);
        let ids: Vec<&str> = wanted.iter().map(|entry| entry.id.as_str()).collect();
        printer.note(&format!("{package}: {} ({})", ids.join(", "), quantity::bytes(size)));
    }
    bar.finish_and_clear();
    Ok(())
}

/// The files that `ids` mean: models and assets by name, pipelines by their parts; without ids the whole zoo.
fn select<'a>(zoo: &'a Zoo, ids: &[String], test_data: bool) -> anyhow::Result<Vec<&'a Entry>> {
    if ids.is_empty() {
        let wanted = |entry: &&Entry| test_data || entry.kind != EntryKind::TestData;
        return Ok(zoo.entries().iter().filter(wanted).collect());
    }
    let mut seen = BTreeSet::new();
    let mut entries = Vec::new();
    for id in ids {
        let found = zoo.entry(id).map(|entry| vec![entry]).or_else(|| zoo.pipeline_entries(id));
        let found = found.ok_or_else(|| unknown_id(id))?;
        entries.extend(found.into_iter().filter(|entry| seen.insert(&entry.id)));
    }
    Ok(entries)
}

/// The failure of a name that nothing has.
pub(crate) fn unknown_id(id: &str) -> Failure {
    Failure::usage(format!("there is no model or pipeline {id:?}"))
        .hint("`tabpool model list` shows the names; `tabpool model add` adds your own file")
}

/// The document of `model list --json` and `model fetch --json`.
#[derive(Debug, Serialize)]
struct ListDocument<'a> {
    schema: u32,
    files: Vec<FileLine<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    catalogue: Option<Catalogue>,
}

#[derive(Debug, Serialize)]
struct FileLine<'a> {
    id: &'a str,
    sha256: &'a str,
    size_bytes: u64,
    licence: &'a str,
    path: String,
    available: bool,
}

fn list_document<'a>(entries: &[&'a Entry], catalogue: Option<Catalogue>, cache: &Cache) -> ListDocument<'a> {
    let files = entries.iter().map(|entry| FileLine {
        id: &entry.id,
        sha256: &entry.sha256,
        size_bytes: entry.size_bytes,
        licence: &entry.licence,
        path: cache.model_path(&entry.sha256).display().to_string(),
        available: cache.has(entry),
    });
    ListDocument { schema: wire::SCHEMA, files: files.collect(), catalogue }
}

fn list(zoo: &Zoo, cache: &Cache, printer: &Printer) -> anyhow::Result<()> {
    let catalogue = zoo.catalogue(cache);
    if printer.wants_json() {
        let entries: Vec<&Entry> = zoo.entries().iter().collect();
        printer.document(&list_document(&entries, Some(catalogue), cache))?;
        return Ok(());
    }
    let mut models = Table::new(
        printer,
        &[
            Column::left("model"),
            Column::left("family").optional(2),
            Column::left("precision").optional(1),
            Column::right("size"),
            Column::left("here"),
            Column::left("licence").optional(3),
            Column::left("from").optional(4),
        ],
    );
    for entry in zoo.entries() {
        let EntryKind::Model(facts) = &entry.kind else { continue };
        let from = match &entry.source {
            Source::Package(file) => format!("{} {} {}", file.registry, file.package, file.version),
            Source::Added(from) => from.clone(),
        };
        models.row([
            (entry.id.clone(), Tone::Plain),
            (facts.family.clone(), Tone::Plain),
            (facts.precision.as_str().to_owned(), Tone::Plain),
            (quantity::bytes(entry.size_bytes), Tone::Plain),
            here(cache.has(entry)),
            (entry.licence.clone(), Tone::Faint),
            (from, Tone::Faint),
        ]);
    }
    let mut pipelines = Table::new(
        printer,
        &[
            Column::left("pipeline"),
            Column::left("family").optional(2),
            Column::left("here"),
            Column::left("what it does"),
        ],
    );
    for pipeline in &catalogue.pipelines {
        pipelines.row([
            (pipeline.id.clone(), Tone::Plain),
            (pipeline.family.clone(), Tone::Plain),
            here(pipeline.available),
            (pipeline.title.clone(), Tone::Faint),
        ]);
    }
    printer.result(&format!("{}\n\n{}", models.render(), pipelines.render()));
    if catalogue.models.iter().any(|model| !model.available) {
        printer.hint("fetch what is missing with `tabpool model fetch`");
    }
    Ok(())
}

fn here(available: bool) -> (String, Tone) {
    if available { ("yes".to_owned(), Tone::Good) } else { ("no".to_owned(), Tone::Bad) }
}

#[cfg(test)]
mod tests;
