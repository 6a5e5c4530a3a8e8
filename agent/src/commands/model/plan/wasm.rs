//! A plan as a document for programs, and as text for people.

use std::collections::BTreeMap;

use model::Plan;
use model::plan::{Home, Step};
use serde::Serialize;

use super::Head;
use crate::output::table::Column;
use crate::output::{Printer, Table, quantity};

/// The document of `model plan --json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    inputs: Vec<Operand>,
    outputs: Vec<Operand>,
    steps: Vec<StepLine>,
    buffers: Vec<BufferLine>,
    /// Passes that rewrote the graph, and how often.
    passes: BTreeMap<&'static str, usize>,
    totals: Totals,
}

#[derive(Debug, Serialize)]
struct Operand {
    name: String,
    dtype: &'static str,
    dims: Vec<usize>,
    /// `input`, `weight` or the index of a buffer.
    home: String,
}

#[derive(Debug, Serialize)]
struct StepLine {
    name: String,
    /// The operator with what it absorbed.
    kernel: String,
    inputs: Vec<Operand>,
    outputs: Vec<Operand>,
    n_flops: u64,
    n_bytes: u64,
}

#[derive(Debug, Serialize)]
struct BufferLine {
    dtype: &'static str,
    size_bytes: usize,
}

#[derive(Debug, Serialize)]
struct Totals {
    n_steps: usize,
    n_flops: u64,
    n_bytes: u64,
    weight_bytes: usize,
    /// All buffers together: the memory for results.
    peak_bytes: usize,
    /// The same if no two results shared a buffer.
    peak_bytes_without_reuse: usize,
}

/// Prints the steps of a plan as our own kernels run them.
pub(super) fn show(head: Head<'_>, plan: &Plan, printer: &Printer) -> anyhow::Result<()> {
    let document = Document::new(head, plan);
    if printer.wants_json() {
        printer.document(&document)?;
    } else {
        printer.result(&document.text(printer));
    }
    Ok(())
}

impl<'a> Document<'a> {
    fn new(head: Head<'a>, plan: &Plan) -> Self {
        let cost = plan.cost();
        let size_bytes = |tensor: &model::Tensor| tensor.data().len() * tensor.dtype().size_bytes();
        Self {
            head,
            inputs: plan.inputs.iter().map(|&value| operand(plan, value)).collect(),
            outputs: plan
                .outputs
                .iter()
                .map(|(name, value)| Operand { name: name.clone(), ..operand(plan, *value) })
                .collect(),
            steps: plan.steps.iter().map(|step| step_line(plan, step)).collect(),
            buffers: plan
                .buffers
                .iter()
                .map(|buffer| BufferLine {
                    dtype: buffer.dtype.as_str(),
                    size_bytes: buffer.n_elements * buffer.dtype.size_bytes(),
                })
                .collect(),
            passes: plan.fused.iter().copied().collect(),
            totals: Totals {
                n_steps: plan.steps.len(),
                n_flops: cost.n_flops,
                n_bytes: cost.n_bytes,
                weight_bytes: plan.constants().into_iter().map(|tensor| size_bytes(tensor)).sum(),
                peak_bytes: plan.buffer_bytes(),
                peak_bytes_without_reuse: plan.result_bytes(),
            },
        }
    }

    /// The same as tables and sentences.
    fn text(&self, printer: &Printer) -> String {
        let mut steps = Table::new(
            printer,
            &[
                Column::right("step"),
                Column::left("kernel"),
                Column::left("operands").optional(2),
                Column::left("result"),
                Column::right("flops"),
                Column::right("bytes").optional(1),
                Column::left("buffer"),
                Column::left("node").optional(3),
            ],
        );
        for (index, step) in self.steps.iter().enumerate() {
            let shapes =
                |operands: &[Operand]| operands.iter().map(shape_text).collect::<Vec<_>>().join(", ");
            let reads = |home: &str| step.inputs.iter().any(|input| input.home == home);
            let home = |output: &Operand| {
                if reads(&output.home) { format!("{} in place", output.home) } else { output.home.clone() }
            };
            steps.plain_row([
                index.to_string(),
                step.kernel.clone(),
                shapes(&step.inputs),
                shapes(&step.outputs),
                quantity::count(step.n_flops),
                quantity::bytes(step.n_bytes),
                step.outputs.iter().map(home).collect::<Vec<_>>().join(", "),
                step.name.clone(),
            ]);
        }
        let listed = |operands: &[Operand]| {
            operands
                .iter()
                .map(|one| format!("{} {}", one.name, shape_text(one)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let buffers: Vec<String> = self
            .buffers
            .iter()
            .enumerate()
            .map(|(index, buffer)| format!("{index}: {}", quantity::bytes(buffer.size_bytes as u64)))
            .collect();
        let passes: Vec<String> =
            self.passes.iter().map(|(name, n_applied)| format!("{name} ×{n_applied}")).collect();
        let totals = &self.totals;
        format!(
            "{} on {}\ninputs: {}\noutputs: {}\n\n{}\n\n{}, {} flops, {} read and written\npasses: {}\nweights: {}\n\
             memory for results: {} in {} ({} without reuse)\nbuffers: {}",
            self.head.model,
            self.head.backend,
            listed(&self.inputs),
            listed(&self.outputs),
            steps.render(),
            quantity::plural(totals.n_steps, "step"),
            quantity::count(totals.n_flops),
            quantity::bytes(totals.n_bytes),
            if passes.is_empty() { "none applied".to_owned() } else { passes.join(", ") },
            quantity::bytes(totals.weight_bytes as u64),
            quantity::bytes(totals.peak_bytes as u64),
            quantity::plural(self.buffers.len(), "buffer"),
            quantity::bytes(totals.peak_bytes_without_reuse as u64),
            if buffers.is_empty() { "none".to_owned() } else { buffers.join(", ") },
        )
    }
}

fn operand(plan: &Plan, value: usize) -> Operand {
    let value = &plan.values[value];
    Operand {
        name: value.name.clone(),
        dtype: value.fact.dtype.as_str(),
        dims: value.fact.dims.clone(),
        home: match &value.home {
            Home::Input(_) => "input".to_owned(),
            Home::Constant(_) => "weight".to_owned(),
            Home::Buffer(buffer) => buffer.to_string(),
        },
    }
}

fn step_line(plan: &Plan, step: &Step) -> StepLine {
    StepLine {
        name: step.name.clone(),
        kernel: step.kernel(),
        inputs: step.inputs.iter().flatten().map(|&value| operand(plan, value)).collect(),
        outputs: step.outputs.iter().map(|&value| operand(plan, value)).collect(),
        n_flops: step.cost.n_flops,
        n_bytes: step.cost.n_bytes,
    }
}

/// E.g. `float32 [1, 128, 384]`.
fn shape_text(operand: &Operand) -> String {
    let mark = if operand.home == "weight" { " weight" } else { "" };
    format!("{} {:?}{mark}", operand.dtype, operand.dims)
}
