//! Cases of a person's own models: inputs made from the file's contract, and nothing to compare the outputs with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::Context as _;
use model::{Dim, ValueContract};
use wire::{DType, TensorHeader};

use crate::exit::Failure;
use crate::golden::fill::Fill;
use crate::golden::{Case, Golden, Input, Limits};
use crate::zoo::manifest::{Entry, EntryKind, Source};
use crate::zoo::{Cache, Zoo};

/// Largest input, bytes.
const INPUT_LIMIT: usize = 256 << 20;

/// Length of a first dimension that nobody named: the batch.
const BATCH: u32 = 1;

/// One golden without outputs for each of the models `ids` that a person added; `lengths` are those of dimensions that
/// the files only name.
///
/// # Errors
/// A file that is gone, a dimension without a length, a length without a dimension, an input that cannot be made.
pub(crate) fn goldens(
    zoo: &Zoo,
    cache: &Cache,
    ids: &[String],
    lengths: &BTreeMap<String, u32>,
) -> anyhow::Result<Vec<Golden>> {
    let mut goldens = Vec::new();
    let mut names = BTreeSet::new();
    let own = |entry: &&Entry| matches!(entry.source, Source::Added(_));
    for entry in ids.iter().filter_map(|id| zoo.entry(id)).filter(own) {
        let path = cache.model_path(&entry.sha256);
        let describe = || {
            Failure::environment(format!("cannot read the file of {}", entry.id))
                .hint("add it again with `tabpool model add`")
        };
        let bytes = fs::read(path).with_context(describe)?;
        let inputs = model::inspect(&bytes).with_context(describe)?.inputs;
        names.extend(inputs.iter().flat_map(axes).filter_map(|axis| axis.err()));
        goldens.push(golden(entry, &inputs, lengths)?);
    }
    match lengths.keys().find(|name| !names.contains(*name)) {
        None => Ok(goldens),
        Some(unknown) => {
            Err(Failure::usage(format!("no model of yours in this command has a dimension {unknown:?}"))
                .hint("`tabpool model inspect` shows the dimensions; those of the zoo's models are set")
                .into())
        }
    }
}

/// One case with inputs of the shapes that the contract and `lengths` give.
fn golden(
    entry: &Entry,
    inputs: &[ValueContract],
    lengths: &BTreeMap<String, u32>,
) -> anyhow::Result<Golden> {
    let EntryKind::Model(facts) = &entry.kind else {
        return Err(Failure::usage(format!("{} is not a model", entry.id)).into());
    };
    let batches: BTreeSet<String> =
        inputs.iter().filter_map(|input| axes(input).into_iter().next()?.err()).collect();
    let mut unknown = BTreeSet::new();
    let mut shape = |input| {
        let length = |axis: Result<u32, String>| {
            axis.or_else(|name| lengths.get(&name).copied().ok_or(name))
                .or_else(|name| if batches.contains(&name) { Ok(BATCH) } else { Err(name) })
                .map_err(|name| unknown.insert(name))
                .unwrap_or(0)
        };
        axes(input).into_iter().map(length).collect::<Vec<u32>>()
    };
    let shapes: Vec<Vec<u32>> = inputs.iter().map(&mut shape).collect();
    if let Some(first) = unknown.first() {
        let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
        return Err(Failure::usage(format!("{} does not say how long {} is", entry.id, names.join(", ")))
            .hint(format!("say it, e.g. --dim {first}=16"))
            .into());
    }
    let inputs = facts.inputs.iter().zip(shapes).map(|(TensorHeader { name, dtype, .. }, dims)| {
        let header = TensorHeader { name: name.clone(), dtype: *dtype, dims };
        input(header).with_context(|| Failure::usage(format!("cannot make inputs for {}", entry.id)))
    });
    let inputs: Vec<Input> = inputs.collect::<Result<_, _>>()?;
    let case = Case {
        id: case_id(&inputs),
        inputs,
        outputs: Vec::new(),
        limits: Limits { max_abs_ratio: 0.0, cosine: 1.0 },
    };
    Ok(Golden {
        model: entry.id.clone(),
        sha256: entry.sha256.clone(),
        made_by: "nobody".to_owned(),
        cases: vec![case],
    })
}

/// The dimensions of an input: their lengths, or their names where the file does not say. One without a name is called
/// after its place, e.g. `x[1]`.
fn axes(input: &ValueContract) -> Vec<Result<u32, String>> {
    let dims = input.dims.as_deref().unwrap_or_default().iter().enumerate();
    dims.map(|(axis, dim)| match dim {
        Dim::Fixed(length) => Ok(*length),
        Dim::Symbolic(name) if !name.is_empty() && name != "?" => Err(name.clone()),
        Dim::Symbolic(_) | Dim::Unknown => Err(format!("{}[{axis}]", input.name)),
    })
    .collect()
}

/// Floats of both signs; integers that are a valid mask, and a valid index of any table with two rows.
fn input(header: TensorHeader) -> anyhow::Result<Input> {
    let (low, high) = if header.dtype == DType::Float32 { (-1.0, 1.0) } else { (0.0, 2.0) };
    let fill = Fill::Uniform { seed: 1, low, high };
    let n = header.n_elements().filter(|n| *n <= INPUT_LIMIT / header.dtype.size_bytes());
    let n = n.with_context(|| format!("input {} is too large", header.name))?;
    fill.check(header.dtype, n).with_context(|| format!("input {}", header.name))?;
    Ok(Input { header, fill })
}

/// The distinct shapes, e.g. `1x16`.
fn case_id(inputs: &[Input]) -> String {
    let mut shapes: Vec<String> = Vec::new();
    for Input { header, .. } in inputs {
        let dims: Vec<String> = header.dims.iter().map(u32::to_string).collect();
        let shape = if dims.is_empty() { "scalar".to_owned() } else { dims.join("x") };
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes.join("+")
}

#[cfg(test)]
mod tests;
