//! What WebNN's graph builder is asked for, call by call.

use std::collections::BTreeMap;

use model::Plan;
use model::webnn::{Limits, lower};
use serde::Serialize;
use wire::Backend;

use crate::exit::Failure;
use crate::output::Printer;

/// The document of `model plan --backend webnn --json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    model: &'a str,
    backend: &'static str,
    /// Lengths of the dimensions that the file leaves open.
    shape: &'a BTreeMap<String, usize>,
    /// Inputs, constants and calls in order, then the outputs.
    program: Vec<&'a str>,
}

/// Prints the program of a plan for a context that can do everything: what a browser's own context lacks is only known there.
pub(super) fn show(
    model: &str,
    shape: &BTreeMap<String, usize>,
    plan: &Plan,
    printer: &Printer,
) -> anyhow::Result<()> {
    let program = lower(plan, &Limits::UNKNOWN).map_err(|refusal| {
        let message = format!("WebNN cannot run {} (node {:?}): {refusal}", refusal.operator, refusal.node);
        Failure::environment(message).hint("wasm runs it: leave out --backend")
    })?;
    let text = program.to_string();
    if printer.wants_json() {
        let backend = Backend::Webnn.as_str();
        let program = text.lines().collect();
        printer.document(&Document { schema: wire::SCHEMA, model, backend, shape, program })?;
        return Ok(());
    }
    printer.result(&text);
    printer.note("checked against no context: a browser may lack some of these calls, or types and ranks of their operands");
    Ok(())
}
