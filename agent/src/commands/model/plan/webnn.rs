//! What WebNN's graph builder is asked for, call by call, and what is left to wasm.

use std::fmt::Write as _;

use model::Plan;
use model::webnn::{Limits, Part, place};
use serde::Serialize;

use super::Head;
use crate::exit::Failure;
use crate::output::Printer;

/// The document of `model plan --backend webnn --json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    /// Whether the model runs as one graph or in parts, and why.
    choice: &'a str,
    parts: Vec<PartLine>,
}

#[derive(Debug, Serialize)]
struct PartLine {
    /// `webnn` or `wasm`.
    runs_on: &'static str,
    first_step: usize,
    n_steps: usize,
    /// A graph's inputs, constants and calls in order, then its outputs; on wasm the kernels.
    lines: Vec<String>,
}

/// Prints where the steps of a plan go in a context that can do everything: what a browser's own context lacks is only known there.
pub(super) fn show(head: Head<'_>, plan: &Plan, printer: &Printer) -> anyhow::Result<()> {
    let placement = place(plan, &Limits::UNKNOWN).map_err(|unplaced| {
        let refusal = unplaced.refusal();
        let message = format!(
            "{} does not run {} (node {:?}): {unplaced}",
            head.backend, refusal.operator, refusal.node
        );
        Failure::environment(message).hint("wasm runs it: leave out --backend")
    })?;
    let choice = placement.to_string();
    let parts: Vec<PartLine> = placement.parts.iter().map(part_line).collect();
    if printer.wants_json() {
        printer.document(&Document { head, choice: &choice, parts })?;
        return Ok(());
    }
    let mut text = choice;
    for PartLine { runs_on, first_step, n_steps, lines } in &parts {
        let last_step = first_step + n_steps - 1;
        // Writing to a string cannot fail.
        write!(text, "\n\nsteps {first_step} to {last_step} on {runs_on}:\n{}", lines.join("\n")).ok();
    }
    printer.result(&text);
    printer.note("checked against no context: a browser may lack some of these calls, or types and ranks of their operands");
    Ok(())
}

fn part_line(part: &Part) -> PartLine {
    let (runs_on, lines) = match &part.program {
        Some(program) => ("webnn", program.to_string().lines().map(str::to_owned).collect()),
        None => ("wasm", part.cut.plan.steps.iter().map(|step| step.kernel()).collect()),
    };
    PartLine { runs_on, first_step: part.steps.start, n_steps: part.steps.len(), lines }
}
