//! Which steps of a plan a context runs: all, or all but a few that go to wasm when that pays.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use crate::graph::ValueId;
use crate::plan::{Cost, Cut, Plan, Roots};
use crate::webnn::limits::Limits;
use crate::webnn::lower::{Refusal, lower};
use crate::webnn::program::Program;

// Measured on a 2-core x86-64 machine by `cargo run -p tabpool-tests --example webnn_floor`; what counts is how they relate.
/// Multiplications and additions per microsecond of our wasm kernels.
const WASM_FLOPS: f64 = 60e3;
/// The same of a graph.
const GRAPH_FLOPS: f64 = 110e3;
/// Bytes per microsecond that either reads and writes.
const MEMORY_BYTES: f64 = 8e3;
/// Bytes per microsecond that go into or out of a context.
const CROSSING_BYTES: f64 = 1e3;
/// Dispatching one more graph and waiting for it, microseconds.
const GRAPH_MICROS: f64 = 70.0;

/// A plan in parts, each of which runs in one place.
#[derive(Debug, Clone)]
pub struct Placement {
    /// In the order in which they run; one when the context does it all, none when nothing is computed.
    pub parts: Vec<Part>,
    /// By value of the plan: whose elements it shows.
    pub roots: Roots,
    /// The steps that the context cannot do.
    pub missing: Vec<Refusal>,
    /// Why it is worth it; only the parts of a mixed placement need a reason.
    pub estimate: Option<Estimate>,
}

/// Steps that run in one place.
#[derive(Debug, Clone)]
pub struct Part {
    /// Indices in [`Plan::steps`].
    pub steps: Range<usize>,
    /// What they read and write.
    pub cut: Cut,
    /// Their graph; `None`: they run on wasm.
    pub program: Option<Program>,
}

/// What a mixed placement takes, by the figures of one machine, microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Everything on wasm.
    pub wasm_micros: f64,
    /// Its parts, and the way of values between them.
    pub mixed_micros: f64,
    /// What of that is the way.
    pub crossing_micros: f64,
}

/// Why a plan does not run in a context.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unplaced {
    /// The context lacks the step, and nothing is left for it without the steps that it lacks.
    #[error("{0}")]
    Missing(Refusal),
    /// It could run without the steps that it lacks, the first of which is named, but that would take longer than wasm alone.
    #[error("{0}; in parts it would take {1}")]
    Slow(Refusal, Estimate),
}

impl Unplaced {
    /// The first step that the context lacks.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        match self {
            Self::Missing(refusal) | Self::Slow(refusal, _) => refusal,
        }
    }
}

/// Places a plan in a context with given limits.
///
/// # Errors
/// The context lacks a step, and running it on wasm does not pay.
pub fn place(plan: &Plan, limits: &Limits) -> Result<Placement, Unplaced> {
    let roots = Roots::of(plan);
    if plan.steps.is_empty() {
        // All outputs are inputs or constants.
        return Ok(Placement { parts: Vec::new(), roots, missing: Vec::new(), estimate: None });
    }
    let whole = plan.cut(0..plan.steps.len(), &roots);
    let refusal = match lower(&whole.plan, limits) {
        Ok(program) => {
            let part = Part { steps: 0..plan.steps.len(), cut: whole, program: Some(program) };
            return Ok(Placement { parts: vec![part], roots, missing: Vec::new(), estimate: None });
        }
        Err(refusal) => refusal,
    };
    let refusals: Vec<Option<Refusal>> = (0..plan.steps.len())
        .map(|index| lower(&plan.cut(index..index + 1, &roots).plan, limits).err())
        .collect();
    let mut parts: Vec<Part> = Vec::new();
    for range in runs(&refusals) {
        let cut = plan.cut(range.clone(), &roots);
        let program = if refusals[range.start].is_none() {
            // What works step by step works together.
            Some(lower(&cut.plan, limits).map_err(Unplaced::Missing)?)
        } else {
            None
        };
        parts.push(Part { steps: range, cut, program });
    }
    if parts.iter().all(|part| part.program.is_none()) {
        return Err(Unplaced::Missing(refusal));
    }
    let estimate = estimate(plan, &parts, &roots);
    let missing: Vec<Refusal> = refusals.into_iter().flatten().collect();
    if estimate.mixed_micros < estimate.wasm_micros {
        return Ok(Placement { parts, roots, missing, estimate: Some(estimate) });
    }
    Err(Unplaced::Slow(missing.into_iter().next().unwrap_or(refusal), estimate))
}

/// Longest ranges of steps that go to one place.
fn runs(refusals: &[Option<Refusal>]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (index, refusal) in refusals.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if refusals[run.start].is_none() == refusal.is_none() => run.end = index + 1,
            _ => runs.push(index..index + 1),
        }
    }
    runs
}

fn estimate(plan: &Plan, parts: &[Part], roots: &Roots) -> Estimate {
    let micros =
        |cost: Cost, flops: f64| (cost.n_flops as f64 / flops).max(cost.n_bytes as f64 / MEMORY_BYTES);
    let of = |range: &Range<usize>, flops: f64| -> f64 {
        plan.steps[range.clone()].iter().map(|step| micros(step.cost, flops)).sum()
    };
    let copying = |value: &ValueId| plan.values[*value].fact.size_bytes() as f64 / CROSSING_BYTES;
    // A value that was copied is in both places from then on.
    let mut in_context: BTreeSet<ValueId> = BTreeSet::new();
    let mut on_wasm: BTreeSet<ValueId> = plan.inputs.iter().copied().collect();
    let (mut computing, mut crossing) = (0.0, 0.0);
    for part in parts {
        let (here, flops) =
            if part.program.is_some() { (&mut in_context, GRAPH_FLOPS) } else { (&mut on_wasm, WASM_FLOPS) };
        computing += of(&part.steps, flops);
        crossing += part.cut.inputs.iter().filter(|value| here.insert(**value)).map(copying).sum::<f64>();
        here.extend(&part.cut.outputs);
    }
    let outputs: BTreeSet<ValueId> = plan.outputs.iter().map(|(_, value)| roots.root(*value)).collect();
    crossing +=
        outputs.intersection(&in_context).filter(|value| !on_wasm.contains(value)).map(copying).sum::<f64>();
    crossing += GRAPH_MICROS * parts.iter().filter(|part| part.program.is_some()).count() as f64;
    Estimate {
        wasm_micros: of(&(0..plan.steps.len()), WASM_FLOPS),
        mixed_micros: computing + crossing,
        crossing_micros: crossing,
    }
}

impl Display for Placement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(estimate) = self.estimate else {
            let is_graph = !self.parts.is_empty();
            return f.write_str(if is_graph {
                "one graph: no operator is missing"
            } else {
                "no graph: nothing is computed"
            });
        };
        write!(f, "{} parts, which take {estimate}; on wasm:", self.parts.len())?;
        for (index, refusal) in self.missing.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator} {} (node {:?}: {refusal})", refusal.operator, refusal.node)?;
        }
        Ok(())
    }
}

impl Display for Estimate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { wasm_micros, mixed_micros, crossing_micros } = self;
        write!(
            f,
            "about {mixed_micros:.0} µs ({crossing_micros:.0} µs between parts), all on wasm {wasm_micros:.0} µs"
        )
    }
}

#[cfg(test)]
mod tests;
