//! Where the time of runs goes: the kernels that take most of it, and all of them as a Chrome trace.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use wire::{Profile, Span};

use crate::bench::browser_run::BrowserRun;
use crate::bench::plan::PlannedCase;
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};

/// Kernels that are printed for each case.
const N_KERNELS: usize = 8;

/// Calls of one kernel in one run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sum {
    n_calls: usize,
    micros: f64,
    n_flops: u64,
}

/// Prints the kernels that take most of each case's time.
pub(super) fn show(cases: &[PlannedCase], runs: &[BrowserRun], printer: &Printer) {
    for run in runs {
        for case in cases.iter().filter(|case| !run.profiles.contains_key(&case.bench.id)) {
            printer.note(&format!(
                "no profile of {} in {}: WebNN runs whole graphs, WebGPU tells only where the adapter has timestamp-query",
                case.bench.id, run.browser.name
            ));
        }
        let browser = quantity::browser(&run.browser.name, &run.browser.version);
        for (case, profile) in &run.profiles {
            let whole: f64 = profile.spans.iter().map(|span| span.micros).sum();
            printer.result(&format!(
                "\n{case}, {browser}: {} in {}, by {}",
                quantity::micros(whole),
                quantity::plural(profile.spans.len(), "kernel call"),
                profile.clock
            ));
            printer.result(&table(profile, whole, printer));
        }
    }
}

fn table(profile: &Profile, whole: f64, printer: &Printer) -> String {
    let mut table = Table::new(
        printer,
        &[
            Column::left("kernel"),
            Column::right("calls"),
            Column::right("time"),
            Column::right("share"),
            Column::right("speed").optional(1),
        ],
    );
    for (kernel, sum) in sums(&profile.spans).into_iter().take(N_KERNELS) {
        let speed = if sum.n_flops > 0 && sum.micros > 0.0 {
            format!("{} GFLOP/s", quantity::significant(sum.n_flops as f64 / sum.micros / 1e3))
        } else {
            String::new()
        };
        let share = quantity::percent(if whole > 0.0 { sum.micros / whole } else { 0.0 });
        let cells = [kernel, sum.n_calls.to_string(), quantity::micros(sum.micros), share, speed];
        table.row(cells.map(|cell| (cell, Tone::Plain)));
    }
    table.render()
}

/// Kernels with the sums of their calls, those that take most time first.
fn sums(spans: &[Span]) -> Vec<(String, Sum)> {
    let mut by_kernel: BTreeMap<&str, Sum> = BTreeMap::new();
    for Span { kernel, micros, n_flops, .. } in spans {
        let sum = by_kernel.entry(kernel).or_default();
        sum.n_calls += 1;
        sum.micros += micros;
        sum.n_flops += n_flops;
    }
    let mut sums: Vec<(String, Sum)> =
        by_kernel.into_iter().map(|(kernel, sum)| (kernel.to_owned(), sum)).collect();
    sums.sort_by(|(_, a), (_, b)| b.micros.total_cmp(&a.micros));
    sums
}

/// Writes every call of every profile as a complete event: a process for each browser, a thread for each case.
pub(super) fn write_trace(runs: &[BrowserRun], path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string(&trace(runs)).context("the trace has no JSON")?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn trace(runs: &[BrowserRun]) -> Value {
    let mut events = Vec::new();
    for (process, run) in runs.iter().enumerate() {
        let browser = quantity::browser(&run.browser.name, &run.browser.version);
        events.push(name("process_name", process, 0, &browser));
        for (thread, (case, profile)) in run.profiles.iter().enumerate() {
            events.push(name("thread_name", process, thread, case));
            events.extend(profile.spans.iter().map(|span| {
                json!({
                    "name": span.kernel, "cat": profile.clock, "ph": "X", "pid": process, "tid": thread,
                    "ts": span.start_micros, "dur": span.micros,
                    "args": { "node": span.node, "flops": span.n_flops },
                })
            }));
        }
    }
    json!({ "traceEvents": events, "displayTimeUnit": "ms" })
}

fn name(what: &str, process: usize, thread: usize, name: &str) -> Value {
    json!({ "name": what, "ph": "M", "pid": process, "tid": thread, "args": { "name": name } })
}

#[cfg(test)]
mod tests;
