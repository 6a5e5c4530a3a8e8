//! `tabpool model add`: takes a person's own ONNX file into the cache.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use wire::{DType, Precision, TensorHeader};

use crate::exit::Failure;
use crate::output::{Printer, quantity};
use crate::zoo::cache::disk_failure;
use crate::zoo::manifest::{Entry, EntryKind, ModelFacts, Source};
use crate::zoo::{Cache, Zoo, added};

/// Largest model, bytes: all that a 32-bit wasm memory can hold.
const SIZE_LIMIT: u64 = 4 << 30;

/// Adds the file or address `from` under `id`.
pub(super) fn run(
    from: &str,
    id: Option<&str>,
    zoo: &Zoo,
    cache: &Cache,
    printer: &Printer,
) -> anyhow::Result<()> {
    let id = match id {
        Some(id) => id.to_owned(),
        None => id_from(from),
    };
    check_id(&id, zoo)?;
    let is_url = from.starts_with("http://") || from.starts_with("https://");
    // A download lives in this folder until it has been looked at.
    let folder = cache.scratch()?;
    let path = if is_url { download(from, folder.path(), SIZE_LIMIT, printer)? } else { PathBuf::from(from) };
    let bytes = with_side_files(read(&path)?, |location| {
        if !is_url {
            return beside(&path, location);
        }
        let side = tempfile::tempdir_in(folder.path()).with_context(|| disk_failure(folder.path()))?;
        read(&download(&url_beside(from, location), side.path(), SIZE_LIMIT, printer)?)
    })
    .with_context(|| not_usable(from))?;
    let inspection = model::inspect(&bytes).with_context(|| not_usable(from))?;
    let facts = ModelFacts {
        family: "unknown".to_owned(),
        precision: Precision::Unknown,
        inputs: headers(&inspection.inputs).with_context(|| not_usable(from))?,
        outputs: headers(&inspection.outputs).with_context(|| not_usable(from))?,
    };
    let stored = cache.store(&mut bytes.as_slice(), None)?;
    let source = if is_url { from.to_owned() } else { fs::canonicalize(&path)?.display().to_string() };
    let entry = Entry {
        id: id.clone(),
        kind: EntryKind::Model(facts.clone()),
        licence: "unknown".to_owned(),
        sha256: stored.sha256,
        size_bytes: stored.size_bytes,
        source: Source::Added(source.clone()),
    };
    added::write(cache, &entry, &facts, &source)?;
    printer.note(&format!("added {id} ({})", quantity::bytes(entry.size_bytes)));
    super::inspect::show(&id, &bytes, &inspection, printer)
}

/// Last part of a path or address, without its extension and without what names must not have.
fn id_from(from: &str) -> String {
    let without_query = from.split(['?', '#']).next().unwrap_or(from);
    let stem = Path::new(without_query).file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    stem.chars().map(|c| if is_of_name(c) { c } else { '-' }).collect()
}

/// Pages take a text with a `.` for an address, and records separate parts of names with `/`.
fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_".contains(c)
}

fn check_id(id: &str, zoo: &Zoo) -> anyhow::Result<()> {
    if id.is_empty() || !id.chars().all(is_of_name) {
        return Err(Failure::usage(format!("{id:?} cannot be a name"))
            .hint("use letters, digits, `-` and `_` in --id")
            .into());
    }
    let is_built_in = zoo.entry(id).is_some_and(|entry| matches!(entry.source, Source::Package(_)))
        || zoo.pipeline_entries(id).is_some();
    if is_built_in {
        return Err(Failure::usage(format!("{id} is the name of a built-in model"))
            .hint("choose another name with --id")
            .into());
    }
    Ok(())
}

/// The bytes of a file that is not too large.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let describe = || Failure::environment(format!("cannot read {}", path.display()));
    let size = fs::metadata(path).with_context(describe)?.len();
    if size > SIZE_LIMIT {
        return Err(Failure::environment(format!(
            "{} is too large: {}",
            path.display(),
            quantity::bytes(size)
        ))
        .hint(format!("a page can hold models of up to {}", quantity::bytes(SIZE_LIMIT)))
        .into());
    }
    fs::read(path).with_context(describe)
}

/// The model with the weights inside that it keeps in other files, which `read_side` reads.
fn with_side_files(
    bytes: Vec<u8>,
    read_side: impl Fn(&str) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Vec<u8>> {
    let mut sides = BTreeMap::new();
    let mut size = bytes.len() as u64;
    for location in model::side_files(&bytes)? {
        let side = read_side(&location).with_context(|| format!("the weights in {location}"))?;
        size += side.len() as u64;
        if size > SIZE_LIMIT {
            bail!("with its weights it has more than {}", quantity::bytes(SIZE_LIMIT));
        }
        sides.insert(location, side);
    }
    if sides.is_empty() {
        return Ok(bytes);
    }
    Ok(model::attach_weights(&bytes, &sides)?)
}

/// The bytes of a file below the folder of a model, links included.
fn beside(model: &Path, location: &str) -> anyhow::Result<Vec<u8>> {
    let model = fs::canonicalize(model)?;
    let folder = model.parent().unwrap_or(Path::new("/"));
    let path = fs::canonicalize(folder.join(location))?;
    if !path.starts_with(folder) {
        bail!("{} is not below the model's folder", path.display());
    }
    read(&path)
}

/// The address of a file below the folder of a model.
fn url_beside(model: &str, location: &str) -> String {
    let without_query = model.split(['?', '#']).next().unwrap_or(model);
    let folder = without_query.rsplit_once('/').map_or(without_query, |(folder, _)| folder);
    format!("{folder}/{location}")
}

/// Downloads at most `limit` bytes with curl, which knows the machine's proxies and certificates.
fn download(url: &str, into: &Path, limit: u64, printer: &Printer) -> anyhow::Result<PathBuf> {
    let path = into.join("model.onnx");
    let bar = printer.bar(1);
    bar.set_prefix("downloading");
    bar.set_message(url.to_owned());
    let mut curl = curl(url, limit).spawn().with_context(|| {
        Failure::environment("cannot run curl")
            .hint("install curl, or download the file and add it by its path")
    })?;
    // curl itself only knows the size that a server announces.
    let body = curl.stdout.take().context("curl's output is piped")?;
    let copied = File::create(&path).and_then(|mut file| io::copy(&mut body.take(limit + 1), &mut file));
    let is_too_large = copied.as_ref().is_ok_and(|&n| n > limit);
    if copied.is_err() || is_too_large {
        curl.kill().context("cannot stop curl")?;
    }
    let output = curl.wait_with_output().context("cannot wait for curl")?;
    bar.finish_and_clear();
    copied.with_context(|| disk_failure(into))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = match said.trim().trim_start_matches("curl: ") {
        _ if is_too_large => "it has more than the largest model",
        reason if !output.status.success() => reason,
        _ => return Ok(path),
    };
    Err(Failure::environment(format!("cannot download {url}: {reason}"))
        .hint(format!(
            "models have up to {}; check the address, or add a file by its path",
            quantity::bytes(limit)
        ))
        .into())
}

/// curl with the file on its standard output; it gives up after a minute without a byte.
fn curl(url: &str, limit: u64) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--location", "--silent", "--show-error", "--proto", "=http,https"])
        .args(["--connect-timeout", "20", "--speed-limit", "1", "--speed-time", "60"])
        .args(["--max-filesize", &limit.to_string(), "--", url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    curl
}

/// The contract as pages read it; a symbolic or unknown dimension is 0.
fn headers(values: &[model::ValueContract]) -> anyhow::Result<Vec<TensorHeader>> {
    values
        .iter()
        .map(|value| {
            let name = &value.name;
            let dtype = value.dtype.and_then(wire_dtype);
            let dtype = dtype.with_context(|| format!("{name} has an element type that tabpool lacks"))?;
            let dims =
                value.dims.as_ref().with_context(|| format!("the file does not say the rank of {name}"))?;
            let dims = dims.iter().map(|dim| match dim {
                model::Dim::Fixed(length) => *length,
                model::Dim::Symbolic(_) | model::Dim::Unknown => 0,
            });
            Ok(TensorHeader { name: name.clone(), dtype, dims: dims.collect() })
        })
        .collect()
}

fn wire_dtype(dtype: model::ElementType) -> Option<DType> {
    let all =
        [DType::Float32, DType::Float16, DType::Int64, DType::Int32, DType::Int8, DType::Uint8, DType::Bool];
    all.into_iter().find(|candidate| candidate.as_str() == dtype.as_str())
}

fn not_usable(from: &str) -> Failure {
    Failure::environment(format!("cannot add {from}"))
        .hint("give a complete ONNX file with tensors as inputs and outputs")
}

#[cfg(test)]
mod tests;
