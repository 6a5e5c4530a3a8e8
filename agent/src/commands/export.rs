//! `tabpool export`: runs as rows for other programs.

mod parquet;

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Context as _;
use serde_json::{Map, Value};

use crate::cli::{ExportArgs, ExportFormat};
use crate::commands::{filter, open_existing};
use crate::exit::{Exit, Failure};
use crate::output::{Printer, csv, quantity};
use crate::store::{Filter, Store, column_names, column_types, row_schema};
use parquet::ParquetFile;

/// Writes the rows, or says what they look like.
pub(crate) fn run(args: &ExportArgs, printer: &Printer) -> anyhow::Result<Exit> {
    if args.schema {
        printer.document(&row_schema())?;
        return Ok(Exit::Done);
    }
    let format = if printer.wants_json() { ExportFormat::Json } else { args.format };
    let store = open_existing(&args.filter.db)?;
    let filter = filter(&args.filter, args.since);
    let Some(path) = &args.output else {
        if format == ExportFormat::Parquet {
            let failure = Failure::usage("a Parquet file is nothing for a terminal");
            return Err(failure.hint("name a file with --output").into());
        }
        rows(&store, &filter, format, |line| {
            printer.result(line);
            Ok(())
        })?;
        return Ok(Exit::Done);
    };
    let describe = || Failure::environment(format!("cannot write {}", path.display()));
    let mut file = BufWriter::new(File::create(path).with_context(describe)?);
    let n_rows = if format == ExportFormat::Parquet {
        columns(&store, &filter, &mut file).with_context(describe)?
    } else {
        rows(&store, &filter, format, |line| writeln!(file, "{line}").with_context(describe))?
    };
    file.flush().with_context(describe)?;
    printer.note(&format!("{} in {}", quantity::plural(n_rows, "run"), path.display()));
    Ok(Exit::Done)
}

/// Hands the lines of the export out one by one, and returns the number of rows in them.
fn rows(
    store: &Store,
    filter: &Filter,
    format: ExportFormat,
    mut write: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let names = column_names();
    let mut n_rows = 0;
    if format == ExportFormat::Csv {
        write(&csv::record(names.iter().copied()))?;
    }
    store.each_row(filter, |values| {
        n_rows += 1;
        if format == ExportFormat::Csv {
            let fields: Vec<String> = values.iter().map(field).collect();
            return write(&csv::record(fields.iter().map(String::as_str)));
        }
        let row: Map<String, Value> = names.iter().map(|name| (*name).to_owned()).zip(values).collect();
        write(&serde_json::to_string(&row)?)
    })?;
    Ok(n_rows)
}

/// Writes a Parquet file, and returns the number of rows in it.
fn columns(store: &Store, filter: &Filter, to: impl Write + Send) -> anyhow::Result<usize> {
    let mut file = ParquetFile::create(to, &column_types())?;
    let mut n_rows = 0;
    store.each_row(filter, |values| {
        n_rows += 1;
        Ok(file.add(&values)?)
    })?;
    file.finish()?;
    Ok(n_rows)
}

/// A value as a field: nothing for null.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
