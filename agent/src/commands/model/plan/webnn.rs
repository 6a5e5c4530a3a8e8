//! What WebNN's graph builder is asked for, call by call.

use model::Plan;
use model::webnn::{Limits, lower};
use serde::Serialize;

use super::Head;
use crate::exit::Failure;
use crate::output::Printer;

/// The document of `model plan --backend webnn --json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    /// Inputs, constants and calls in order, then the outputs.
    program: Vec<&'a str>,
}

/// Prints the program of a plan for a context that can do everything: what a browser's own context lacks is only known there.
pub(super) fn show(head: Head<'_>, plan: &Plan, printer: &Printer) -> anyhow::Result<()> {
    let program = lower(plan, &Limits::UNKNOWN).map_err(|refusal| {
        let message = format!("WebNN cannot run {} (node {:?}): {refusal}", refusal.operator, refusal.node);
        Failure::environment(message).hint("wasm runs it: leave out --backend")
    })?;
    let text = program.to_string();
    if printer.wants_json() {
        printer.document(&Document { head, program: text.lines().collect() })?;
        return Ok(());
    }
    printer.result(&text);
    printer.note("checked against no context: a browser may lack some of these calls, or types and ranks of their operands");
    Ok(())
}
