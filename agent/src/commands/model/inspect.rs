//! `tabpool model inspect`: contract, operators and weights of an ONNX file.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::commands::model::unknown_id;
use crate::exit::Failure;
use crate::output::table::Column;
use crate::output::{Printer, Table, quantity};
use crate::zoo::manifest::EntryKind;
use crate::zoo::{Cache, Zoo};

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    model: &'a str,
    sha256: String,
    size_bytes: usize,
    opset: i64,
    other_opsets: &'a [(String, i64)],
    producer: &'a str,
    n_parameters: u64,
    parameter_bytes: u64,
    inputs: Vec<Value<'a>>,
    outputs: Vec<Value<'a>>,
    operators: &'a BTreeMap<String, usize>,
}

#[derive(Debug, Serialize)]
struct Value<'a> {
    name: &'a str,
    dtype: &'a str,
    dims: String,
}

/// Inspects the model of that name, or the file at that path.
pub(super) fn run(model: &str, zoo: &Zoo, cache: &Cache, printer: &Printer) -> anyhow::Result<()> {
    let bytes = read(model, zoo, cache)?;
    let inspection = model::inspect(&bytes).with_context(|| {
        Failure::environment(format!("cannot inspect {model}")).hint("give a complete ONNX file")
    })?;
    show(model, &bytes, &inspection, printer)
}

/// The bytes of the model of that name, or of the file at that path.
pub(super) fn read(model: &str, zoo: &Zoo, cache: &Cache) -> anyhow::Result<Vec<u8>> {
    let path = match zoo.entry(model) {
        Some(entry) if !matches!(entry.kind, EntryKind::Model(_)) => {
            return Err(Failure::usage(format!("{model} is not a model")).into());
        }
        Some(entry) if !cache.has(entry) => {
            return Err(Failure::environment(format!("{model} is not here yet"))
                .hint(format!("fetch it with `tabpool model fetch {model}`"))
                .into());
        }
        Some(entry) => cache.model_path(&entry.sha256),
        None if PathBuf::from(model).exists() => PathBuf::from(model),
        None => return Err(unknown_id(model).into()),
    };
    fs::read(&path).with_context(|| Failure::environment(format!("cannot read {}", path.display())))
}

/// Prints what `inspection` says of the file `bytes`.
pub(super) fn show(
    model: &str,
    bytes: &[u8],
    inspection: &model::Inspection,
    printer: &Printer,
) -> anyhow::Result<()> {
    let document = Document {
        schema: wire::SCHEMA,
        model,
        sha256: content::sha256_hex(bytes),
        size_bytes: bytes.len(),
        opset: inspection.opset,
        other_opsets: &inspection.other_opsets,
        producer: &inspection.producer,
        n_parameters: inspection.n_parameters,
        parameter_bytes: inspection.parameter_bytes,
        inputs: inspection.inputs.iter().map(value).collect(),
        outputs: inspection.outputs.iter().map(value).collect(),
        operators: &inspection.operators,
    };
    if printer.wants_json() {
        printer.document(&document)?;
        return Ok(());
    }
    let mut contract = Table::new(
        printer,
        &[Column::left(""), Column::left("name"), Column::left("type"), Column::left("shape")],
    );
    for (side, values) in [("input", &document.inputs), ("output", &document.outputs)] {
        for value in values {
            contract.plain_row([side, value.name, value.dtype, &value.dims].map(str::to_owned));
        }
    }
    let mut operators: Vec<(&String, &usize)> = document.operators.iter().collect();
    operators.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let operators: Vec<String> = operators.iter().map(|(name, count)| format!("{name} ×{count}")).collect();
    let others: String =
        document.other_opsets.iter().map(|(domain, version)| format!(", {domain} {version}")).collect();
    printer.result(&format!(
        "{model}: {}, opset {}{others}, {}\nsha256 {}\n\n{}\n\n{} parameters ({})\n{} operators: {}",
        quantity::bytes(document.size_bytes as u64),
        document.opset,
        if document.producer.is_empty() { "unknown producer" } else { document.producer },
        document.sha256,
        contract.render(),
        quantity::count(document.n_parameters),
        quantity::bytes(document.parameter_bytes),
        operators.len(),
        operators.join(", "),
    ));
    Ok(())
}

fn value(contract: &model::ValueContract) -> Value<'_> {
    let dims = contract.dims.as_ref().map(|dims| {
        let dims: Vec<String> = dims
            .iter()
            .map(|dim| match dim {
                model::Dim::Fixed(length) => length.to_string(),
                model::Dim::Symbolic(name) => name.clone(),
                model::Dim::Unknown => "?".to_owned(),
            })
            .collect();
        format!("[{}]", dims.join(", "))
    });
    Value {
        name: &contract.name,
        dtype: contract.dtype.map_or("unknown", model::ElementType::as_str),
        dims: dims.unwrap_or_else(|| "unknown rank".to_owned()),
    }
}
